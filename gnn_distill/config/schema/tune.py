"""Config keys of `gnn-distill tune`."""

from dataclasses import dataclass

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import number, section
from gnn_distill.config.schema.run import PretrainConfig, TrackerConfig, TrainerConfig
from gnn_distill.config.schema.table import TableConfig


@dataclass
class TuneConfig:
    """The search for settings, with one budget for every method."""

    trials: int = number(8, low=1)
    """Number of trials per method; the first is the method with its own settings."""
    rows: list[str] | None = None
    """Methods to tune; null: every row of the table that takes settings of its own."""
    columns: list[str] | None = None
    """Columns to tune on; null: all."""
    pairs: int = number(1, low=1)
    """Number of (seed, fold) pairs, the first ones, that a trial is averaged over."""
    each_pair: bool = False
    """Search inside each pair of the column, with settings for that pair alone; needed where pairs are folds."""
    space: str = "auto"
    """File of conf/tune with the search space; auto: graph or node, by the level of the data set."""
    startup: int = number(4, low=1)
    """Number of trials before TPE learns from them; all but the first are random."""
    seed: int = number(0, low=0, high=2**31 - 1)
    """Seed of the search; with the same seed, methods share the random draws of the keys they share."""
    jobs: int = number(1, low=1)
    """Number of trials at once, with a launcher that supports it: hydra/launcher=joblib."""
    studies: str = "outputs/tune"
    """Folder of the studies, each in <table>/<column>_<row>."""
    folder: str | None = None
    """Folder of the best settings, as <column>/<row>.yaml; null: conf/tuned of the checkout, else of this folder."""


@dataclass
class TuneCommand:
    """`gnn-distill tune`: search every method's settings on validation, with equal budgets."""

    table: TableConfig = MISSING
    """The table whose methods are tuned: a file of conf/table."""
    tune: TuneConfig = section(TuneConfig)
    """The search."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""
    trainer: TrainerConfig = section(TrainerConfig)
    """Keys set on the command line apply to every run."""
    pretrain: PretrainConfig = section(PretrainConfig)
    """Keys set on the command line apply to every run."""
    tracker: TrackerConfig = section(TrackerConfig)
    """Tracker that mirrors the runs."""
