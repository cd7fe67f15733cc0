"""What probes and profiles found of a run's models, as columns of its row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from gnn_distill.config.schema.probe import PROFILE_KEYS, ExamineSettings, ProbeSettings
from gnn_distill.formatting import counted
from gnn_distill.storage.bounded import lies_inside
from gnn_distill.storage.checksums import Damaged, OtherVersion, read_json
from gnn_distill.storage.run_directory import PROBE, PROFILE
from gnn_distill.storage.store import content_key

ROLES = ("teacher", "student")


@dataclass(frozen=True)
class Quantity:
    """A number for each model of an examined run."""

    metric: str
    """Its name, in place of the metric of a task."""
    title: str
    """Of the table that shows it."""
    file: str
    """The file of the run that holds it."""
    path: tuple[str, ...]
    """Where it is in what that file holds of a model."""

    def of(self, model: Mapping[str, Any]) -> float | None:
        """Its value; None where it was not asked for, or is not defined."""
        found: Any = model
        for key in self.path:
            found = (found or {}).get(key)
        return found


QUANTITIES = {
    "local": Quantity(
        "local awareness", "Local awareness: states of the last layer", PROBE, ("states", "last", "local", "value")
    ),
    "far": Quantity(
        "far awareness", "Far awareness: states of the last layer", PROBE, ("states", "last", "far", "value")
    ),
    "local_all": Quantity(
        "local awareness, all layers", "Local awareness: all layers joined", PROBE, ("states", "all", "local", "value")
    ),
    "far_all": Quantity(
        "far awareness, all layers", "Far awareness: all layers joined", PROBE, ("states", "all", "far", "value")
    ),
    "range": Quantity(
        "effective range", "Effective range of influence, in hops", PROFILE, ("influence", "reach", "value")
    ),
}
"""By the name that columns of rows have, after the role of the model."""
NEUTRAL = ("untrained", "resamples", "layers", "mdl")
"""Settings of probes that change none of these numbers: floor, intervals within a run, and what else is asked."""
KEYS = {
    PROBE: tuple(field.name for field in fields(ProbeSettings) if field.name not in NEUTRAL),
    PROFILE: tuple(key for key in PROFILE_KEYS if key not in ("far", "resamples")),
}
"""The settings that these numbers depend on, by file."""
SETTINGS = {PROBE: "probe_settings", PROFILE: "profile_settings"}
"""Columns of the hashes of these settings."""
INDEX_NUMBERS = tuple(f"{role}_{key}" for role in ROLES for key in QUANTITIES)
INDEX_TEXTS = (*SETTINGS.values(), "probe_code", "given", "teacher_key")
"""Beside the settings: a hash of the code of the probes, what the models are given, in words, and the store's key of
the run's teacher, by which rows that share it know it."""
INDEX_COLUMNS = (*INDEX_NUMBERS, *INDEX_TEXTS)


def settings_keys(settings: ExamineSettings) -> dict[str, str]:
    """By file, the hash of the settings that its numbers depend on."""
    return {file: _key(file, {name: getattr(settings, name) for name in keys}) for file, keys in KEYS.items()}


def indices_of(run: Path, config_hash: str, finished: str) -> dict[str, Any]:
    """INDEX_COLUMNS of a run, without its teacher's key, as far as it was examined since it was finished."""
    found: dict[str, Any] = {}
    for file, column in SETTINGS.items():
        examined = _examined(run, file, config_hash, finished)
        if examined is None:
            continue
        found[column] = _key(file, examined["settings"])
        if file == PROBE:
            found |= {"probe_code": examined["code"], "given": "; ".join(examined["given"])}
        for role, model in examined["models"].items():
            if role in ROLES:
                found |= {f"{role}_{key}": one.of(model) for key, one in QUANTITIES.items() if one.file == file}
    return found


def with_indices(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs with the indices in the folders of these; rows of a CSV file keep those that the file has."""
    rows = rows.copy()
    for at, run in rows[rows["path"] != ""].iterrows():
        for column, value in indices_of(Path(run["path"]), run["config_hash"], run["finished"]).items():
            rows.loc[at, column] = value
    return rows


def by_settings(rows: pd.DataFrame, settings: ExamineSettings) -> pd.DataFrame:
    """Rows without the indices that were found by other settings than these. rows: with their indices."""
    rows = rows.copy()
    for file, asked in settings_keys(settings).items():
        others = rows[SETTINGS[file]] != asked
        rows.loc[others, [name for name in INDEX_NUMBERS if _file_of(name) == file]] = float("nan")
    return rows


def has_indices(rows: pd.DataFrame) -> bool:
    """Whether any of these rows tells what probes or profiles found."""
    return bool((rows[[*SETTINGS.values()]] != "").any(axis=None))


def describe_other_settings(rows: pd.DataFrame, settings: ExamineSettings) -> Iterator[str]:
    """A sentence for each kind of file that runs have, but by other settings. rows: with their indices."""
    for file, asked in settings_keys(settings).items():
        column = rows[SETTINGS[file]]
        if count := int(((column != "") & (column != asked)).sum()):
            what = "probed" if file == PROBE else "profiled"
            yield (
                f"{counted(count, f'run was {what}', f'runs were {what}')} with other settings (probe.*) and left out. "
                "Give those settings, or make the table with table.run=true."
            )


def describe_other_code(rows: pd.DataFrame) -> Iterator[str]:
    """A sentence if the probes of runs are of several versions of the code. rows: with their indices."""
    counts = rows["probe_code"][rows["probe_code"] != ""].value_counts()
    if len(counts) > 1:
        yield (
            f"Probes are of {len(counts)} versions of the code, of {', '.join(map(str, counts))} runs. Make the table "
            "with table.run=true to probe with one."
        )


def _examined(run: Path, file: str, config_hash: str, finished: str) -> dict[str, Any] | None:
    """probe.json or profile.json of a run; None unless it is intact and of this very run."""
    if not lies_inside(run / file, run):
        return None
    try:
        found = read_json(run / file)
    except (Damaged, OtherVersion):
        return None
    return found if (found.get("run"), found.get("finished")) == (config_hash, finished) else None


def _key(file: str, settings: Mapping[str, Any]) -> str:
    return content_key({name: settings.get(name) for name in KEYS[file]})[:16]


def _file_of(column: str) -> str:
    return QUANTITIES[column.partition("_")[2]].file
