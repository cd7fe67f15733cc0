"""Studies of `gnn-distill tune`: their trials, the best of them, and the file of settings that it becomes."""

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from gnn_distill.formatting import spoken
from gnn_distill.storage.files import replace_file

if TYPE_CHECKING:
    import optuna
    import pandas as pd

TRIALS = "trials.csv"
DATABASE = "study.db"


@dataclass(frozen=True)
class Trial:
    """A finished trial; `value` is the validation metric, infinite where training diverged."""

    number: int
    value: float
    seconds: float
    finished: str
    settings: Mapping[str, Any]


class Study:
    """The trials of one method on one column, in an Optuna database in `folder`.

    A database may hold several studies; `name` says which. What was killed was never finished, and is no trial.
    """

    def __init__(self, folder: Path, name: str, higher_is_better: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.higher_is_better = folder, name, higher_is_better
        self.storage = f"sqlite:///{(folder / DATABASE).resolve()}"
        self.direction = "maximize" if higher_is_better else "minimize"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna 2 and SQLAlchemy 1.4 tell of their own future
            self._optuna = optuna.create_study(
                storage=self.storage, study_name=name, direction=self.direction, load_if_exists=True
            )

    def trials(self) -> list[Trial]:
        """Finished trials in the order in which they began, numbered from 1."""
        import optuna

        done = self._optuna.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        return [_trial(number, trial) for number, trial in enumerate(done, start=1)]

    def suggest(self, settings: Mapping[str, Any]) -> None:
        """Make `settings` the next trial, unless one is waiting already."""
        import optuna

        if not self._optuna.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._optuna.enqueue_trial(dict(settings))

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The best of `trials`, the earliest of equals."""
        return (max if self.higher_is_better else min)(trials, key=lambda trial: trial.value)

    def write_trials(self, trials: Sequence[Trial]) -> None:
        """Write trials.csv, whole or not at all."""
        from gnn_distill.results import spreadsheets

        replace_file(self.folder / TRIALS, spreadsheets.to_csv(trials_frame(trials)))


def trials_frame(trials: Sequence[Trial]) -> "pd.DataFrame":
    """A row a trial: trial, value, seconds, finished, then a column a setting."""
    import pandas as pd

    facts = ("number", "value", "seconds", "finished")
    rows = [{**{fact: getattr(trial, fact) for fact in facts}, **trial.settings} for trial in trials]
    return pd.DataFrame(rows).rename(columns={"number": "trial"})


def read_trials(folder: Path) -> "pd.DataFrame":
    """The trials of a study's folder as `trials_frame` gives them, without Optuna."""
    import pandas as pd

    from gnn_distill.results import spreadsheets

    return spreadsheets.restored(pd.read_csv(folder / TRIALS))


def write_settings(path: Path, settings: Mapping[str, Any], groups: Collection[str], facts: Mapping[str, Any]) -> None:
    """Write settings as a file of the group `tuned`: choices of `groups` become its defaults, `facts` its comments."""
    chosen = [{f"override /{key}": value} for key, value in settings.items() if key in groups]
    body = OmegaConf.create({"defaults": chosen} if chosen else {})
    for key, value in settings.items():
        if key not in groups:
            OmegaConf.update(body, key, value)
    head = [
        "# @package _global_",
        "# The best of its trials on validation, written by `gnn-distill tune`; tables take it up by themselves.",
        *(f"# {key}: {value}" for key, value in facts.items()),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, "\n".join(head) + "\n" + OmegaConf.to_yaml(body))


def read_facts(path: Path) -> dict[str, str]:
    """The facts in the comments of a file of the group `tuned`: study, trials, metric, value, command and others."""
    lines = [line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith("# ")]
    return dict(line.split(": ", 1) for line in lines[2:] if ": " in line)


def _trial(number: int, trial: "optuna.trial.FrozenTrial") -> Trial:
    finished = trial.datetime_complete.isoformat(sep=" ", timespec="seconds")
    return Trial(number, trial.value, round(trial.duration.total_seconds(), 1), finished, trial.params)


def told(value: float, metric: str) -> str:
    """A value of the metric, as a line of text has it."""
    return spoken(value, metric) if math.isfinite(value) else "diverged"
