"""Why runs of a table are missing: where they were searched, and what was found instead."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from gnn_distill.experiments.cells import PlannedRun
from gnn_distill.formatting import counted
from gnn_distill.storage.provenance import LOCATION_SECTIONS, RESULT_NEUTRAL

NEAR = 3
"""Largest number of keys in which a run may differ to be reported as one of the table with other settings."""
SHOWN = 3
"""Kinds of difference that are reported."""
BEHIND = "the same overrides, but other defaults, data or modules behind them"
Settings = dict[str, str]


def describe_absent(
    known: Mapping[PlannedRun, str], found: pd.DataFrame, places: Iterable[Path | str]
) -> Iterator[str]:
    """Sentences on what was found instead of a table's missing runs: how many, with which other settings, and where.

    known: the state of each run. found: the rows of the runs below `places`.
    """
    missing = [run for run, state in known.items() if state == "missing"]
    if not missing:
        return
    found = found.drop_duplicates(["config_hash", "finished"])
    others = found[~found["config_hash"].isin({run.config_hash for run in known})]
    near = Counter(keys for keys in nearest(missing, others) if keys is not None)
    for keys, count in near.most_common(SHOWN):
        exist = f"{counted(len(missing), 'missing run')} {'exists' if count == 1 else 'exist'}"
        yield f"{count} of {exist} with other settings: {'; '.join(keys) or BEHIND}."
    searched = ", ".join(_describe_place(Path(place), found) for place in places)
    exist = counted(len(others), "with other settings exists", "with other settings exist")
    yield f"{counted(len(missing), 'run is', 'runs are')} missing, {exist}. Searched in {Path.cwd()}: {searched}."


def nearest(missing: Iterable[PlannedRun], found: pd.DataFrame) -> Iterator[tuple[str, ...] | None]:
    """For each run, how the nearest of `found` with the same pair differs; None if none is near."""
    known: dict[tuple[str, ...], dict[tuple[float, ...], list[Settings]]] = {}
    for run in missing:
        keys = tuple(key for key, _ in run.pair)
        if keys not in known:
            known[keys] = _by_pair(found, keys)
        own = settings_of(run.overrides)
        others = known[keys].get(tuple(float(value) for _, value in run.pair), [])
        near = min((_differing(own, other) for other in others), key=len, default=None)
        yield tuple(near) if near is not None and len(near) <= NEAR else None


def settings_of(overrides: Iterable[str]) -> Settings:
    """The values that overrides set, without keys that are not part of a run's identity."""
    words = (text.lstrip("+~").partition("=") for text in overrides)
    values = {key: value.strip("'\"") for key, _, value in words}
    return {
        key: value
        for key, value in values.items()
        if key.split(".")[0] not in LOCATION_SECTIONS and key not in RESULT_NEUTRAL
    }


def _by_pair(found: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[float, ...], list[Settings]]:
    """The distinct settings of the rows, by the values of their pair."""
    columns = [key.rpartition(".")[2] for key in keys]
    rows = defaultdict(dict)
    for *pair, overrides in found[[*columns, "overrides"]].itertuples(index=False):
        rows[tuple(pair)][overrides] = None
    return {pair: [settings_of(text.split()) for text in texts] for pair, texts in rows.items()}


def _differing(own: Settings, other: Settings) -> list[str]:
    """`trainer.threads is 1 there, not set here`, by key."""
    keys = [key for key in sorted({*own, *other}) if own.get(key) != other.get(key)]
    return [f"{key} is {_value(other, key)} there, {_value(own, key)} here" for key in keys]


def _value(settings: Settings, key: str) -> str:
    return settings.get(key, "not set")


def _describe_place(place: Path, found: pd.DataFrame) -> str:
    if not place.exists():
        return f"{place} (does not exist)"
    inside = sum(
        Path(file or path).is_relative_to(place) for file, path in zip(found["file"], found["path"], strict=True)
    )
    return f"{place} ({counted(inside, 'run')})"
