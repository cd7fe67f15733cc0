"""`gnn-distill tune`: search the settings of a table's methods on validation, with the same trials for each."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata, util
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.catalogue import show
from gnn_distill.config.schema.table import ColumnConfig, RowConfig
from gnn_distill.config.schema.tune import TuneCommand, TuneConfig
from gnn_distill.errors import UserError, refuse, suggest
from gnn_distill.experiments.cells import cell_overrides, given_to_launcher, given_to_runs, sized
from gnn_distill.experiments.overlap import Overlaps
from gnn_distill.experiments.studies import Study, Trial, told, write_settings
from gnn_distill.experiments.tuned import overlap_line, pair_name, pairs_of
from gnn_distill.experiments.tuning import Method, Pair, compose_method, describe_pairs, own_value, search
from gnn_distill.formatting import duration
from gnn_distill.storage.provenance import code_version
from gnn_distill.training.console import Console

INSTALL = "pip install 'gnn-distill[tune]', or in a checkout: pip install -c constraints.txt -e '.[tune]'"
COLUMNS = ("column", "row", "trials", "validation", "as it stands", "best", "settings")


def main(cfg: DictConfig) -> None:
    """Make the trials that are missing, then write every method's best settings; a failed method stops no other."""
    check_plugin()
    config: TuneCommand = OmegaConf.to_object(cfg)
    console = Console(sys.stdout)  # bound here: the runs' own output goes to their logs
    methods = list(plan(config))
    if not methods:
        raise UserError("no row of the table takes tuned settings of its own: set table.rows.<row>.tuned=<row>.")
    studies = [method.study(config.tune) for method in methods]
    progress = Progress(console, config.tune.trials, [len(study.trials()) for study in studies])
    console.stage(f"tune {config.table.name}", progress.whole())
    rows, failed, overlaps = [], [], Overlaps()
    for method, study in zip(methods, studies, strict=True):
        try:
            rows.append(finish(config, method, study, progress, overlaps))
        except Exception as error:
            console.warn(f"{method}: {error}" if isinstance(error, UserError) else f"{method}: {error!r}")
            progress.give_up(study)
            failed.append(str(method))
    if rows:
        console.say("")
        show(COLUMNS, rows)
    if failed:
        raise UserError(f"not finished: {', '.join(failed)}. Mend what their logs tell, and start again.")


def check_plugin() -> None:
    """Hydra's Optuna sweeper is there, with the SQLAlchemy that its Optuna can work with."""
    if any(util.find_spec(name) is None for name in ("hydra_plugins", "optuna", "sqlalchemy")) or (
        util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None
    ):
        raise UserError(f"'tune' needs Hydra's Optuna sweeper, which is not installed: {INSTALL}")
    if int(metadata.version("sqlalchemy").partition(".")[0]) > 1:
        raise UserError(f"'tune' needs SQLAlchemy below 2, for Optuna 2: {INSTALL}")


def plan(config: TuneCommand) -> Iterator[Method]:
    """The methods to tune: every chosen row on every chosen column, in the table's size."""
    tune, hydra, table = config.tune, HydraConfig.get(), sized(config.table)
    given, launcher = given_to_runs(hydra.overrides.task), given_to_launcher(hydra.overrides.hydra)
    folder = Path(tune.studies) / (table.name if table.size == "full" else f"{table.name}_{table.size}")
    own = [name for name, row in table.rows.items() if row.tuned == name]
    rows = tune.rows if tune.rows is not None else own
    columns = tune.columns if tune.columns is not None else [*table.columns]
    check_names("columns", columns, table.columns)
    check_names("rows", rows, table.rows)
    for name in rows:
        if name not in own:
            raise refuse("tune.rows", name, takes_no_settings(name, table.rows[name]))
    # A search starts from the methods as they stand, not from what an earlier one has found.
    untuned = replace(table, rows={name: replace(row, tuned=None) for name, row in table.rows.items()})
    for column, row in product(columns, rows):
        for file, pairs in searches(tune, row, column, table.columns[column]):
            yield compose_method(
                column,
                row,
                file,
                table.rows[row].role,
                pairs,
                cell_overrides(untuned, row, column, given),
                launcher,
                tune,
                folder / f"{column}_{file}",
            )


def searches(tune: TuneConfig, row: str, name: str, column: ColumnConfig) -> Iterator[tuple[str, list[Pair]]]:
    """The searches of a row on a column: the name of the settings, and the pairs whose mean is a trial's value."""
    pairs = pairs_of(column)
    if not tune.each_pair:
        if len(pairs) < tune.pairs:
            raise refuse("tune.pairs", tune.pairs, f"column {name} has {len(pairs)}.")
        yield row, pairs[: tune.pairs]
        return
    if tune.pairs > 1:
        raise refuse(
            "tune.pairs", tune.pairs, "with tune.each_pair=true every pair is searched by itself. Leave it out."
        )
    yield from ((f"{row}-{pair_name(pair)}", [pair]) for pair in pairs)


def check_names(kind: str, wanted: Sequence[str], known: Mapping[str, Any]) -> None:
    """The table has the rows or columns wanted."""
    for name in wanted:
        if name not in known:
            choices = f"Choices: {', '.join(known)}.{suggest(name, known)}"
            raise refuse(f"tune.{kind}", name, f"the table has none of that name. {choices}")


def takes_no_settings(name: str, row: RowConfig) -> str:
    """Why a row is not tuned."""
    if row.tuned is None:
        return f"this row takes no tuned settings. To tune it, set table.rows.{name}.tuned={name}."
    return f"this row takes the tuned settings of {row.tuned}. Tune that one."


def finish(
    config: TuneCommand, method: Method, study: Study, progress: "Progress", overlaps: Overlaps
) -> tuple[str, ...]:
    """Bring a study to its number of trials, write the best settings, and describe both in a line."""
    try:
        with FileLock(study.folder / ".lock", timeout=0):
            trials = search(method, study, config.tune, lambda new: progress.tell(method, study, new))
    except Timeout:
        raise UserError(f"{study.folder} is being tuned by another process.") from None
    best, own = study.best(trials), own_value(method, trials)
    if not isfinite(best.value):
        raise UserError("training diverged in every trial. Narrow the search space: tune.space.")
    path = (Path(config.tune.folder) if config.tune.folder else own_folder()) / f"{method}.yaml"
    used_on = [] if config.tune.each_pair else pairs_of(sized(config.table).columns[method.column])
    shared = overlaps.of(method.config, method.pairs, used_on)
    code = code_version()
    facts = {
        "metric": method.metric,
        "value": repr(best.value),
        "as it stands": "unknown" if own is None else repr(own),
        "trial": best.number,
        "trials": len(trials),
        "pairs": describe_pairs(method.pairs),
        **({"overlap": overlap_line(shared)} if shared else {}),
        "table": study.folder.parent.name,
        "study": study.folder,
        "finished": trials[-1].finished,
        "version": " ".join([code["version"], code.get("commit", "")]).strip(),
        "command": command(),
    }
    groups = method.config.hydra.runtime.choices
    write_settings(path, {knob.key: best.settings[knob.key] for knob in method.knobs}, groups, facts)
    stood, found = ("" if value is None else told(value, method.metric) for value in (own, best.value))
    return (method.column, method.file, str(len(trials)), method.metric, stood, found, str(path))


def own_folder() -> Path:
    """conf/tuned of the checkout that runs, or of the working directory."""
    conf = next(Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.provider == "main")
    installed = Path(__file__).parents[1] in conf.parents
    return (conf if not installed and os.access(conf, os.W_OK) else Path("conf")) / "tuned"


def command() -> str:
    """What was typed, but for where files lie."""
    words = [*HydraConfig.get().overrides.task, *HydraConfig.get().overrides.hydra]
    return shlex.join(["gnn-distill", "tune", *(w for w in words if not w.startswith(("paths.", "hydra.mode=")))])


class Progress:
    """Tells of every finished trial, and of the time that is left at the rate so far."""

    def __init__(self, console: Console, trials: int, finished: Sequence[int]) -> None:
        self._console, self._trials, self._methods = console, trials, len(finished)
        self._missing = sum(max(trials - done, 0) for done in finished)
        self._start, self._done = time.monotonic(), 0

    def whole(self) -> str:
        """How much there is, and how much of it is left."""
        total = self._methods * self._trials
        return f"{self._trials} trials of each of {self._methods}, {total - self._missing} of {total} finished"

    def give_up(self, study: Study) -> None:
        """The trials that a study still lacks are not waited for."""
        self._missing -= max(self._trials - len(study.trials()), 0)

    def tell(self, method: Method, study: Study, new: Sequence[Trial]) -> None:
        """A line for each new trial."""
        self._done += len(new)
        trials = study.trials()
        seconds = (time.monotonic() - self._start) / self._done * (self._missing - self._done)
        for trial in new:
            best = study.best(trials[: trial.number])
            self._console.say(
                f"{method}  trial {trial.number}/{self._trials}  "
                f"{method.metric} {told(trial.value, method.metric)}  best {told(best.value, method.metric)} "
                f"(trial {best.number})  "
                f"{duration(seconds)} left"
            )
