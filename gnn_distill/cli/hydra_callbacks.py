"""Hydra callbacks: before the run directory is made, and after a sweep."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gnn_distill import ranks
from gnn_distill.cli.launchers import meet, processes_to_start, refuse_sweep
from gnn_distill.config.check import validate
from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import UserError, refuse
from gnn_distill.storage.run_directory import RUN, SUMMARY

NUMBERED = "${hydra.job.num}"
"""hydra.sweep.subdir of conf/train.yaml."""


@contextmanager
def as_exit() -> Iterator[None]:
    """Errors within it end the command: Hydra turns any other exception of a callback into a warning, and continues."""
    try:
        yield
    except (UserError, OSError) as error:
        raise SystemExit(1) from error
    except RuntimeError as error:
        if not ranks.is_loss_of_another(error):
            raise
        raise SystemExit(1) from None  # the first process has said why


class Check(Callback):
    """Check the config before a folder is made for it."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Single runs."""
        with as_exit():
            validate(config)


class Preflight(Check):
    """Check the config, and claim the run directory, so that no two runs share one: Hydra names it by the second.

    Each job of a sweep is checked when it starts. Several processes of one run meet first, and have the folder of the
    first of them.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Single runs."""
        super().on_run_start(config)
        with as_exit():
            if processes_to_start(config.trainer) == 1:
                meet(config.trainer)
        self._claim(config, "run")
        with as_exit():
            folder = ranks.from_first(lambda: config.hydra.run.dir)
        OmegaConf.update(config, "hydra.run.dir", folder)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Sweeps."""
        with as_exit():
            refuse_sweep()
        self._claim(config, "sweep")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Print the results of the sweep."""
        from gnn_distill.results.sweep_summary import print_sweep

        print_sweep(Path(config.hydra.sweep.dir))

    def _claim(self, config: DictConfig, mode: str) -> None:
        with as_exit():
            if ranks.is_first():
                claim(config, mode)


def claim(config: DictConfig, mode: str) -> None:
    """Make the folder `hydra.<mode>.dir`, or, if it exists, the first one with a number appended that does not.

    A folder that the user named is used as it is.

    Raises:
        UserError: if the user named a folder for a sweep that holds something else.
    """
    key = f"hydra.{mode}.dir"
    overrides = config.hydra.overrides.hydra
    configured = OmegaConf.select(config, key)
    if any(override.startswith(f"{key}=") for override in overrides):
        if mode == "sweep":
            check_free(Path(configured), numbered=config.hydra.sweep._get_node("subdir")._value() == NUMBERED)
        return
    for folder in chain([configured], (f"{configured}_{number}" for number in count(2))):
        try:
            Path(folder).mkdir(parents=True)
            break
        except FileExistsError:
            continue
    OmegaConf.update(config, key, folder)
    # Jobs of a sweep compose their own configs, from the overrides.
    overrides.append(f"{key}={for_hydra(folder)}")


def check_free(folder: Path, numbered: bool) -> None:
    """Raise UserError unless a sweep may use a folder; one whose jobs are not numbered may join another sweep."""
    if any((folder / name).exists() for name in (SUMMARY, RUN)):
        raise refuse("hydra.sweep.dir", folder, "this folder holds a run. Choose another, or remove it first.")
    if numbered and (folder / "multirun.yaml").exists():
        raise refuse("hydra.sweep.dir", folder, "this folder holds a sweep. Choose another, or remove it first.")
