"""Making runs with the Hydra launcher of the user's choice, and showing their progress."""

import math
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import UserError, printable
from gnn_distill.experiments.cells import LOG, PlannedRun
from gnn_distill.formatting import duration
from gnn_distill.interruption import Interruption, working_for
from gnn_distill.storage.bounded import read_plain_json
from gnn_distill.storage.files import set_aside
from gnn_distill.storage.run_directory import FAILED, SUMMARY, is_finished, write_failure
from gnn_distill.storage.run_lock import Busy, holding


def launch(runs: Sequence[PlannedRun], cells: Path, given: Sequence[str]) -> str:
    """Make these runs and report each one that ends; one that fails leaves failed.json, and does not stop the others.

    `given`: overrides for Hydra's launcher, as in `hydra/launcher=joblib`. Returns why the launcher itself stopped, or
    an empty text: a worker that is killed ends all of joblib's.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    hydra = GlobalHydra.instance().hydra
    config = hydra.compose_config(
        "train",
        [
            *given,
            f"hydra.sweep.dir={for_hydra(cells.absolute())}",
            "hydra/hydra_logging=none",
            "~hydra.callbacks.preflight",
        ],
        run_mode=RunMode.MULTIRUN,
        with_log_configuration=False,
    )
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    task = partial(run_job, launcher=os.getpid())
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    jobs = [[*run.overrides, f"hydra.sweep.subdir={for_hydra(run.folder.name)}"] for run in runs]
    for run in runs:
        (run.folder / FAILED).unlink(missing_ok=True)
        if is_finished(run.folder):  # its data have changed; is_finished renames a damaged summary
            set_aside(run.folder, "other-data")
    # The launcher waits here for other processes: a signal that ends the wait ends those, too.
    with Interruption(), ProgressMonitor(runs), warnings.catch_warnings():
        # joblib replaces a worker that has grown by 300 MB, as ours do, since libraries keep memory, and warns of it.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        try:
            launcher.launch(jobs, initial_job_idx=0)
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def run_job(cfg: Any, launcher: int) -> float:
    """Make one run as a job of the process `launcher`; the worker ends with that process."""
    with working_for(launcher):
        return run_quietly(cfg)


def run_quietly(cfg: Any) -> float:
    """Train as `gnn-distill train` does, with all output in run.log; returns NaN if it failed.

    A run that another process is making, or has made in the meantime, is left alone.
    """
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        with holding(folder):
            return math.nan if (folder / SUMMARY).exists() else _train(cfg, folder)
    except Busy:
        return math.nan


def _train(cfg: Any, folder: Path) -> float:
    from gnn_distill.config.check import validate
    from gnn_distill.pipeline.run import train_in

    with open(folder / LOG, "w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            return train_in(folder, validate(cfg), resume=True)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            write_failure(folder, error)
            return math.nan


class ProgressMonitor:
    """Watches the folders of runs, whichever process makes them; prints each one that ends, and the time left."""

    EVERY = 0.5
    """Seconds between two looks."""

    def __init__(self, runs: Sequence[PlannedRun]) -> None:
        self._waiting, self._total = list(runs), len(runs)
        self._started = time.monotonic()
        # Runs redirect sys.stdout to their logs: this console keeps the terminal's, and does not replace it.
        console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
        columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        quiet = {"redirect_stdout": False, "redirect_stderr": False, "disable": not console.is_interactive}
        self._bar = Progress(*columns, console=console, transient=True, **quiet)
        self._task = self._bar.add_task("runs", total=self._total)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ProgressMonitor":
        self._bar.start()
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self._bar.stop()

    def _watch(self) -> None:
        while not self._stop.wait(self.EVERY):
            self._look()

    def _look(self) -> None:
        for run in list(self._waiting):
            if (run.folder / SUMMARY).exists():
                self._print(run, "")
            elif (run.folder / FAILED).exists():
                self._print(run, f"  failed: {failure(run)}")

    def _print(self, run: PlannedRun, what: str) -> None:
        self._waiting.remove(run)
        done = self._total - len(self._waiting)
        left = duration((time.monotonic() - self._started) / done * len(self._waiting))
        more = f"about {left} left" if self._waiting else ""
        self._bar.update(self._task, completed=done, description=more)
        text = printable(f"{done}/{self._total}  {run}{what}")
        bar = self._bar.console
        bar.print(text if bar.is_interactive or not more else f"{text}  {more}", soft_wrap=True)
        bar.file.flush()


def failure(run: PlannedRun) -> str:
    """The first line of a failed run's message."""
    try:
        return read_plain_json(run.folder / FAILED)["error"].strip().splitlines()[0]
    except (UserError, TypeError, AttributeError, KeyError, IndexError):
        return "no reason recorded"
