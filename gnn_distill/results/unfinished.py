"""The part of a run's page that says why a run has no result, how far it came, and what to do."""

from collections import deque
from typing import Any

from omegaconf import OmegaConf

from gnn_distill.formatting import role_label
from gnn_distill.results.run_files import Run
from gnn_distill.storage.bounded import lies_inside, opened
from gnn_distill.storage.privacy import Verbatim, command
from gnn_distill.storage.run_directory import CONSOLE, RUN

LAST_LINES = 15
"""Of console.log that are shown."""
MOST_BYTES = 20_000
"""Of its end that is read for them."""
PLANNED = {"teacher": ("pretrain.max_epochs", "trainer.max_epochs")}
"""Keys of the number of epochs of a stage, the first that is set; of others trainer.max_epochs."""


def unfinished_section(run: Run) -> dict[str, Any] | None:
    """The variables of what a page shows of a run without a summary; None of a finished one."""
    if run.summary:
        return None
    return {
        "error": run.error,
        "reached": how_far(run),
        "resume": resume(run),
        "file": CONSOLE,
        "log": last_lines(run),
    }


def how_far(run: Run) -> str:
    """Where metrics.csv ends: `after epoch 12 of at most 60 of the student`."""
    stage = next(reversed(run.curves), None)
    if stage is None:
        return "before its first epoch had ended"
    epochs = run.curves[stage].get("epoch") or [0]
    keys = PLANNED.get(stage.rstrip("_0123456789"), ("trainer.max_epochs",))
    planned = next((count for key in keys if (count := OmegaConf.select(run.config, key)) is not None), None)
    of = f" of at most {planned}" if planned else ""
    return f"after epoch {epochs[-1]:.0f}{of} of the {role_label(stage)}"


def resume(run: Run) -> Verbatim | None:
    """The command that resumes the run; None of a folder that holds no started run."""
    if not lies_inside(run.path / RUN, run.path):
        return None
    return command(["gnn-distill", "train", f"resume={run.path}"])


def last_lines(run: Run) -> str:
    """The end of what the run printed; empty if it kept nothing."""
    file = run.path / CONSOLE
    if not lies_inside(file, run.path):
        return ""
    with opened(file, run.path) as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - MOST_BYTES))
        text = log.read().decode(errors="replace")
    return "\n".join(deque(text.strip().splitlines(), LAST_LINES))
