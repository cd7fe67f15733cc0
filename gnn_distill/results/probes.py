"""Probed runs, read from their folders and grouped by method and data set."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.objective import BASELINES
from gnn_distill.errors import UserError, refuse, shorten
from gnn_distill.results.run_files import read_run
from gnn_distill.results.table_files import SCORES, is_table, read_table
from gnn_distill.storage.bounded import read_csv, stay_inside
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.provenance import AFTERWARDS, LOCATION_SECTIONS
from gnn_distill.storage.run_directory import PROBE, SUMMARY

AGAIN = "gnn-distill probe makes it again."
REPEATED = ("seed", "dataset.fold", "dataset.split_seed")
"""Keys that make repetitions of a method, not another method."""
SILENT = ("seed", "dataset", "hydra", "probe", "debug", "trainer.threads", "trainer.accelerator", *LOCATION_SECTIONS)
"""Overrides that name no method."""
ALONE, STUDENT = "student alone", "student"
LONGEST = 60
"""Most letters of a label."""


@dataclass(frozen=True)
class ProbedRun:
    """A run and what its probes found."""

    folder: Path
    probe: dict[str, Any]
    """probe.json."""
    summary: dict[str, Any]
    method: str
    """Hash of its settings without REPEATED; of a run of a table its row."""
    words: tuple[str, ...]
    """Overrides that may name its method."""
    alone: bool
    """Whether nobody taught its student."""
    layers: int
    """Number of layers of its teacher; 0 without one."""
    row: str = ""
    """Label of its row, of a run of a table."""
    column: str = ""
    """Label of its column."""

    @property
    def pair(self) -> tuple[int, int, int]:
        """Fold, split seed and seed: what runs of several methods have in common."""
        split = self.summary["split"]
        return int(split["fold"]), int(split["split_seed"]), int(self.summary["seed"])

    @property
    def dataset(self) -> str:
        """The name of its data set, or the label of its column."""
        return self.column or self.summary["dataset"]

    @property
    def score(self) -> float | None:
        """The student's primary metric on the test part, or else on the validation part."""
        found = self.summary.get("student") or self.summary.get("teacher") or {}
        return found.get("test", found.get("val", {})).get(self.summary["metric"])


@dataclass
class Method:
    """Runs that differ only in seed, fold and split seed."""

    label: str
    runs: list[ProbedRun] = field(default_factory=list)

    @property
    def alone(self) -> bool:
        """Whether nobody taught its student."""
        return self.runs[0].alone


class Place(NamedTuple):
    """Where a run is, and its labels in a table; empty for other runs."""

    folder: Path
    row: str = ""
    column: str = ""


def find_runs(places: Iterable[str | Path], key: str = "probe.runs", usage: str = "probe RUN") -> list[Place]:
    """Finished runs: of tables those that they show, of other folders all at or below them; each once, in order.

    key, usage: the key that names the places, and words of the command, for messages.

    Raises:
        UserError: if a place does not exist, or holds no finished run.
    """
    found: dict[Path, Place] = {}
    for place in map(Path, places):
        if not place.is_dir():
            raise refuse(key, place, "no such folder. Name folders of runs, tables or sweeps.")
        here = (
            runs_of_table(place) if is_table(place) else [Place(file.parent) for file in sorted(place.rglob(SUMMARY))]
        )
        if not here:
            raise refuse(key, place, f"no finished run is here ({SUMMARY} is missing).")
        for one in here:
            found.setdefault(one.folder, one)
    if not found:
        raise UserError(f"{key} is empty: name folders of runs, as in gnn-distill {usage}.")
    return list(found.values())


def runs_of_table(folder: Path) -> list[Place]:
    """The runs that a table shows and whose folders are still there, with the labels of their rows and columns."""
    table, (header, rows) = read_table(folder), read_csv(folder / SCORES, folder)
    places = []
    for line in (dict(zip(header, cells, strict=True)) for cells in rows):
        run = _found(Path(line["path"]), folder)
        if line["path"] and (run / SUMMARY).is_file() and line["column"] in table.columns and line["row"] in table.rows:
            places.append(Place(run, table.rows[line["row"]], table.columns[line["column"]].label))
    return places


def _found(run: Path, table: Path) -> Path:
    """A run's folder from here, or else from the folder above the table's where the command was started."""
    places = (above / run for above in table.absolute().parents)
    return run if run.is_dir() else next((place for place in places if (place / SUMMARY).is_file()), run)


def read_probed(place: Place) -> ProbedRun:
    """A probed run. Raises Damaged or OtherVersion."""
    folder = place.folder
    run = read_run(folder, curves=False)
    stay_inside(folder, folder / PROBE, AGAIN)
    words = tuple(word for word in run.overrides if not word.lstrip("+~").startswith(SILENT))
    teacher = OmegaConf.select(run.config, "teacher.name") != "none"
    layers = int(OmegaConf.select(run.config, "teacher.num_layers") or 0) if teacher else 0
    probe = read_json(folder / PROBE, AGAIN)
    method = place.row or method_of(run.config)
    alone = is_alone(run.config)
    return ProbedRun(folder, probe, run.summary, method, words, alone, layers, place.row, place.column)


def method_of(config: DictConfig) -> str:
    """Hash of a config without REPEATED, and without where a run was made and what is done afterwards."""
    values = OmegaConf.to_container(config, resolve=True)
    kept = {key: value for key, value in values.items() if key not in (*LOCATION_SECTIONS, *AFTERWARDS)}
    for key in REPEATED:
        section, _, name = key.rpartition(".")
        (kept.get(section, {}) if section else kept).pop(name, None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def is_alone(config: DictConfig) -> bool:
    """Whether a student learns from labels alone: no teacher, or nothing of it has a weight."""
    if OmegaConf.select(config, "teacher.name") == "none":
        return True

    def numbers(section: str) -> dict[str, float]:
        return {key: v for key, v in (OmegaConf.select(config, section) or {}).items() if isinstance(v, int | float)}

    weights = numbers("loss.weights") | {"task": 0} | numbers("alignment.weights")
    baselines = numbers("loss.baseline")
    taught = [*weights.values(), *(baselines.get(key, 0) for key in BASELINES)]
    return not any(taught) and not OmegaConf.select(config, "loss.own")


def by_data_set(runs: Iterable[ProbedRun]) -> dict[str, list[Method]]:
    """Methods of each data set, the student alone first; labels are the words that not all methods share.

    Raises:
        UserError: if runs of one pair, or of one data set with other settings of probes, cannot be compared.
    """
    found: dict[str, list[ProbedRun]] = {}
    for run in runs:
        found.setdefault(run.dataset, []).append(run)
    return {name: methods(of_set) for name, of_set in found.items()}


def methods(runs: list[ProbedRun]) -> list[Method]:
    """The methods of one data set."""
    check_comparable(runs)
    grouped: dict[str, list[ProbedRun]] = {}
    for run in runs:
        grouped.setdefault(run.method, []).append(run)
    shared = set.intersection(*(set(of_method[0].words) for of_method in grouped.values()))
    made: dict[str, Method] = {}
    for of_method in grouped.values():
        own = [word for word in of_method[0].words if word not in shared]
        only = sum(others[0].alone for others in grouped.values()) == 1
        label = ALONE if of_method[0].alone and only else shorten(" ".join(own), LONGEST) or "default"
        label = of_method[0].row or (STUDENT if len(grouped) == 1 else label)
        while label in made:
            label += "′"
        made[label] = Method(label, sorted(of_method, key=lambda run: run.pair))
    return sorted(made.values(), key=lambda method: (not method.alone, method.label))


def check_comparable(runs: list[ProbedRun]) -> None:
    """Raise UserError, naming two runs, if a pair was made of different data, or probes had different settings."""
    first: dict[tuple, ProbedRun] = {}
    for run in runs:
        other = first.setdefault(run.pair, run)
        if other.summary["data"] != run.summary["data"]:
            raise UserError(
                f"{other.folder} and {run.folder} have the same fold and seed, but different data "
                f"({other.summary['data'][:8]} and {run.summary['data'][:8]}): what their models know cannot be "
                "compared. Probe them apart."
            )
        settings = (runs[0].probe["settings_hash"], run.probe["settings_hash"])
        if len(set(settings)) > 1:
            raise UserError(
                f"{runs[0].folder} and {run.folder} were probed with different settings. Probe both again by one "
                "command."
            )


def common_pairs(one: Method, other: Method) -> list[tuple[ProbedRun, ProbedRun]]:
    """Runs of two methods with the same fold, split seed and seed."""
    by_pair = {run.pair: run for run in other.runs}
    return [(run, by_pair[run.pair]) for run in one.runs if run.pair in by_pair]
