"""What happens between Hydra's composing of a config and its making of the run directory; and after a sweep."""

from itertools import chain, count
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.check import validate
from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import UserError, refuse
from gnn_distill.storage.run_directory import RUN, SUMMARY

NUMBERED = "${hydra.job.num}"
"""hydra.sweep.subdir of conf/train.yaml."""


class Check(Callback):
    """Check the config before a folder is made for it."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Single runs."""
        try:
            validate(config)
        except UserError as error:
            # Hydra turns any other exception of a callback into a warning, and goes on.
            raise SystemExit(1) from error


class Preflight(Check):
    """Check the config, and claim the folder that is made for it, so that no two runs share one.

    Hydra names folders by the second. The jobs of a sweep are checked when each begins.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Single runs."""
        super().on_run_start(config)
        self._claim(config, "run")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Sweeps."""
        self._claim(config, "sweep")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Say what the sweep has come to."""
        from gnn_distill.results.sweep_summary import print_sweep

        print_sweep(Path(config.hydra.sweep.dir))

    def _claim(self, config: DictConfig, mode: str) -> None:
        try:
            claim(config, mode)
        except (UserError, OSError) as error:
            raise SystemExit(1) from error


def claim(config: DictConfig, mode: str) -> None:
    """Make the folder that `hydra.<mode>.dir` names, or, where it exists, the first free one with a number behind it.

    A folder that the user named is used as it is.

    Raises:
        UserError: if the user named, for a sweep, a folder that holds something else.
    """
    key = f"hydra.{mode}.dir"
    overrides = config.hydra.overrides.hydra
    wanted = OmegaConf.select(config, key)
    if any(override.startswith(f"{key}=") for override in overrides):
        if mode == "sweep":
            check_free(Path(wanted), numbered=config.hydra.sweep._get_node("subdir")._value() == NUMBERED)
        return
    for folder in chain([wanted], (f"{wanted}_{number}" for number in count(2))):
        try:
            Path(folder).mkdir(parents=True)
            break
        except FileExistsError:
            continue
    OmegaConf.update(config, key, folder)
    # Jobs of a sweep compose their configs anew, from the overrides.
    overrides.append(f"{key}={for_hydra(folder)}")


def check_free(folder: Path, numbered: bool) -> None:
    """Raise UserError unless a sweep may go to a folder; one whose jobs have names of their own may join another."""
    if any((folder / name).exists() for name in (SUMMARY, RUN)):
        raise refuse("hydra.sweep.dir", folder, "this folder holds a run. Choose another, or remove it first.")
    if numbered and (folder / "multirun.yaml").exists():
        raise refuse("hydra.sweep.dir", folder, "this folder holds a sweep. Choose another, or remove it first.")
