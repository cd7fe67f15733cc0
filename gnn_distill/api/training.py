"""`gnn_distill.train`: a run as `gnn-distill train` makes it."""

from collections.abc import Sequence
from pathlib import Path

from gnn_distill.api.composing import Overrides, composed, words_of
from gnn_distill.api.isolation import isolated
from gnn_distill.api.results import Run
from gnn_distill.pipeline.run import train_in


def train(
    overrides: Overrides = (),
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    config_dirs: Sequence[str | Path] = (),
    progress: bool = True,
) -> Run:
    """Pretrain a teacher, distil it into a student, evaluate both; without a tracker, unless overrides choose one.

    overrides: words of the command line, `["dataset=esol", "loss=kd"]`, or `{"dataset": "esol", "loss": "kd"}`.
    folder: the run's; None: outputs/train/… in the working folder. resume: continue the unfinished run in `folder`, of
    the same settings. config_dirs: folders of YAML files of your own. progress: print what the command line prints.

    Raises:
        UserError: for anything that the caller can correct.
    """
    with isolated(progress), composed(words_of(overrides), folder, config_dirs) as (cfg, place):
        train_in(place, cfg, resume)
    return Run.load(place, own_modules=True)
