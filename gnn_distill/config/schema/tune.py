"""Config keys of `gnn-distill tune`."""

from dataclasses import dataclass

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import common, number, section
from gnn_distill.config.schema.run import PretrainConfig, TrackerConfig, TrainerConfig
from gnn_distill.config.schema.table import TableConfig


@dataclass
class TuneConfig:
    """The search for settings, with one budget for every method."""

    trials: int = common(number(8, low=1))
    """Number of trials per method; the first is the method with its own settings."""
    rows: list[str] | None = common(None)
    """Methods to tune; null: every row of the table that takes settings of its own."""
    columns: list[str] | None = common(None)
    """Columns to tune on; null: all."""
    pairs: int = number(1, low=1)
    """Number of (seed, fold) pairs of the column, the first ones, that a trial is averaged over."""
    each_pair: bool = False
    """A separate search inside each pair of the column, for the settings of that pair; needed if pairs are folds."""
    space: str = "auto"
    """Search space, a file of conf/tune; auto: graph or node, by the level of the data set."""
    startup: int = number(4, low=1)
    """Number of trials before TPE takes over; all but the first are drawn at random."""
    seed: int = number(0, low=0, high=2**31 - 1)
    """Seed of the search; methods with the same seed get the same random draws for the settings that they share."""
    jobs: int = number(1, low=1)
    """Trials of a method at once, each by a process of its own on this machine, or by the launcher that is given."""
    studies: str = "outputs/tune"
    """Folder of the studies, each in <table>/<column>_<row>; processes that use the same folder share the trials."""
    folder: str | None = None
    """Folder of the best settings, <column>/<row>.yaml; null: conf/tuned of the checkout or the working directory."""


@dataclass
class TuneCommand:
    """`gnn-distill tune`: search every method's settings on validation, with equal budgets."""

    table: TableConfig = MISSING
    """The table whose methods are tuned: a file of conf/table."""
    tune: TuneConfig = section(TuneConfig)
    """The search."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""
    trainer: TrainerConfig = section(TrainerConfig, every_run=True)
    """Keys set on the command line apply to every run."""
    pretrain: PretrainConfig = section(PretrainConfig, every_run=True)
    """Keys set on the command line apply to every run."""
    tracker: TrackerConfig = section(TrackerConfig)
    """Tracker that mirrors the runs."""
