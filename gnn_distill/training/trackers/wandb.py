"""Weights & Biases, offline unless `tracker.mode=online`."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gnn_distill.training.tracker import TrackedRun, Tracker, describe, short

TITLE = "Weights & Biases"
QUIET = {
    "silent": True,
    "console": "off",
    "save_code": False,
    "disable_code": True,
    "symlink": False,
    "init_timeout": 20.0,  # seconds for going online
    "program": "gnn-distill",  # not this process, nor where it lies
    "x_executable": "python",
}


class WandbTracker(Tracker):
    """A run of W&B's."""

    def __init__(self, run: Any, told: TrackedRun, online: bool) -> None:
        self._run, self._told = run, told
        own, url = Path(run.settings.sync_dir), (getattr(run, "url", None) or "") if online else ""
        # Artifacts are copied before they are sent: into the run's folder, not into the user's home.
        os.environ["WANDB_DATA_DIR"] = str(own)
        offline = [*earlier_folders(own), *([] if url else [own])]
        sync = shlex.join(["wandb", "sync", *map(short, offline)]) if offline else ""
        self.where = ", and ".join(filter(None, [url, sync]))
        for stage in told.stages:  # the stages count their epochs each from 1, W&B's own step only goes up
            run.define_metric(f"{stage}/epoch", hidden=True)
            run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")

    def log(self, stage: str, row: Mapping[str, float]) -> None:
        """The keys as in student/val/accuracy. There is no `restore`: what W&B has been told is in its folder."""
        self._run.log({f"{stage}/{key}": value for key, value in row.items()})

    def summary(self, values: Mapping[str, Any]) -> None:
        """All of it."""
        self._run.summary.update(values)

    def image(self, key: str, path: str) -> None:
        """As media."""
        import wandb

        self._run.log({key: wandb.Image(path)})

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """As a table of W&B's."""
        import wandb

        self._run.log({key: wandb.Table(columns=columns, data=rows, allow_mixed_types=True)})

    def artifact(self, key: str, kind: str, files: Sequence[str]) -> None:
        """An artifact of the run's own; of a model with the run's settings."""
        import wandb

        made = wandb.Artifact(f"{key}-{self._run.id}", type=kind)
        for path in files:
            made.add_file(path)
        if kind == "model":
            with made.new_file("config.json") as file:
                json.dump(self._told.config, file, indent=2)
        self._run.log_artifact(made)

    def finish(self, completed: bool = True) -> None:
        """A run that has not come to its end counts as failed until it is resumed."""
        self._run.finish(exit_code=0 if completed else 1)


def start(config: SimpleNamespace, run: TrackedRun) -> WandbTracker:
    """A new run, or the one that is resumed; offline if going online fails."""
    import wandb

    chosen = QUIET | {
        "disable_git": not config.git,
        "x_disable_stats": not config.system,
        "x_disable_meta": not config.system,
        "x_save_requirements": config.system,
        "x_stats_pid": run.pid,
    }
    known = getattr(wandb.Settings, "model_fields", chosen)
    settings = wandb.Settings(**{key: value for key, value in chosen.items() if key in known})
    arguments = {
        "project": config.project,
        "entity": config.entity,
        "group": run.group,
        "name": run.name,
        "tags": run.tags,
        "dir": run.folder,
        "config": run.config,
        **({"id": run.id, "resume": "allow" if run.resumed else None} if run.id else {}),
    }
    try:
        return WandbTracker(wandb.init(mode=config.mode, settings=settings, **arguments), run, config.mode == "online")
    except Exception as error:
        if config.mode == "offline":
            raise
        run.warn(f"cannot go online ({describe(error)}); logging offline instead")
        return WandbTracker(wandb.init(mode="offline", settings=settings, **arguments), run, False)


def earlier_folders(own: Path) -> list[Path]:
    """Folders of a run that are still to be synced, besides its `own`: W&B makes one per process of the run."""
    run_id = own.name.rpartition("-")[2]
    parts = sorted(own.parent.glob(f"offline-run-*-{run_id}"))
    return [part for part in parts if part != own and not list(part.glob("*.wandb.synced"))]  # W&B's own mark
