"""Config keys of generated sets of graphs whose nodes have labels, and of one graph that stays on disk."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import DatasetConfig, NodeDatasetConfig
from gnn_distill.config.schema.fields import choice, number


@dataclass
class NodeFolderConfig(NodeDatasetConfig):
    """Your own large graph, as a folder that `gnn-distill convert` has written; split=auto is the one in it."""

    source: str = "node_folder"
    name: str = "nodes"
    path: str = MISSING
    """The node folder."""


@dataclass
class OGBNConfig(NodeDatasetConfig):
    """ogbn-arxiv or ogbn-products, from the files of the Open Graph Benchmark; split=published is the set's own."""

    source: str = "ogbn"


@dataclass
class SBMConfig(DatasetConfig):
    """Generated graphs of communities: PATTERN, find a pattern's nodes; CLUSTER, find each node's community."""

    source: str = "sbm"
    num_train: int = number(400, low=10)
    """Training graphs; 10,000 as published."""
    num_val: int = number(100, low=10)
    """Validation graphs; as published 2,000 of PATTERN, 1,000 of CLUSTER."""
    num_test: int = number(200, low=10)
    """Test graphs; as published 2,000 of PATTERN, 1,000 of CLUSTER."""
    communities: int = number(5, low=2)
    """Number of communities per graph; of CLUSTER the classes."""
    min_size: int = number(5, low=1)
    """Fewest nodes of a community, or of a pattern."""
    max_size: int = number(34, low=1)
    """Most nodes of a community, or of a pattern."""
    inside: float = number(0.5, low=0.0, high=1.0)
    """Probability of an edge within a community, and of PATTERN at a pattern's nodes."""
    between: float = number(0.35, low=0.0, high=1.0)
    """Probability of an edge between communities."""
    patterns: int = number(100, low=1)
    """PATTERN: number of patterns, each of which all parts contain."""


@dataclass
class RingTransferConfig(DatasetConfig):
    """Generated graphs whose target node must learn the class of a source at a given distance."""

    source: str = "ring_transfer"
    name: str = "ring_transfer"
    num_train: int = number(1000, low=10)
    """Training graphs."""
    num_val: int = number(200, low=10)
    """Validation graphs."""
    num_test: int = number(500, low=10)
    """Test graphs."""
    topology: str = choice("ring", "ring", "crossed_ring", "clique_path", "line")
    """What joins source and target."""
    distance: int = number(5, low=2)
    """Hops between source and target: a GNN of fewer layers stays at chance."""
    classes: int = number(5, low=2)
    """Number of classes."""


@dataclass
class TreeMatchConfig(DatasetConfig):
    """Generated binary trees whose root must find the leaf with its key, and learn that leaf's value."""

    source: str = "tree_match"
    name: str = "tree_match"
    num_train: int = number(4000, low=10)
    """Training trees."""
    num_val: int = number(500, low=10)
    """Validation trees."""
    num_test: int = number(1000, low=10)
    """Test trees, whose permutations of values no other part contains."""
    depth: int = number(3, low=2, high=8)
    """Depth of the trees, which have 2^depth leaves, keys and classes."""


@dataclass
class GraphPropertiesConfig(DatasetConfig):
    """Generated graphs of many families with distances for labels, of nodes or of the graph."""

    source: str = "graph_properties"
    name: str = "graph_properties"
    num_train: int = number(1000, low=10)
    """Training graphs."""
    num_val: int = number(200, low=10)
    """Validation graphs."""
    num_test: int = number(500, low=10)
    """Test graphs."""
    families: str = choice("corso", "corso", "echo")
    """Mixture of families: the ten of Corso et al. (2020), or the six longer ones of ECHO."""
    min_nodes: int = number(25, low=6)
    """Smallest number of nodes per graph."""
    max_nodes: int = number(35, low=6)
    """Largest number of nodes per graph."""
    targets: list[str] = field(default_factory=lambda: ["sssp", "eccentricity"])
    """sssp, hops of each node from a marked one; eccentricity, those to the farthest; or, of the graph, diameter."""
