"""`gnn-distill datasets`: the data sets to choose from, and whether their files are here."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.catalogue import choices, group_folders, read_preset
from gnn_distill.config.listing import show
from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.data.reading.mirror import FOLDERS, data_root, folder_of, mirror_root

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig

COLUMNS = ("dataset", "task", "metric", "graphs", "files", "what")


def main(cfg: DictConfig) -> None:
    """Print one line for each file of conf/dataset, those of your own --config-dir included."""
    folders = group_folders("dataset")
    show(COLUMNS, [describe(name, read_preset(name, folders, DatasetConfig), cfg.paths) for name in choices(folders)])


def describe(choice: str, config: DictConfig, paths: "PathsConfig") -> tuple[str, ...]:
    """The line of a data set."""
    card = config.card
    return (choice, card.task, config.metric or "by set", card.size, files(config, paths), card.about)


def files(config: DictConfig, paths: "PathsConfig") -> str:
    """Where the raw files of a data set are; nothing is known of a source of the user's own."""
    if "." in config.source:
        return ""
    if config.source not in FOLDERS:
        return "your file" if "path" in {*config} else "generated"  # the key itself: its value is missing
    if OmegaConf.is_missing(config, "name"):
        return "by name"
    folder = folder_of(config.source, config.name)
    for root, answer in ((data_root(paths), "here"), (mirror_root(paths), "in the mirror")):
        if root and any(any((root / folder / place).glob("*.*")) for place in ("raw", ".")):
            return answer
    return "to download"
