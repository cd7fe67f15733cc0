"""`gnn-distill datasets`: what can be chosen, and whether its files are here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from gnn_distill.data.mirror import FOLDERS, data_root, folder_of, mirror_root
from gnn_distill.schema import SCHEMAS

if TYPE_CHECKING:
    from gnn_distill.schema.data import PathsConfig

COLUMNS = ("dataset", "task", "metric", "graphs", "files", "what")
WITHOUT_FILES = {"typed_edges": "generated", "smiles": "your file"}


def main(cfg: DictConfig) -> None:
    """Print one line for each file of conf/dataset, those of your own --config-dir included."""
    from hydra.core.hydra_config import HydraConfig

    sources = HydraConfig.get().runtime.config_sources
    folders = [Path(source.path) / "dataset" for source in sources if source.schema == "file"]
    show([describe(name, read_config(name, folders), cfg.paths) for name in names(folders)])


def names(folders: list[Path]) -> list[str]:
    """The choices of the group `dataset`."""
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})


def read_config(name: str, folders: list[Path]) -> DictConfig:
    """A file of the group over its defaults; Hydra would compose it too, but takes 50 ms for each."""
    file = next(folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").is_file())
    config = OmegaConf.load(file)
    base = OmegaConf.create()
    for entry in config.pop("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            base = OmegaConf.merge(base, read_config(entry, folders))
        elif not isinstance(entry, str):  # what a file says of other groups is not ours to show
            schemas = [value for group, value in entry.items() if group.startswith("/schema/dataset")]
            base = OmegaConf.merge(base, *(SCHEMAS[f"dataset/{schema}"] for schema in schemas))
    return OmegaConf.merge(base, config)


def describe(choice: str, config: DictConfig, paths: "PathsConfig") -> tuple[str, ...]:
    """The line of a data set."""
    card = config.card
    return (choice, card.task, config.metric or "by set", card.size, files(config, paths), card.about)


def files(config: DictConfig, paths: "PathsConfig") -> str:
    """Where the raw files of a data set lie."""
    if config.source not in FOLDERS:
        return WITHOUT_FILES.get(config.source, "")
    if OmegaConf.is_missing(config, "name"):
        return "by name"
    folder = folder_of(config.source, config.name)
    for root, answer in ((data_root(paths), "here"), (mirror_root(paths), "in the mirror")):
        if root and any(any((root / folder / place).glob("*.*")) for place in ("raw", ".")):
            return answer
    return "to download"


def show(rows: list[tuple[str, ...]]) -> None:
    """A table on a terminal, plain columns in a pipe."""
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    if not sys.stdout.isatty():
        for row in (COLUMNS, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column, width in zip(COLUMNS, widths, strict=True):
        # The last column alone gives way on a narrow terminal.
        table.add_column(column, no_wrap=True, min_width=None if column == COLUMNS[-1] else width)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
