"""The search for a method's settings on a column of a table: Optuna chooses trials, validation judges them."""

import json
import math
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from gnn_distill.config.check import validate
from gnn_distill.config.hydra_errors import explain
from gnn_distill.config.quoting import for_hydra
from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.config.schema.tune import TuneConfig
from gnn_distill.errors import UserError, refuse
from gnn_distill.experiments.search_space import Knob, keys_of, search_space
from gnn_distill.experiments.studies import Claim, Study, Trial
from gnn_distill.interruption import Interruption, working_for
from gnn_distill.storage.provenance import config_hash
from gnn_distill.storage.run_directory import is_finished, read_summary
from gnn_distill.storage.run_lock import holding

Pair = Mapping[str, int]
# Hydra's own choices for the jobs: runs have logs and folders of their own.
QUIET = ("hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.output_subdir=null", "hydra.sweep.subdir=.")


@dataclass(frozen=True)
class Method:
    """A row of a table on one of its columns; `config` is that of `train`, with Hydra's section, at the first pair."""

    column: str
    row: str
    file: str
    """Name of its file of settings in the column's folder: the row's, or full-fold3 for a search inside a pair."""
    role: str
    pairs: Sequence[Pair]
    """The value of a trial is the mean over these."""
    data: Sequence[str]
    """Fingerprint of each pair's data."""
    config: DictConfig
    knobs: Sequence[Knob]
    folder: Path

    @property
    def metric(self) -> str:
        """The metric of the data set."""
        return self.config.dataset.metric

    def __str__(self) -> str:
        return f"{self.column}/{self.file}"

    def study(self, tune: TuneConfig) -> Study:
        """Its study, named by a hash of all that changes the meaning of a trial; the number of trials does not."""
        meaning = [config_hash(self.config), [dict(pair) for pair in self.pairs], self.data, tune.seed, tune.startup]
        meaning += [[knob.key, knob.values] for knob in self.knobs]
        name = sha256(json.dumps(meaning).encode()).hexdigest()[:16]
        return Study(self.folder, name, self.metric not in LOWER_IS_BETTER)


def compose_method(
    column: str, row: str, file: str, role: str, pairs: Sequence[Pair], overrides: Sequence[str],
    hydra: Sequence[str], tune: TuneConfig, folder: Path,
) -> Method:  # fmt: skip
    """The method given by `overrides` of `train`, checked before anything runs; `hydra` selects the launcher.

    Raises:
        UserError: naming row and column, and what is wrong with their config or their search space.
    """
    overrides = [*overrides, *(f"{key}={value}" for key, value in pairs[0].items()), "trainer.test=false"]
    own = ["hydra.job.name=train", f"hydra.sweep.dir={for_hydra(folder)}", *QUIET, *hydra]
    loader = GlobalHydra.instance().config_loader()
    try:
        config = loader.load_configuration("train", [*own, *overrides], RunMode.MULTIRUN, from_shell=False)
        validate(config)
        if config.dataset.metric is None:
            raise refuse("dataset.metric", None, "tuning must know what is better. Name the metric in the column.")
        knobs = search_space(tune.space, config, keys_of(overrides))
        if not knobs:
            raise refuse("tune.space", tune.space, "nothing in it applies here.")
        data = [fingerprint_of(config, pair) for pair in pairs]
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if (said := error if isinstance(error, UserError) else explain(error)) is None:
            raise
        raise UserError(f"row {row}, column {column}: {said}") from error
    return Method(column, row, file, role, pairs, data, config, knobs, folder)


def fingerprint_of(config: DictConfig, pair: Pair) -> str:
    """Fingerprint of the data that a run of this config and pair would read now; part of what identifies a trial."""
    config = deepcopy(config)
    for key, value in pair.items():
        OmegaConf.update(config, key, value)
    return _fingerprint(*(OmegaConf.to_yaml(config[section], resolve=True) for section in ("dataset", "paths")))


@cache
def _fingerprint(dataset: str, paths: str) -> str:
    from gnn_distill.data.reading.loading import load_task

    return load_task(OmegaConf.create(dataset), OmegaConf.create(paths)).fingerprint


def search(
    method: Method, study: Study, tune: TuneConfig, report: Callable[[Sequence[Trial]], None]
) -> list[Trial] | None:
    """Run the missing trials of a study, other than those that other processes are running.

    `report` is called with each batch of up to `tune.jobs` finished trials. Returns the first `tune.trials` trials, or
    None if other processes are still running some of them.
    """
    while True:
        with study.claim(tune, method.knobs) as claims:
            if not claims:
                break
            run_trials(method, study, claims)
        own = [claim.number for claim in claims]
        report([trial for trial in study.write_trials() if trial.number in own])
    trials = [trial for trial in study.write_trials() if trial.number <= tune.trials]
    return trials if len(trials) == tune.trials else None


def run_trials(method: Method, study: Study, claims: Sequence[Claim]) -> None:
    """Run a batch of trials through the chosen launcher; the error of one is raised after the others are recorded."""
    task = partial(
        run_trial,
        launcher=os.getpid(),
        pairs=[dict(pair) for pair in method.pairs],
        data=list(method.data),
        role=method.role,
        runs=method.folder / "runs",
        worst=-math.inf if study.higher_is_better else math.inf,
    )
    context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=method.config)
    own = list(method.config.hydra.overrides.task)
    jobs = [[*own, *(f"{key}={value}" for key, value in claim.settings.items())] for claim in claims]
    with Interruption(), open(method.folder / "launcher.log", "a") as log, redirect_stdout(log), redirect_stderr(log):
        results = launcher.launch(jobs, initial_job_idx=claims[0].number - 1)
        for claim, result in zip(claims, results, strict=True):
            if result.status == JobStatus.COMPLETED:
                study.tell(claim, result.return_value)
        for result in results:
            _ = result.return_value  # raises the job's error


def run_trial(
    cfg: DictConfig, launcher: int, pairs: Sequence[Pair], data: Sequence[str], role: str, runs: Path, worst: float
) -> float:
    """The mean validation metric over pairs; `worst` if training diverged."""
    values = []
    for pair, fingerprint in zip(pairs, data, strict=True):
        one = deepcopy(cfg)
        for key, value in pair.items():
            OmegaConf.update(one, key, value)
        with working_for(launcher):
            values.append(run_once(one, role, runs, fingerprint))
    return worst if None in values else sum(values) / len(values)


def run_once(cfg: DictConfig, role: str, runs: Path, data: str) -> float | None:
    """The validation metric of the run in runs/<hash of config and data>, which is trained unless it is finished."""
    directory = runs / f"{config_hash(cfg)}-{data[:8]}"
    with holding(directory, timeout=-1):  # two trials may have the same settings at the same time
        if not is_finished(directory):
            train_into(directory, cfg)
    summary = read_summary(directory)
    return summary[role]["val"][summary["metric"]]


def train_into(directory: Path, cfg: DictConfig) -> None:
    """Train in `directory`, with output to its run.log; any error is raised as a UserError that names the log."""
    from gnn_distill.pipeline.run import train_in

    hydra = HydraConfig.get()
    with read_write(hydra.runtime):
        hydra.runtime.output_dir = str(directory.resolve())
    with open(directory / "run.log", "w") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            train_in(directory, validate(cfg), resume=True)
        except Exception as error:
            traceback.print_exc()
            message = error if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            raise UserError(f"{message} Log: {log.name}") from error


def describe_pairs(pairs: Sequence[Pair]) -> str:
    """`seed=0, seed=1`."""
    return ", ".join(" ".join(f"{key}={value}" for key, value in pair.items()) for pair in pairs)


def own_value(method: Method, trials: Sequence[Trial]) -> float | None:
    """The value of the method as it stands; None if the first trial had other settings."""
    own: dict[str, Any] = {knob.key: knob.own for knob in method.knobs}
    return trials[0].value if dict(trials[0].settings) == own else None
