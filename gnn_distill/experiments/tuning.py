"""The search for a method's settings on a column of a table: trials on validation, by Hydra's Optuna sweeper."""

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

import numpy as np
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from gnn_distill.config.check import validate
from gnn_distill.config.hydra_errors import explain
from gnn_distill.config.quoting import for_hydra
from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.config.schema.tune import TuneConfig
from gnn_distill.errors import UserError, refuse
from gnn_distill.experiments.search_space import Knob, keys_of, search_space
from gnn_distill.experiments.studies import Study, Trial
from gnn_distill.interruption import Interruption, working_for
from gnn_distill.storage.provenance import config_hash
from gnn_distill.storage.run_directory import is_finished, read_summary
from gnn_distill.storage.run_lock import holding

Pair = Mapping[str, int]
# Hydra's own choices for the jobs: runs have logs and folders of their own.
QUIET = ("hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.output_subdir=null", "hydra.sweep.subdir=.")


@dataclass(frozen=True)
class Method:
    """A row of a table on one of its columns: `config` is Hydra's for a sweep of `train`, at the first of `pairs`."""

    column: str
    row: str
    file: str
    """Name of its settings among those of the column: the row's, of a search inside a pair full-fold3."""
    role: str
    pairs: Sequence[Pair]
    """Those whose mean is a trial's value."""
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
        """Its study; whatever changes the meaning of a trial, but not their number, makes it another one."""
        meaning = [config_hash(self.config), [dict(pair) for pair in self.pairs], self.data, tune.seed, tune.startup]
        meaning += [[knob.key, knob.values] for knob in self.knobs]
        name = sha256(json.dumps(meaning).encode()).hexdigest()[:16]
        return Study(self.folder, name, self.metric not in LOWER_IS_BETTER)


def compose_method(
    column: str, row: str, file: str, role: str, pairs: Sequence[Pair], overrides: Sequence[str],
    hydra: Sequence[str], tune: TuneConfig, folder: Path,
) -> Method:  # fmt: skip
    """The method that `overrides` of `train` make, checked before anything runs; `hydra` chooses the launcher.

    Raises:
        UserError: naming row and column, and what is wrong with their config or their search space.
    """
    overrides = [*overrides, *(f"{key}={value}" for key, value in pairs[0].items()), "trainer.test=false"]
    own = ["hydra/sweeper=optuna", "hydra.job.name=train", f"hydra.sweep.dir={for_hydra(folder)}", *QUIET, *hydra]
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
    """The fingerprint of the data that a config's runs of a pair would read now: trials on other data are others."""
    config = deepcopy(config)
    for key, value in pair.items():
        OmegaConf.update(config, key, value)
    return _fingerprint(*(OmegaConf.to_yaml(config[section], resolve=True) for section in ("dataset", "paths")))


@cache
def _fingerprint(dataset: str, paths: str) -> str:
    from gnn_distill.data.reading.loading import load_task

    return load_task(OmegaConf.create(dataset), OmegaConf.create(paths)).fingerprint


def search(method: Method, study: Study, tune: TuneConfig, tell: Callable[[Sequence[Trial]], None]) -> list[Trial]:
    """The first `tune.trials` trials of a study, those that are missing being made; `tell` hears of each batch.

    The first is the method as it stands. The sampler is seeded anew for every batch, by the number of trials before
    it: a search that was killed goes on as if it had not been.
    """
    trials = study.trials()
    while (missing := tune.trials - len(trials)) > 0:
        if not trials:
            study.suggest({knob.key: knob.own for knob in method.knobs})
        sweep(method, study, tune, seed=derived(tune.seed, len(trials)), jobs=min(tune.jobs, missing))
        new, trials = len(trials), study.trials()
        study.write_trials(trials)
        tell(trials[new:])
    study.write_trials(trials)
    return trials[: tune.trials]


def sweep(method: Method, study: Study, tune: TuneConfig, seed: int, jobs: int) -> None:
    """A batch of trials through Hydra's sweeper and the launcher chosen; raises what a run of them raises."""
    with open_dict(method.config.hydra):
        sampler = {"seed": seed, "n_startup_trials": tune.startup}
        method.config.hydra.sweeper = OmegaConf.merge(
            method.config.hydra.sweeper,
            {"storage": study.storage, "study_name": study.name, "direction": study.direction, "sampler": sampler},
            {"n_trials": jobs, "n_jobs": jobs, "params": {knob.key: knob.values for knob in method.knobs}},
        )
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
    sweeper = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=task, config=method.config)
    with Interruption(), open(method.folder / "sweep.log", "a") as log, redirect_stdout(log), redirect_stderr(log):
        sweeper.sweep(list(method.config.hydra.overrides.task))


def run_trial(
    cfg: DictConfig, launcher: int, pairs: Sequence[Pair], data: Sequence[str], role: str, runs: Path, worst: float
) -> float:
    """The mean validation metric over pairs; `worst` where training diverged."""
    values = []
    for pair, told in zip(pairs, data, strict=True):
        one = deepcopy(cfg)
        for key, value in pair.items():
            OmegaConf.update(one, key, value)
        with working_for(launcher):
            values.append(run_once(one, role, runs, told))
    return worst if None in values else sum(values) / len(values)


def run_once(cfg: DictConfig, role: str, runs: Path, data: str) -> float | None:
    """The validation metric of a run, made in runs/<hash of its config and data> unless it was finished before."""
    directory = runs / f"{config_hash(cfg)}-{data[:8]}"
    with holding(directory, timeout=-1):  # the same settings may be tried twice at once
        if not is_finished(directory):
            train_into(directory, cfg)
    summary = read_summary(directory)
    return summary[role]["val"][summary["metric"]]


def train_into(directory: Path, cfg: DictConfig) -> None:
    """Train in `directory`, what is told going to run.log there; raises UserError, which names it, for any fault."""
    from gnn_distill.pipeline.run import train_in

    hydra = HydraConfig.get()
    with read_write(hydra.runtime):
        hydra.runtime.output_dir = str(directory.resolve())
    with open(directory / "run.log", "w") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            train_in(directory, validate(cfg), resume=True)
        except Exception as error:
            traceback.print_exc()
            what = error if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            raise UserError(f"{what} Log: {log.name}") from error


def derived(seed: int, number: int) -> int:
    """A seed for the batch that begins with a trial."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def describe_pairs(pairs: Sequence[Pair]) -> str:
    """`seed=0, seed=1`."""
    return ", ".join(" ".join(f"{key}={value}" for key, value in pair.items()) for pair in pairs)


def own_value(method: Method, trials: Sequence[Trial]) -> float | None:
    """What the method had as it stands, if the first trial was that."""
    own: dict[str, Any] = {knob.key: knob.own for knob in method.knobs}
    return trials[0].value if dict(trials[0].settings) == own else None
