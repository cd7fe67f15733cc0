"""`gnn-distill tables`: the tables of results to choose from."""

from pathlib import Path

from omegaconf import DictConfig

from gnn_distill.config.catalogue import about, choices, group_folders, read_preset
from gnn_distill.config.listing import show
from gnn_distill.config.schema.table import TableConfig

COLUMNS = ("table", "rows", "columns", "sizes", "what")


def main(cfg: DictConfig) -> None:
    """Print one line for each file of conf/table, those of your own --config-dir included."""
    folders = group_folders("table")
    show(COLUMNS, [describe(name, folders) for name in choices(folders)])


def describe(name: str, folders: list[Path]) -> tuple[str, ...]:
    """The line of a table: how many rows and columns it has, and its smaller versions."""
    config = read_preset(name, folders, TableConfig)
    sizes = ", ".join(["full", *config.sizes])
    return (name, str(len(config.rows)), str(len(config.columns)), sizes, about(name, folders))
