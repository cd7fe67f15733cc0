"""Shared by all parts: command-line options, configs as `gnn-distill train` composes them, and tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.schema.run import TrainConfig

PLAIN = ("loss=task", "alignment=none", "teacher=none")
"""Overrides of training from labels alone."""


@dataclass
class Options:
    """The options of the command line."""

    folder: Path
    """Temporary folder; removed at the end."""
    rounds: int = 5
    smoke: bool = False
    """Small generated graphs instead of data sets."""
    clock: str = "wall"
    overrides: tuple[str, ...] = ()
    """Overrides of `gnn-distill train`, for every config."""

    def config(self, *overrides: str, keep: bool = True) -> TrainConfig:
        """The config of `gnn-distill train` with these overrides, then those of the command line.

        keep: use the user's store, for real data.
        """
        store = () if keep and not self.smoke else (f"paths.store={self.folder / 'store'}",)
        every = ["tracker=none", "pretrain.max_epochs=1", *overrides, *self.overrides, *store]
        schema.register()
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            return OmegaConf.to_object(compose("train", overrides=every))


@dataclass
class Report:
    """A table of results; rows share their keys."""

    title: str
    rows: list[dict[str, Any]]
