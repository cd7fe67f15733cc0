"""Config keys of a results table: its rows, columns and pairs, and which runs fill it."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, common, number, section
from gnn_distill.config.schema.probe import ExamineFoundConfig
from gnn_distill.config.schema.report import FiguresConfig
from gnn_distill.config.schema.run import PretrainConfig, TrackerConfig, TrainerConfig


@dataclass
class RowConfig:
    """A method."""

    label: str | None = None
    """Name in the table; null: its key."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of the config of `train`."""
    role: str = choice("student", "student", "teacher", "floor")
    """Whose metric is shown; floor: that of the best on validation of what costs nothing."""
    tuned: str | None = None
    """Method whose tuned settings it uses: conf/tuned/<column>/<tuned>.yaml, if that file exists."""
    columns: list[str] = field(default_factory=list)
    """Columns that have this row; empty: all."""

    def is_in(self, column: str) -> bool:
        """Whether a column has this row."""
        return not self.columns or column in self.columns


@dataclass
class ColumnConfig:
    """A data set or a setting."""

    label: str | None = None
    """Name in texts, and below the table; null: its key."""
    short: str | None = None
    """Name in the heads of tables of several columns; null: the label, or, where that is long, its key."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of the config of `train`, before those of the row."""
    pairs: dict[str, list[int]] = field(default_factory=dict)
    """Runs of every cell: values of seed, dataset.fold or dataset.split_seed; several keys: all combinations."""


@dataclass
class SizeConfig:
    """A smaller version of a table."""

    rows: list[str] = field(default_factory=list)
    """Rows that are kept; empty: all."""
    columns: list[str] = field(default_factory=list)
    """Columns that are kept; empty: all."""
    pairs: dict[str, list[int]] = field(default_factory=dict)
    """Runs of every cell; empty: each column's own."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of every cell, after those of the row."""


@dataclass
class TableConfig:
    """The runs of a table, and how they are compared."""

    name: str = MISSING
    """Name of the table and of its folder."""
    title: str | None = None
    """Caption; null: its name."""
    rows: dict[str, RowConfig] = field(default_factory=dict)
    """The methods, in order."""
    columns: dict[str, ColumnConfig] = field(default_factory=dict)
    """The data sets or settings, in order."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of every cell, before those of the row."""
    sizes: dict[str, SizeConfig] = field(default_factory=dict)
    """Smaller versions, by name."""
    size: str = common("full")
    """full, or one of the sizes."""
    reference: str | None = "kd"
    """Row that all others are compared with; null: no comparison."""
    alone: str = "alone"
    """Row of the student without a teacher, for the gap between it and the teacher; may be missing."""
    teacher: str = "teacher"
    """Row of the teacher; may be missing."""
    test: str = choice("auto", "auto", "corrected_t", "paired_t", "wilcoxon")
    """Test of significance; auto: corrected_t where pairs are folds, else paired_t."""
    alpha: float = number(0.05, low=1e-6, high=0.5)
    """Level of the test, after Holm's correction."""
    run: bool = common(True)
    """Make the missing runs; false: show the finished ones only."""
    status: bool = common(False)
    """Only list finished, running, failed and missing runs."""
    probe: bool = common(False)
    """Probe the finished runs too, and show what their models know of structure beside the scores (docs/probes.md)."""
    rerun: str = common(choice("none", "none", "failed", "stale"))
    """Repeat these runs, too: failed ones, or stale ones, made by another version of the code."""
    jobs: str = common("1")
    """Runs at once, each by a process of its own on this machine; auto: one for each CPU, up to 8, on a GPU one."""
    search: list[str] = field(default_factory=lambda: ["outputs", "multirun", "docs/results"])
    """Where finished runs are searched: folders of runs, and CSV files of their rows."""
    folder: str = "outputs/tables"
    """The table is written to <folder>/<name>/<size>."""
    cells: str = "outputs/cells"
    """Folder of the runs that this command makes."""


@dataclass
class TableCommand:
    """`gnn-distill table`: make a table's runs, and the table."""

    table: TableConfig = MISSING
    """The table: a file of conf/table."""
    trainer: TrainerConfig = section(TrainerConfig, every_run=True)
    """Keys set on the command line apply to every run."""
    pretrain: PretrainConfig = section(PretrainConfig, every_run=True)
    """Keys set on the command line apply to every run."""
    tracker: TrackerConfig = section(TrackerConfig)
    """Tracker that mirrors the runs."""
    probe: ExamineFoundConfig = section(ExamineFoundConfig)
    """What finished models are asked of structure, with table.probe=true."""
    report: FiguresConfig = section(FiguresConfig)
    """Its page."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""


@dataclass
class TablesCommand:
    """`gnn-distill tables`: list the tables of results that can be made."""
