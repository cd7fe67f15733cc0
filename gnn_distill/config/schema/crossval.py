"""Config keys of `gnn-distill crossval`."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.fields import common, number
from gnn_distill.config.schema.table import TableCommand


@dataclass
class CrossvalCommand(TableCommand):
    """`gnn-distill crossval`: teacher and student on every fold of one data set, over seeds, as one page.

    All further words, such as dataset=esol or student=gps, go to every run. Keys of `table` say how it is made.
    """

    folds: int = common(number(5, low=1))
    """Number of folds; 1: seeds alone, on the data set's one split. Sets with folds of their own: the first of them."""
    seeds: int = common(number(1, low=1))
    """Number of seeds, from 0, of the models of every fold; folds are the same for all."""
    given: list[str] = field(default_factory=list)
    """Overrides of `train` for every run; words without a key of this command end up here."""
