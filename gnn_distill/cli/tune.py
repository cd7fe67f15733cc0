"""`gnn-distill tune`: search the settings of a table's methods on validation, with the same number of trials each."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import util
from importlib.metadata import version
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.listing import show
from gnn_distill.config.schema.table import ColumnConfig, RowConfig
from gnn_distill.config.schema.tune import TuneCommand, TuneConfig
from gnn_distill.errors import UserError, refuse, suggest
from gnn_distill.experiments.cells import cell_overrides, given_to_launcher, given_to_runs, sized
from gnn_distill.experiments.overlap import Overlaps
from gnn_distill.experiments.studies import LEAST_FOR_IMPORTANCE, Study, Trial, format_value, read_facts, write_settings
from gnn_distill.experiments.tuned import overlap_line, pair_name, pairs_of
from gnn_distill.experiments.tuning import Method, Pair, compose_method, describe_pairs, own_value, search
from gnn_distill.experiments.workers import joblib_words
from gnn_distill.formatting import counted, duration
from gnn_distill.storage.provenance import code_version
from gnn_distill.training.console import Console

INSTALL = "pip install 'gnn-distill[tune]', or in a checkout: pip install -c constraints.txt -e '.[tune]'"
OPTUNA = 5
POLL = 1.0
"""Seconds between checks of trials that other processes run."""
COLUMNS = ("column", "row", "trials", "validation", "as it stands", "best", "settings")


def main(cfg: DictConfig) -> None:
    """Run the missing trials, then write every method's best settings; a method that fails stops no other."""
    check_optuna()
    config: TuneCommand = OmegaConf.to_object(cfg)
    console = Console(sys.stdout)  # bound here: the runs' own output goes to their logs
    methods = list(plan(config))
    if not methods:
        raise UserError("no row of the table takes tuned settings of its own: set table.rows.<row>.tuned=<row>.")
    unfinished = [(method, method.study(config.tune)) for method in methods]
    progress = Progress(console, config.tune.trials, [study for _, study in unfinished])
    console.stage(f"tune {config.table.name}", progress.whole())
    rows, failed, overlaps = {}, [], Overlaps()
    while unfinished:
        missing, left = progress.missing(), []
        for method, study in unfinished:
            try:
                if row := finish(config, method, study, progress, overlaps):
                    rows[str(method)] = row
                else:
                    left.append((method, study))
            except Exception as error:
                console.warn(f"{method}: {error}" if isinstance(error, UserError) else f"{method}: {error!r}")
                progress.give_up(study)
                failed.append(str(method))
        unfinished = left
        if unfinished and progress.missing() == missing:
            progress.wait([str(method) for method, _ in unfinished])
    if rows:
        console.say("")
        rows = {name: rows[name] for name in map(str, methods) if name in rows}
        show(COLUMNS, [*rows.values()])
        console.say("")
        for name, row in rows.items():
            console.say(f"{name}  importance  {read_facts(Path(row[-1]))['importance']}")
    if failed:
        raise UserError(f"not finished: {', '.join(failed)}. Fix the errors in their logs and start again.")


def check_optuna() -> None:
    """Raise UserError unless Optuna is installed, and scikit-learn, which its fANOVA needs."""
    if any(util.find_spec(name) is None for name in ("optuna", "sklearn")):
        raise UserError(f"'tune' needs Optuna and scikit-learn, which are not installed: {INSTALL}")
    if int(version("optuna").partition(".")[0]) < OPTUNA:
        raise UserError(f"'tune' needs Optuna {OPTUNA} or newer, not {version('optuna')}: {INSTALL}")


def plan(config: TuneCommand) -> Iterator[Method]:
    """The methods to tune: every selected row on every selected column, in the table's size."""
    tune, hydra, table = config.tune, HydraConfig.get(), sized(config.table)
    given = given_to_runs(hydra.overrides.task)
    launcher = given_to_launcher(hydra.overrides.hydra) or joblib_words(tune.jobs)
    folder = Path(tune.studies) / (table.name if table.size == "full" else f"{table.name}_{table.size}")
    own = [name for name, row in table.rows.items() if row.tuned == name]
    rows = tune.rows if tune.rows is not None else own
    columns = tune.columns if tune.columns is not None else [*table.columns]
    check_names("columns", columns, table.columns)
    check_names("rows", rows, table.rows)
    for name in rows:
        if name not in own:
            raise refuse("tune.rows", name, takes_no_settings(name, table.rows[name]))
    # A search starts from the methods as they stand, not from the results of an earlier one.
    untuned = replace(table, rows={name: replace(row, tuned=None) for name, row in table.rows.items()})
    for column, row in product(columns, rows):
        if not table.rows[row].is_in(column):
            continue
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
        raise refuse("tune.pairs", tune.pairs, "with tune.each_pair=true every pair has its own search. Leave it out.")
    yield from ((f"{row}-{pair_name(pair)}", [pair]) for pair in pairs)


def check_names(kind: str, names: Sequence[str], known: Mapping[str, Any]) -> None:
    """Raise UserError unless the table has these rows or columns."""
    for name in names:
        if name not in known:
            choices = f"Choices: {', '.join(known)}.{suggest(name, known)}"
            raise refuse(f"tune.{kind}", name, f"the table has none of that name. {choices}")


def takes_no_settings(name: str, row: RowConfig) -> str:
    """Why a row has no tuned settings of its own."""
    if row.tuned is None:
        return f"this row takes no tuned settings. To tune it, set table.rows.{name}.tuned={name}."
    return f"this row takes the tuned settings of {row.tuned}. Tune that one."


def finish(
    config: TuneCommand, method: Method, study: Study, progress: "Progress", overlaps: Overlaps
) -> tuple[str, ...] | None:
    """Run a study's missing trials and write the best settings; its row of the report, or None if others run some."""
    trials = search(method, study, config.tune, lambda new: progress.report(method, study, new))
    if trials is None:
        return None
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
        "importance": describe_importance(study),
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
    own_text, best_text = ("" if value is None else format_value(value, method.metric) for value in (own, best.value))
    return (method.column, method.file, str(len(trials)), method.metric, own_text, best_text, str(path))


def own_folder() -> Path:
    """conf/tuned of the checkout whose code runs, or of the working directory."""
    conf = next(Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.provider == "main")
    installed = Path(__file__).parents[1] in conf.parents
    return (conf if not installed and os.access(conf, os.W_OK) else Path("conf")) / "tuned"


def command() -> str:
    """The command line, without the paths of files."""
    words = [*HydraConfig.get().overrides.task, *HydraConfig.get().overrides.hydra]
    return shlex.join(["gnn-distill", "tune", *(w for w in words if not w.startswith(("paths.", "hydra.mode=")))])


def describe_importance(study: Study) -> str:
    """`optim.lr 0.62, student.dropout 0.38`, the shares of the settings in the variance of validation."""
    if shares := study.importances():
        return ", ".join(f"{key} {share:.2f}" for key, share in shares.items())
    return f"unknown: needs {LEAST_FOR_IMPORTANCE} trials with finite, different values"


class Progress:
    """Prints every finished trial, and the time left at the rate so far of all processes together."""

    def __init__(self, console: Console, trials: int, studies: Sequence[Study]) -> None:
        self._console, self._trials, self._studies = console, trials, list(studies)
        self._total = len(studies) * trials
        self._start, self._at_start, self._waits = time.monotonic(), self.missing(), False

    def missing(self) -> int:
        """Number of unfinished trials."""
        return sum(max(self._trials - len(study.trials()), 0) for study in self._studies)

    def whole(self) -> str:
        """Number of trials, and of those that are finished."""
        done = self._total - self._at_start
        return f"{counted(self._trials, 'trial')} of each of {len(self._studies)}, {done} of {self._total} finished"

    def give_up(self, study: Study) -> None:
        """Leave the unfinished trials of a study out of the time left."""
        self._at_start -= max(self._trials - len(study.trials()), 0)
        self._studies.remove(study)

    def report(self, method: Method, study: Study, new: Sequence[Trial]) -> None:
        """Print a line per new trial."""
        trials, missing = study.trials(), self.missing()
        seconds = (time.monotonic() - self._start) / max(self._at_start - missing, 1) * missing
        for trial in new:
            best = study.best([other for other in trials if other.number <= trial.number])
            value, best_value = (format_value(one.value, method.metric) for one in (trial, best))
            self._console.say(
                f"{method}  trial {trial.number}/{self._trials}  {method.metric} {value}  "
                f"best {best_value} (trial {best.number})  {duration(seconds)} left"
            )

    def wait(self, methods: Sequence[str]) -> None:
        """Wait a moment for trials of other processes; the first time, print which methods they belong to."""
        if not self._waits:
            names = ", ".join(methods)
            self._console.notice(f"{names}: waiting for the last trials, which other processes are running.")
        self._waits = True
        time.sleep(POLL)
