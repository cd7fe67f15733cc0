"""Making runs through the Hydra launcher of the user's choice, and telling how far they are."""

import json
import os
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from gnn_distill.console import Console
from gnn_distill.errors import UserError
from gnn_distill.results.cells import FAILED, LOG, RUNNING, PlannedRun
from gnn_distill.run_directory import SUMMARY


def launch(runs: Sequence[PlannedRun], cells: Path, given: Sequence[str], console: Console) -> None:
    """Make these runs and tell of each that ends; one that fails leaves failed.json, and does not stop the others.

    `given`: what was said of Hydra's launcher, `hydra/launcher=joblib`.
    Raises UserError where the launcher is not installed.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    hydra = GlobalHydra.instance().hydra
    config = hydra.compose_config(
        "train",
        [*given, f"hydra.sweep.dir='{cells.absolute()}'", "hydra/hydra_logging=none", "~hydra.callbacks.preflight"],
        run_mode=RunMode.MULTIRUN,
        with_log_configuration=False,
    )
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=run_quietly, config=config)
    jobs = [[*run.overrides, f"hydra.sweep.subdir='{run.folder.name}'"] for run in runs]
    for run in runs:
        (run.folder / FAILED).unlink(missing_ok=True)
    with Watch(runs, console):
        launcher.launch(jobs, initial_job_idx=0)


def run_quietly(cfg: Any) -> float:
    """Train as `gnn-distill train` does, with all that is said going to run.log; NaN where it failed."""
    from hydra.core.hydra_config import HydraConfig

    from gnn_distill.commands import train
    from gnn_distill.validation import validate

    folder = Path(HydraConfig.get().runtime.output_dir)
    mark = folder / RUNNING
    mark.write_text(json.dumps({"pid": os.getpid(), "host": os.uname().nodename}))
    with open(folder / LOG, "w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            return train.main(validate(cfg))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            told = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            (folder / FAILED).write_text(json.dumps({"error": told}))
            return float("nan")
        finally:
            mark.unlink(missing_ok=True)


class Watch:
    """Looks at the folders of runs, whatever makes them, and tells of each one that ends and of the time left."""

    EVERY = 0.5

    def __init__(self, runs: Sequence[PlannedRun], console: Console) -> None:
        self._waiting, self._total, self._console = list(runs), len(runs), console
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(self.EVERY):
            self._look()

    def _look(self) -> None:
        for run in list(self._waiting):
            if (run.folder / SUMMARY).exists():
                self._tell(run, "")
            elif (run.folder / FAILED).exists():
                self._tell(run, f"  failed: {failure(run)}")

    def _tell(self, run: PlannedRun, what: str) -> None:
        self._waiting.remove(run)
        done = self._total - len(self._waiting)
        left = (time.monotonic() - self._started) / done * len(self._waiting)
        more = f"  about {left / 60:.0f} min left" if left >= 60 else f"  about {left:.0f} s left" if left else ""
        self._console.say(f"{done}/{self._total}  {run}{what}{more}")


def failure(run: PlannedRun) -> str:
    """What a failed run said."""
    try:
        return json.loads((run.folder / FAILED).read_text())["error"].strip().splitlines()[0]
    except (OSError, ValueError, KeyError, IndexError):
        return "no reason left"
