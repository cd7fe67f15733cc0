"""Config keys of molecules that are read from SMILES strings."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.fields import choice


@dataclass
class MoleculesConfig(DatasetConfig):
    """Molecules read from SMILES strings."""

    on_invalid: str = choice("skip", "skip", "error")
    """What to do with SMILES that RDKit cannot parse: skip (with a note of how many), or stop with an error."""
    features: str = choice("pyg", "pyg", "ogb")
    """Integer coding of atoms and bonds: PyG's, or that of the Open Graph Benchmark, for models trained on it."""


@dataclass
class MoleculeNetConfig(MoleculesConfig):
    """Any set of MoleculeNet, by name."""

    source: str = "moleculenet"


@dataclass
class SmilesConfig(MoleculesConfig):
    """Your own molecules, from a CSV file, no molecule in two parts; split=auto: by that of group_column, time_column,
    split_column and test_path which is set, else random, stratified where there are classes."""

    source: str = "smiles"
    name: str = "smiles"
    path: str = MISSING
    """The CSV file."""
    smiles_column: str = "smiles"
    """Column that holds the SMILES. A file that has none named smiles: the one with a name like it, in whatever case,
    else the only one whose texts are molecules."""
    target_columns: list[str] = field(default_factory=list)
    """Columns to predict; empty: the only one of numbers or classes that is no id, empty or constant, or several if all
    such columns hold truth values."""
    kind: str = choice("auto", "auto", "binary", "multiclass", "multilabel", "regression")
    """Kind of task; auto: binary or multilabel for columns of 0/1 or booleans, multiclass for one of words, else
    regression."""
    positive: str | None = None
    """Of two classes the one that is 1; null: 1, true, yes, active, positive, toxic, hit or +, else the later one."""
    group_column: str | None = None
    """split=group: column whose rows of one value stay in one part, such as a series; folds are balanced."""
    time_column: str | None = None
    """split=time: column of dates or numbers; training is before validation, and both are before the test part."""
    split_column: str | None = None
    """split=column: column with train, val and test, or with the number of each row's fold; without val: a tenth."""
    test_path: str | None = None
    """split=file: CSV file of the test part, with the same columns; its lines count on from those of `path`."""
    duplicates: str = choice("keep", "keep", "mean", "drop")
    """Rows of one molecule, always in one part of the split: keep: all; mean: one, with the mean of numbers and the
    most frequent class; drop: one if their labels agree, else none. Splits by time, column and file need keep."""
    standardise: str = choice("none", "none", "largest_fragment", "neutral")
    """What is read of a molecule, also by `predict` (RDKit's rdMolStandardize): none: all; largest_fragment: the
    largest organic fragment; neutral: that fragment without charges that protons can balance."""
