"""Config keys of the data sets that test what a model can know of structure."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.fields import choice, number

SUBSTRUCTURES = ("triangle", "tailed_triangle", "star", "chordal_cycle", "cycle_4", "cycle_5", "cycle_6")


@dataclass
class PlanarSATConfig(DatasetConfig):
    """EXP or CEXP: pairs of graphs beyond the 1-WL test; ten folds, none of which separates the graphs of a pair."""

    source: str = "planar_sat"


@dataclass
class SubstructuresConfig(DatasetConfig):
    """Generated random graphs whose targets are their numbers of small subgraphs."""

    source: str = "substructures"
    name: str = "substructures"
    num_train: int = number(1500, low=10)
    """Training graphs."""
    num_val: int = number(1000, low=10)
    """Validation graphs."""
    num_test: int = number(2500, low=10)
    """Test graphs."""
    family: str = choice("regular", "regular", "erdos_renyi")
    """Random regular graphs with some edges removed, or Erdős–Rényi graphs."""
    targets: list[str] = field(default_factory=lambda: [*SUBSTRUCTURES], metadata={"choices": SUBSTRUCTURES})
    """The subgraphs that are counted; published models are trained for one at a time."""


@dataclass
class PeptidesStructConfig(DatasetConfig):
    """Peptides-struct: eleven properties of the shape of 15,535 peptides, the set's own split."""

    source: str = "peptides_struct"
    name: str = "Peptides-struct"


@dataclass
class PairsConfig(DatasetConfig):
    """Graphs without labels, for `gnn-distill separate`."""


@dataclass
class SR25Config(PairsConfig):
    """SR25, for `gnn-distill separate`: 15 strongly regular graphs of 25 nodes, which the 3-WL test cannot separate."""

    source: str = "sr25"
    name: str = "SR25"


@dataclass
class Graph8cConfig(PairsConfig):
    """graph8c, for `gnn-distill separate`: all 11,117 connected graphs of eight nodes."""

    source: str = "graph8c"
    name: str = "graph8c"


@dataclass
class BRECConfig(PairsConfig):
    """BREC, for `gnn-distill separate`: 400 pairs of graphs in six categories, with a training for each pair."""

    source: str = "brec"
    name: str = "BREC"
