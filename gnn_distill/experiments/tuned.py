"""Tuned settings of a table's methods: which file a run takes, and what is said of it below the table."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

from gnn_distill.config.schema.table import ColumnConfig, TableConfig
from gnn_distill.experiments.studies import read_facts
from gnn_distill.formatting import counted

Pair = Mapping[str, int]
SPLIT_KEYS = ("dataset.fold", "dataset.split_seed")
"""Keys of a pair that choose the split: pairs that agree in these have one test part."""


class Overlap(NamedTuple):
    """Of a test part: its size, and how many of its graphs or nodes tuning had for training and for validation."""

    test: int
    train: int
    val: int


def pairs_of(column: ColumnConfig) -> list[dict[str, int]]:
    """The pairs of a column: of every key of `pairs` a value, the last key varying fastest."""
    return [dict(zip(column.pairs, values, strict=True)) for values in product(*column.pairs.values())]


def pair_name(pair: Pair) -> str:
    """`fold3`, as names of folders and files have it."""
    return "-".join(f"{key.rpartition('.')[2]}{value}" for key, value in pair.items())


def split_name(pair: Pair) -> str:
    """`dataset.fold=3`; empty where the pair chooses no split."""
    return " ".join(f"{key}={value}" for key, value in pair.items() if key in SPLIT_KEYS)


def tuned_file(column: str, method: str | None, pair: Pair | None = None) -> Path | None:
    """The file of the group `tuned` with a method's settings for a column: the first on Hydra's search path, if any.

    With a `pair` that which was tuned inside this pair, <column>/<method>-fold3.yaml, comes first.
    """
    from hydra.core.global_hydra import GlobalHydra

    if not method:
        return None
    names = [*([f"{method}-{pair_name(pair)}"] if pair else []), method]
    entries = GlobalHydra.instance().config_loader().get_search_path().get_path()
    folders = [Path(entry.path.removeprefix("file://"), "tuned", column) for entry in entries]
    paths = (folder / f"{name}.yaml" for name in names for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def describe_tuned(table: TableConfig) -> Iterator[str]:
    """A footnote for each column with tuned settings: whose they are, and from which study."""
    for key, column in table.columns.items():
        files = {method: files_of(key, column, method) for method in _methods(table)}
        if any(any(of_method.values()) for of_method in files.values()):
            methods = "; ".join(f"{method} ({_describe_studies(of_method)})" for method, of_method in files.items())
            yield f"{column.label}: settings tuned on validation, by method and study: {methods}."


def describe_overlap(table: TableConfig) -> Iterator[str]:
    """A note for each column whose settings were tuned on one split and are used on others as well.

    The test graphs of a split are among what another split trains and validates on: settings chosen there have seen
    them, and scores are a little better than they would be on graphs that are really new.
    """
    for key, column in table.columns.items():
        # Methods of one column are tuned on the same pairs; where they are not, each is named.
        sentences = dict.fromkeys(
            said for method in _methods(table) if (said := _describe_overlap(files_of(key, column, method), column))
        )
        yield from (f"{column.label}: {sentence}" for sentence in sentences)


def files_of(key: str, column: ColumnConfig, method: str) -> dict[str, Path | None]:
    """By pair, `fold3`, the file that a method takes."""
    return {pair_name(pair): tuned_file(key, method, pair) for pair in pairs_of(column)}


def describe_study(file: Path | None) -> str:
    """`8 trials, outputs/tune/main/nci1_kd, 2026-01-02 03:04:05`."""
    if file is None:
        return "not tuned"
    facts = read_facts(file)
    if "study" not in facts:
        return str(file)
    return f"{counted(int(facts['trials']), 'trial')}, {facts['study']}, {facts['finished']}"


def _methods(table: TableConfig) -> list[str]:
    return list(dict.fromkeys(method.tuned for method in table.rows.values() if method.tuned))


def _describe_studies(files: Mapping[str, Path | None]) -> str:
    """Once where all pairs take one file; else by pair."""
    studies = {pair: describe_study(file) for pair, file in files.items()}
    if len(set(studies.values())) == 1:
        return next(iter(studies.values()))
    return "; ".join(f"{pair}: {study}" for pair, study in studies.items())


def _describe_overlap(files: Mapping[str, Path | None], column: ColumnConfig) -> str:
    """What is said of one method; nothing where every pair has settings of its own, or the split is the same."""
    foreign: dict[str, Overlap | None] = {}
    source: dict[str, None] = {}
    for pair in pairs_of(column):
        file, split = files[pair_name(pair)], split_name(pair)
        facts = read_facts(file) if file else {}
        tuned_on = _splits_of(facts.get("pairs", ""))
        if not split or not tuned_on or split in tuned_on:
            continue
        source |= dict.fromkeys(tuned_on)
        known = json.loads(facts.get("overlap", "{}")).get(split)
        foreign[split] = Overlap(*known) if known else None
    if not foreign:
        return ""
    lead = f"settings were tuned on {', '.join(source)} and are used on {len(foreign)} other splits"
    known = [overlap for overlap in foreign.values() if overlap is not None]
    if len(known) < len(foreign):
        return f"{lead}; how much of their test parts tuning had read is not on record."
    test, train, val = (sum(numbers) for numbers in zip(*known, strict=True))
    had = f"tuning had {train:,} in its training and {val:,} in its validation part"
    return f"{lead}, of whose {test:,} test examples {had}."


def _splits_of(pairs: str) -> list[str]:
    """Of the fact `pairs` of a file, `dataset.fold=0 seed=1, dataset.fold=1 seed=1`, the splits, each once."""
    split_pairs = (pair.split() for pair in pairs.split(", "))
    names = (" ".join(word for word in words if word.partition("=")[0] in SPLIT_KEYS) for words in split_pairs)
    return list(dict.fromkeys(name for name in names if name))


def overlap_line(overlaps: Mapping[str, Iterable[int]]) -> str:
    """The fact `overlap` of a file: by split its Overlap."""
    return json.dumps({split: list(overlap) for split, overlap in overlaps.items()})
