"""Config keys of `gnn-distill compare`."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.fields import choice, common, number
from gnn_distill.config.schema.table import TableCommand


@dataclass
class CompareCommand(TableCommand):
    """`gnn-distill compare`: the student alone and taught, on paired seeds or folds of one data set.

    All further words, such as dataset=esol or student=gps, go to every run. Keys of `table` say how it is made.
    """

    rows: list[str] = common(field(default_factory=lambda: ["alone", "kd", "full"]))
    """Rows of the table that are compared; the student alone, its teacher and the floor are always there."""
    pairs: int = common(number(5, low=2))
    """Number of folds or seeds."""
    by: str = choice("auto", "auto", "fold", "seed")
    """What is repeated; auto: folds where the data set has several, else seeds on its one split."""
    given: list[str] = field(default_factory=list)
    """Overrides of `train` for every run; words without a key of this command end up here."""
