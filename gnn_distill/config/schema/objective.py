"""Config keys of the objective: what the student matches, how much, and when."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, number, positive, section, weight, weights


@dataclass
class LossWeights:
    """Weights of the objective's groups of terms; 0 switches one off at no cost."""

    task: float = number(1.0, low=0.0)
    """The labels."""
    soft: float = number(0.0, low=0.0)
    """The teacher's soft targets."""
    micro: float = number(0.0, low=0.0)
    """Local neighbourhoods."""
    macro: float = number(0.0, low=0.0)
    """Relations between graphs."""


@dataclass
class SoftConfig:
    """Soft targets."""

    temperature: float = positive(2.0)
    """Softens both distributions; the loss is scaled by its square."""
    mask_missing: bool = False
    """Multi-label: teach only labels that are present."""
    bounded: bool = False
    """Regression: only where the student's error exceeds the teacher's; the target stays the teacher."""


@dataclass
class MicroConfig:
    """Local terms, weighted by name."""

    relation: float = weight(1.0)
    """Distribution of similarity over each node's neighbours."""
    attention: float = weight()
    """Message passing taught to attention: each node is to attend to what messages would bring it."""
    edge: float = weight()
    """Differences of states along edges."""
    temperature: float = positive(0.2)
    """Temperature of the softmax of cosines, of relation and of attention's target cosine."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Map from student to teacher width; learned, not part of the student."""
    attention_target: str = choice("propagation", "propagation", "gat", "cosine")
    """propagation: what layers of means pass on; gat: the teacher's own attention; cosine: likeness of its states."""
    attention_form: str = choice("mass", "mass", "shape")
    """mass: attention outside the neighbourhood is paid for; shape: only how it is shared out inside counts."""
    attention_radius: int = number(2, low=1)
    """Hops of the neighbourhood; layer l has min(l, attention_radius)."""
    attention_layers: list[int] = field(default_factory=list, metadata={"low": 1, "high": None})
    """Student layers whose attention is taught, counted from 1; empty: all."""
    attention_heads: int | None = number(None, low=1)
    """So many heads of a layer are taught; null: half of them."""
    attention_samples: int = number(512, low=1)
    """Node level: so many nodes, drawn anew in every step, whose attention is taught."""


@dataclass
class MacroConfig:
    """Global terms, weighted by name."""

    graph_relation: float = weight(1.0)
    """Similarity between the graphs of a batch."""
    distance_profile: float = weight()
    """How similarity decays with hop distance, within each graph."""
    distribution: float = weight()
    """MMD between the student's and the teacher's set of node states, within each graph."""
    measure: str = choice("cosine", "cosine", "pkt")
    """graph_relation: MSE of cosine matrices, or the KL divergence of PKT."""
    buckets: int = number(5, low=1, high=250)
    """distance_profile: distances of their own; larger ones share one, unreachable pairs another."""
    among: str = choice("nodes", "nodes", "classes", "clusters")
    """Node level, graph_relation: drawn nodes stand for graphs, or means of training classes or of Louvain clusters."""
    samples: int = number(512, low=2)
    """Node level: so many nodes, drawn anew in every step, stand in for graphs, and for all nodes in distribution."""
    anchors: int = number(256, low=2)
    """Node level, distance_profile: so many nodes, drawn once, between which distances are searched."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Map from student to teacher width; learned, not part of the student."""


@dataclass
class BaselineConfig:
    """Published distillation losses on raw teacher states, weighted by name."""

    fitnet: float = weight()
    """FitNet: squared error of node states."""
    at: float = weight()
    """AT: energies of nodes, per graph."""
    sp: float = weight()
    """SP: similarity between graphs."""
    rkd_distance: float = weight()
    """RKD-D: distances between graphs."""
    rkd_angle: float = weight()
    """RKD-A: angles of triples of graphs."""
    pkt: float = weight()
    """PKT: conditional probabilities between graphs."""
    crd: float = weight()
    """CRD: contrast between graphs."""
    lsp: float = weight()
    """LSP: similarity over each node's neighbours."""
    gsp: float = weight()
    """GSP: similarity between all nodes of a batch."""
    gcrd: float = weight()
    """G-CRD: contrast between nodes."""
    mugsi_graph: float = weight()
    """MuGSI: squared error of graph states of length 1."""
    mugsi_cluster: float = weight()
    """MuGSI: similarity between the Louvain clusters of a graph."""
    mugsi_path: float = weight()
    """MuGSI: similarity along random walks."""
    kernel: str = choice("cosine", "cosine", "polynomial", "rbf")
    """lsp, gsp: what similarity is."""
    bandwidth: float = positive(1.0)
    """lsp, gsp: width of the rbf kernel."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """fitnet, crd, gcrd, mugsi_graph: map from student to teacher width; learned, not part of the student."""
    samples: int = number(2048, low=2)
    """Rows between which pairs are taken, at most, drawn anew in every step; at node level they stand in for graphs."""
    rkd_samples: int = number(128, low=3)
    """The same for rkd_distance, and rkd_angle, which takes triples."""
    walk_length: int = number(8, low=1)
    """mugsi_path: steps of a walk."""


BASELINES = weights(BaselineConfig)
"""The weights among these keys."""


@dataclass
class OwnLossConfig:
    """A loss of your own: a function of student rows, teacher rows and the batch that returns a scalar."""

    target: str = MISSING
    """Import path of the function, my_package.my_losses.my_loss."""
    weight: float = number(1.0, low=0.0)
    """0 switches it off at no cost; counts over time as loss.schedule.baseline says."""
    reads: str = choice("nodes", "nodes", "graphs", "logits")
    """Which rows it gets, of both sides: last node states, graph states (graph level only), or logits."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """nodes, graphs: map from student to teacher width, learned, not part of the student; none: states as they are."""
    kwargs: Any = None
    """Further arguments of the function; null: none."""


@dataclass
class Ramp:
    """When a weight counts, in shares of the training: it rises over `enter` and falls over `leave`."""

    enter: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Begin and end of the rise; [0, 0]: from the start."""
    leave: list[float] = field(default_factory=lambda: [1.0, 1.0])
    """Begin and end of the fall; [1, 1]: never."""


@dataclass
class ScheduleConfig:
    """Weights over time, by group of terms."""

    form: str = choice("linear", "linear", "cosine")
    """Shape of rises and falls."""
    task: Ramp = section(Ramp)
    """The labels."""
    soft: Ramp = section(Ramp)
    """Soft targets."""
    micro: Ramp = section(Ramp)
    """Local terms."""
    macro: Ramp = section(Ramp)
    """Global terms."""
    align: Ramp = section(Ramp)
    """Alignment at every scale."""
    baseline: Ramp = section(Ramp)
    """Published losses, and your own."""


@dataclass
class LossConfig:
    """The objective but for alignment."""

    name: str = "custom"
    """Name of the preset, for run names and tables."""
    weights: LossWeights = section(LossWeights)
    """Weights of the groups of terms."""
    soft: SoftConfig = section(SoftConfig)
    """Soft targets."""
    micro: MicroConfig = section(MicroConfig)
    """Local terms."""
    macro: MacroConfig = section(MacroConfig)
    """Global terms."""
    baseline: BaselineConfig = section(BaselineConfig)
    """Published losses."""
    own: dict[str, OwnLossConfig] = field(default_factory=dict)
    """Losses of your own, by name: a term own_<name> each."""
    schedule: ScheduleConfig = section(ScheduleConfig)
    """Weights over time."""
    balance: str = choice("none", "none", "gradient")
    """gradient: weights of all terms but the task's are shares of its gradient on the student."""
    balance_share: float = positive(1.0)
    """Factor of all these shares."""
    balance_every: int = number(50, low=1)
    """Steps from one measurement of the gradients to the next; each costs one backward pass a term."""


@dataclass
class AlignmentWeights:
    """Weights of the alignment scales; 0 switches one off at no cost."""

    node: float = weight()
    """Node states."""
    subgraph: float = weight()
    """Means over subgraphs."""
    graph: float = weight()
    """Graph states."""


@dataclass
class AlignmentConfig:
    """Multi-scale feature alignment."""

    name: str = "custom"
    """Name of the preset, for run names and tables."""
    weights: AlignmentWeights = section(AlignmentWeights)
    """Weights of the scales."""
    measure: str = choice("mse", "mse", "cosine", "cka", "infonce")
    """mse on standardised teacher features; 1 - cosine; linear CKA, which needs no projection; a contrast of rows."""
    temperature: float = positive(0.1)
    """infonce: temperature of the softmax."""
    samples: int = number(1024, low=2)
    """infonce: rows at most, drawn anew in every step, since all pairs of them are taken."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Map from student to teacher width at node and graph scale; learned, not part of the student."""
    layers: bool = False
    """Node scale: align every student layer to its teacher layer, not only the last."""
    source: str = choice("ego", "ego", "walk", "cluster", "fragment")
    """Subgraph scale: ego networks, random walks, Louvain clusters, or BRICS fragments of molecules."""
    radius: int = number(2, low=1)
    """Subgraph scale, ego: hops of the ego networks."""
    max_members: int = number(64, low=1)
    """Subgraph scale, ego: nodes of an ego network at most; of a larger one a sample."""
    walk_length: int = number(8, low=1)
    """Subgraph scale, walk: steps of the walk from every node."""
    prototypes: str = choice("classes", "classes", "clusters")
    """Graph scale at node level: means of training classes, or of Louvain clusters, stand in for graphs."""
    reuse_head: bool = False
    """The student predicts by the teacher's own frozen readout and head, from its projected node states."""
