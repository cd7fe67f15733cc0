"""Studies of `gnn-distill tune`: their trials, the best of them, and the file its settings are written to."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from gnn_distill.config.schema.tune import TuneConfig
from gnn_distill.formatting import spoken
from gnn_distill.storage.files import replace_file

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from gnn_distill.experiments.search_space import Knob

TRIALS = "trials.csv"
JOURNAL = "study.journal"
RUNNING = "running"
"""Folder of the locks of running trials."""
LEAST_FOR_IMPORTANCE = 16
"""Number of trials with which fANOVA found the main setting in 9 of 10 synthetic searches (docs/tuning.md)."""


@dataclass(frozen=True)
class Trial:
    """A finished trial; `value` is the validation metric, infinite where training diverged."""

    number: int
    value: float
    seconds: float
    """From its first start to its end, including any interruption."""
    finished: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """A trial that this process runs: its number among the trials, from 1, and in Optuna's journal, from 0."""

    number: int
    journal_number: int
    settings: Mapping[str, Any]


class Study:
    """The trials of one method on one column, in an Optuna journal in `folder`, which several processes may share.

    A journal may hold several studies; `name` selects one. A trial is running from its start until it has a value, and
    its process holds a lock meanwhile. A running trial whose lock is free was left by a process that died.

    Raises:
        Damaged: if the journal cannot be read.
    """

    def __init__(self, folder: Path, name: str, higher_is_better: bool) -> None:
        import optuna

        from gnn_distill.experiments.journal import open_journal

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        (folder / RUNNING).mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.higher_is_better = folder, name, higher_is_better
        self._lock = FileLock((folder / ".lock").resolve())
        direction = "maximize" if higher_is_better else "minimize"
        with self._lock:
            journal = open_journal((folder / JOURNAL).resolve(), self._lock)
            self._optuna = optuna.create_study(
                storage=journal, study_name=name, direction=direction, load_if_exists=True
            )

    def trials(self) -> list[Trial]:
        """Finished trials in the order in which they started, numbered from 1."""
        return [_trial(number, trial) for number, trial in self._started() if trial.state.is_finished()]

    @contextmanager
    def claim(self, tune: TuneConfig, knobs: Sequence["Knob"]) -> Iterator[list[Claim]]:
        """Reserve up to `tune.jobs` of the first `tune.trials` trials; no other process runs them within the context.

        Trials left by processes that died come first, with their old settings. The first trial of a study is the method
        as it stands. The sampler is seeded per trial, by its number, so that a search that was killed continues as if
        it had not been. Empty if all trials are finished or run by others.
        """
        space = {knob.key: knob.distribution() for knob in knobs}
        with ExitStack() as held:
            claims: list[Claim] = []
            with self._lock:
                self._drop_incomplete(space)
                for number, trial in self._started()[: tune.trials]:
                    free = len(claims) < tune.jobs and not trial.state.is_finished()
                    if free and self._hold(held, trial.number):
                        claims.append(Claim(number, trial.number, trial.params))
                while len(claims) < tune.jobs and (started := len(self._started())) < tune.trials:
                    claims.append(self._ask(started + 1, tune, knobs, space))
                    self._hold(held, claims[-1].journal_number)
            yield claims

    def tell(self, claim: Claim, value: float) -> None:
        """Record the value of a trial; infinite if training diverged."""
        # Without the study's lock another process could see the trial running, and then find the trial's lock free.
        with self._lock:
            self._optuna.tell(claim.journal_number, value, skip_if_finished=True)
            with suppress(OSError):
                self._lock_file(claim.journal_number).unlink()

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The best of `trials`, the earliest of equals."""
        return (max if self.higher_is_better else min)(trials, key=lambda trial: trial.value)

    def importances(self) -> dict[str, float]:
        """Share of each setting in the variance of the validation metric, in descending order; they sum to 1.

        By fANOVA (Hutter et al., ICML 2014) over the trials that did not diverge. Empty if these are fewer than
        LEAST_FOR_IMPORTANCE, or all have the same value.
        """
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        values = [trial.value for trial in self.trials() if math.isfinite(trial.value)]
        if len(values) < LEAST_FOR_IMPORTANCE or len(set(values)) == 1:
            return {}
        return get_param_importances(self._optuna, evaluator=FanovaImportanceEvaluator(seed=0))

    def write_trials(self) -> list[Trial]:
        """Write trials.csv atomically, and return its trials."""
        from gnn_distill.results import spreadsheets

        with self._lock:
            trials = self.trials()
            replace_file(self.folder / TRIALS, spreadsheets.to_csv(trials_frame(trials)))
        return trials

    def _started(self) -> list[tuple[int, "optuna.trial.FrozenTrial"]]:
        """Running and finished trials with their numbers, from 1."""
        from optuna.trial import TrialState

        states = (TrialState.RUNNING, TrialState.COMPLETE)
        return list(enumerate(self._optuna.get_trials(deepcopy=False, states=states), start=1))

    def _drop_incomplete(self, space: Collection[str]) -> None:
        """Mark trials as failed whose process died before all their settings were drawn."""
        from optuna.trial import TrialState

        for _, trial in self._started():
            if trial.params.keys() != set(space):
                self._optuna.tell(trial.number, state=TrialState.FAIL)

    def _ask(
        self,
        number: int,
        tune: TuneConfig,
        knobs: Sequence["Knob"],
        space: "dict[str, optuna.distributions.BaseDistribution]",
    ) -> Claim:
        """Start a trial. To the sampler running trials are bad ones, so that it avoids them (constant liar)."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        seed = derived(tune.seed, number - 1)
        self._optuna.sampler = TPESampler(seed=seed, n_startup_trials=tune.startup, constant_liar=True)
        if number == 1 and not self._optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._optuna.enqueue_trial({knob.key: knob.own for knob in knobs})
        trial = self._optuna.ask(space)
        return Claim(number, trial.number, trial.params)

    def _hold(self, held: ExitStack, journal_number: int) -> bool:
        """Hold the lock of a trial until `held` exits; False if another process holds it."""
        lock = FileLock(self._lock_file(journal_number), blocking=False)
        try:
            held.enter_context(lock)
        except Timeout:
            return False
        return True

    def _lock_file(self, journal_number: int) -> Path:
        return (self.folder / RUNNING / f"{self.name}-{journal_number}.lock").resolve()


def derived(seed: int, number: int) -> int:
    """A seed for the item of this number, independent of the other items' seeds."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def trials_frame(trials: Sequence[Trial]) -> "pd.DataFrame":
    """A row per trial: trial, value, seconds, finished, then a column per setting."""
    import pandas as pd

    facts = ("number", "value", "seconds", "finished")
    rows = [{**{fact: getattr(trial, fact) for fact in facts}, **trial.settings} for trial in trials]
    return pd.DataFrame(rows).rename(columns={"number": "trial"})


def read_trials(folder: Path) -> "pd.DataFrame":
    """The trials in a study's folder, in the format of `trials_frame`; does not need Optuna."""
    import pandas as pd

    from gnn_distill.results import spreadsheets

    return spreadsheets.restored(pd.read_csv(folder / TRIALS))


def write_settings(path: Path, settings: Mapping[str, Any], groups: Collection[str], facts: Mapping[str, Any]) -> None:
    """Write a file of the group `tuned`: choices of `groups` go to its defaults, `facts` to its comments."""
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


def format_value(value: float, metric: str) -> str:
    """A value of the metric for a line of text; `diverged` if it is not finite."""
    return spoken(value, metric) if math.isfinite(value) else "diverged"
