"""Config keys of the data: which graphs, which split, where the files are."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, common, number, positive, section

SMILES_TABLE, SMILES_LINES, SAVED_GRAPHS = ".csv", ".smi", ".pt"
"""Endings of `dataset.unlabelled`: a table, one molecule per line with its SMILES first, a list of PyG graphs."""
LOWER_IS_BETTER = ("mae", "rmse", "log10_mse")
"""Error metrics; of all others higher values are better."""


@dataclass
class PathsConfig:
    """Where files are read and written."""

    data: str = "data"
    """Folder of downloads and PyG's processed files, which are remade when raw files change; created when missing."""
    mirror: str | None = None
    """Read-only folder of raw files, laid out as <PyG class>/<name>/raw; searched before any download."""
    store: str = "outputs/store"
    """Folder of what all runs share: trained teachers, their signals, structural encodings."""


@dataclass
class CardConfig:
    """The entry of a data set in `gnn-distill datasets`; training reads none of it."""

    task: str = "any"
    """Kind of task."""
    size: str = "any"
    """Number of graphs, or of nodes at node level."""
    about: str = "your own"
    """What the graphs are, in a few words."""


@dataclass
class DatasetConfig:
    """Keys that every data set has."""

    source: str = MISSING
    """The loader: a module of gnn_distill.data.sources, or, with a dot in its name, one of your own."""
    name: str = MISSING
    """The set's name, as its PyG class spells it."""
    split: str = choice(
        *("auto", "auto", "published", "stratified", "random", "scaffold", "scaffold_balanced"),
        *("group", "time", "column", "file", "geom-gcn", "per_class"),
    )
    """How graphs or nodes are split; auto: the set's published or scaffold split, else a seeded stratified one."""
    fold: int = common(number(0, low=0))
    """Number of the fold, from 0, of a split that has folds; fold 0 of split=time is tested on the latest examples."""
    folds: int = number(10, low=2)
    """Number of folds of a split by stratum, scaffold, group or time."""
    split_seed: int = number(0, low=0)
    """Seed of a seeded split; `seed` never changes the split."""
    train_fraction: float = common(positive(1.0, high=1.0))
    """Fraction of the training part that is kept (stratified, seeded by split_seed), for studies with few labels."""
    label_fraction: float = positive(1.0, high=1.0)
    """Fraction of the kept training graphs whose labels are kept, drawn alike; the student hears its teacher on the
    others."""
    unlabelled: str | None = None
    """File of further training graphs without labels: SMILES (.csv, .smi), or a list of PyG graphs (.pt)."""
    metric: str | None = choice(
        *(None, "accuracy", "roc_auc", "average_precision", "macro_f1", "balanced_accuracy", "mae", "rmse", "log10_mse")
    )
    """Primary metric; null: the set's own."""
    kwargs: Any = None
    """Further keys for a loader of your own; null: none."""
    card: CardConfig = section(CardConfig)
    """The set's entry in `gnn-distill datasets`."""


@dataclass
class TypedEdgesConfig(DatasetConfig):
    """Generated graphs whose label depends on their edges."""

    source: str = "typed_edges"
    name: str = "typed_edges"
    num_train: int = number(500, low=10)
    """Number of training graphs."""
    num_val: int = number(200, low=10)
    """Number of validation graphs."""
    num_test: int = number(1000, low=10)
    """Number of test graphs."""
    num_types: int = number(5, low=2)
    """Number of node types, the one-hot features."""
    min_nodes: int = number(14, low=6)
    """Smallest number of nodes per graph."""
    max_nodes: int = number(25, low=6)
    """Largest number of nodes per graph."""


@dataclass
class FarMotifConfig(DatasetConfig):
    """Generated graphs whose label needs a local pattern and a far relation."""

    source: str = "far_motif"
    name: str = "far_motif"
    num_train: int = number(1000, low=10)
    """Training graphs."""
    num_val: int = number(300, low=10)
    """Validation graphs."""
    num_test: int = number(1000, low=10)
    """Test graphs."""
    ring: int = number(26, low=8)
    """Nodes of the ring that everything hangs on."""
    near: list[int] = field(default_factory=lambda: [7, 7])
    """Fewest and most hops between the query node and the near motif's anchor."""
    far: list[int] = field(default_factory=lambda: [10, 12])
    """The same for the far motif, whose kind is the label."""
    reach: int = number(3, low=1)
    """Layers of message passing that must not tell near from far: distances of 2·reach hops or less are refused."""
    fillers: int = number(4, low=1)
    """Number of types of the ring's other nodes, which no label needs."""
    local: str = choice("edges", "edges", "visible")
    """What tells a motif's kind: its edges, or, as a control, its node types."""
    relation: str = choice("distance", "distance", "visible")
    """What tells the far motif: the distance of its anchor, or, as a control, its anchor's type."""


@dataclass
class TUDatasetConfig(DatasetConfig):
    """Any set of the TUDataset collection, by name."""

    source: str = "tudataset"
    use_node_attr: bool = True
    """Read continuous node attributes in addition to node labels, if the set has them."""
    use_edge_attr: bool = True
    """Read edge labels and attributes, if the set has them."""
    standardise: bool = True
    """Scale continuous node attributes to mean 0 and standard deviation 1 over the training nodes."""
    add_reverses: bool = True
    """Add the reverse of edges that the files list in one direction only; the format lists both."""
    max_degree: int = number(64, low=1)
    """Largest degree that counts, where a set without node features gets the degree as a categorical feature."""


@dataclass
class ZINCConfig(DatasetConfig):
    """ZINC-12k: regression of the constrained solubility, the set's own split."""

    source: str = "zinc"
    name: str = "ZINC"


@dataclass
class PeptidesConfig(DatasetConfig):
    """Peptides-func: ten functions of 15,535 peptides, the set's own split."""

    source: str = "peptides"
    name: str = "Peptides-func"


@dataclass
class CSLConfig(DatasetConfig):
    """CSL: circular skip-link graphs that the 1-WL test cannot distinguish; split=auto has five folds."""

    source: str = "csl"
    name: str = "CSL"


@dataclass
class GNNBenchmarkConfig(DatasetConfig):
    """PATTERN or CLUSTER as published: labels on the nodes of many graphs, the sets' own splits."""

    source: str = "gnn_benchmark"


@dataclass
class NodeDatasetConfig(DatasetConfig):
    """One graph whose nodes have labels; split=random is 60/20/20, per_class 20 / 30 nodes per class / the rest."""

    setting: str = choice("transductive", "transductive", "inductive")
    """transductive: training sees the whole graph; inductive: it sees training nodes only, validation no test nodes."""
    undirected: bool = True
    """Add the reverse of every edge if the files hold a directed graph, as most of the literature does."""
    normalize_features: bool = False
    """Divide every node's features by their sum; bags of words then become so small that first layers learn slowly."""


@dataclass
class PlanetoidConfig(NodeDatasetConfig):
    """Citation graphs: Cora, CiteSeer or PubMed; split=published is the public one, geom-gcn has ten folds."""

    source: str = "planetoid"


@dataclass
class WebKBConfig(NodeDatasetConfig):
    """Web pages of a university: Cornell, Texas or Wisconsin; ten published folds."""

    source: str = "webkb"


@dataclass
class ActorConfig(NodeDatasetConfig):
    """Actors who share Wikipedia pages; ten published folds."""

    source: str = "actor"
    name: str = "Actor"


@dataclass
class WikipediaConfig(NodeDatasetConfig):
    """Wikipedia articles: chameleon or squirrel; ten published folds."""

    source: str = "wikipedia"


@dataclass
class HeterophilousConfig(NodeDatasetConfig):
    """Roman-empire, Amazon-ratings, Minesweeper, Tolokers or Questions; ten published folds."""

    source: str = "heterophilous"


@dataclass
class AmazonConfig(NodeDatasetConfig):
    """Products bought together: Computers or Photo; no published split."""

    source: str = "amazon"


@dataclass
class CoauthorConfig(NodeDatasetConfig):
    """Authors who wrote together: CS or Physics; no published split."""

    source: str = "coauthor"


@dataclass
class TaskConfig:
    """How labels enter the loss."""

    pos_weight: str = "none"
    """Weight of positive labels: none, auto (negatives / positives of the training part), or a number."""
    label_smoothing: float = number(0.0, low=0.0, high=0.999)
    """Fraction of the target's mass that is spread evenly over the classes (classification only)."""
