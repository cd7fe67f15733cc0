"""Config keys of a results table: its rows, its columns, its pairs, and which runs fill it."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, number, section
from gnn_distill.config.schema.run import PretrainConfig, TrackerConfig, TrainerConfig


@dataclass
class RowConfig:
    """A method."""

    label: str | None = None
    """What the table calls it; null: its key."""
    overrides: list[str] = field(default_factory=list)
    """What it changes in the config of `train`."""
    role: str = choice("student", "student", "teacher")
    """Whose metric is shown."""
    tuned: str | None = None
    """The method whose tuned settings it takes: conf/tuned/<column>/<tuned>.yaml, where there is such a file."""


@dataclass
class ColumnConfig:
    """A data set or a setting."""

    label: str | None = None
    """What the table calls it; null: its key."""
    overrides: list[str] = field(default_factory=list)
    """What it changes in the config of `train`, before the row does."""
    pairs: dict[str, list[int]] = field(default_factory=dict)
    """Runs of every cell: values of seed, dataset.fold or dataset.split_seed; of several keys all combinations."""


@dataclass
class SizeConfig:
    """A smaller form of a table."""

    rows: list[str] = field(default_factory=list)
    """Rows that are kept; empty: all."""
    columns: list[str] = field(default_factory=list)
    """Columns that are kept; empty: all."""
    pairs: dict[str, list[int]] = field(default_factory=dict)
    """Runs of every cell; empty: each column's own."""
    overrides: list[str] = field(default_factory=list)
    """Changes of every cell, after the row's."""


@dataclass
class TableConfig:
    """Which runs make the table, and how they are compared."""

    name: str = MISSING
    """Name of the table, and of its folder."""
    title: str | None = None
    """Caption; null: its name."""
    rows: dict[str, RowConfig] = field(default_factory=dict)
    """The methods, in order."""
    columns: dict[str, ColumnConfig] = field(default_factory=dict)
    """The data sets or settings, in order."""
    overrides: list[str] = field(default_factory=list)
    """Changes of every cell, before the row's."""
    sizes: dict[str, SizeConfig] = field(default_factory=dict)
    """Smaller forms by name."""
    size: str = "full"
    """full, or one of the sizes."""
    reference: str | None = "kd"
    """Row that all others are compared with; null: nothing is compared."""
    alone: str = "alone"
    """Row of the student without a teacher: with the teacher's it makes the gap. Neither has to be there."""
    teacher: str = "teacher"
    """Row of the teacher."""
    test: str = choice("auto", "auto", "corrected_t", "paired_t", "wilcoxon")
    """Test of significance; auto: corrected_t where pairs are folds, else paired_t."""
    alpha: float = number(0.05, low=1e-6, high=0.5)
    """Level of the test, after Holm's correction."""
    run: bool = True
    """Make the runs that are missing; false: show what is there."""
    status: bool = False
    """List finished, running, failed and missing runs, and do nothing else."""
    rerun: str = choice("none", "none", "failed", "stale")
    """Make these again, too: runs that failed, or runs of another version of the code."""
    search: list[str] = field(default_factory=lambda: ["outputs", "multirun", "docs/results"])
    """Where finished runs are looked for: folders of runs, and CSV files of their rows."""
    folder: str = "outputs/tables"
    """The table goes to <folder>/<name>/<size>."""
    cells: str = "outputs/cells"
    """Missing runs are made in here."""


@dataclass
class TableCommand:
    """`gnn-distill table`: make a table's runs, and the table."""

    table: TableConfig = MISSING
    """The table: a file of conf/table."""
    trainer: TrainerConfig = section(TrainerConfig)
    """Keys given on the command line go to every run."""
    pretrain: PretrainConfig = section(PretrainConfig)
    """Keys given on the command line go to every run."""
    tracker: TrackerConfig = section(TrackerConfig)
    """Where runs are mirrored to."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""
