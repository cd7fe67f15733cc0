"""Config keys of the objective: what the student matches, with which weight, and when."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, common, number, positive, section, weight, weights


@dataclass
class LossWeights:
    """Weights of the objective's groups of terms; 0 switches one off at no cost."""

    task: float = number(1.0, low=0.0)
    """The labels."""
    soft: float = common(number(0.0, low=0.0))
    """The teacher's soft targets."""
    micro: float = common(number(0.0, low=0.0))
    """Local terms: neighbourhoods."""
    macro: float = common(number(0.0, low=0.0))
    """Global terms: relations between graphs."""


@dataclass
class SoftConfig:
    """Soft targets."""

    temperature: float = positive(2.0)
    """Temperature of both distributions; the loss is scaled by its square."""
    mask_missing: bool = False
    """Multi-label: leave out missing labels."""
    exits: float = weight()
    """Weight, relative to loss.weights.soft, of the same loss of the student's earlier layers, each with a head of its
    own that is no part of the student."""
    bounded: bool = False
    """Regression: match the teacher only where the student's error is larger than the teacher's."""


@dataclass
class MicroConfig:
    """Local terms: weights by name, and options."""

    relation: float = weight(1.0, reads="nodes")
    """Distribution of similarity over each node's neighbours."""
    attention: float = weight()
    """Attention from message passing: each node learns to attend to the nodes whose messages would reach it."""
    edge: float = weight(reads="nodes")
    """Differences of states along edges."""
    temperature: float = positive(0.2)
    """relation, attention_target=cosine: temperature of the softmax of cosines."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Learned map from student to teacher width, not part of the student."""
    attention_target: str = choice("propagation", "propagation", "gat", "cosine")
    """propagation: what layers of means pass on; gat: the teacher's own attention; cosine: similarity of its states."""
    attention_form: str = choice("mass", "mass", "shape")
    """mass: attention outside the neighbourhood is penalised; shape: only its distribution inside counts."""
    attention_radius: int = number(2, low=1)
    """Number of hops of the neighbourhood; in layer l min(l, attention_radius)."""
    attention_layers: list[int] = field(default_factory=list, metadata={"low": 1, "high": None})
    """Student layers whose attention is taught, counted from 1; empty: all."""
    attention_heads: int | None = number(None, low=1)
    """Number of heads taught per layer; null: half."""
    attention_samples: int = number(512, low=1)
    """Node level: number of nodes whose attention is taught, sampled again in every step."""


@dataclass
class MacroConfig:
    """Global terms: weights by name, and options."""

    graph_relation: float = weight(1.0, reads="graphs")
    """Similarity between the graphs of a batch."""
    anchor_relation: float = weight(reads="graphs")
    """Similarity to the teacher's states of all training graphs, which does not depend on the batch."""
    distance_profile: float = weight(reads="nodes")
    """How similarity decays with hop distance, within each graph."""
    distribution: float = weight(reads="nodes")
    """MMD between the student's and the teacher's set of node states, within each graph."""
    measure: str = choice("cosine", "cosine", "pkt")
    """graph_relation: MSE of cosine matrices, or the KL divergence of PKT."""
    buckets: int = number(5, low=1, high=250)
    """distance_profile: number of distances with a bucket each; larger ones share one, unreachable pairs one."""
    among: str = choice("nodes", "nodes", "classes", "clusters")
    """Node level, graph_relation, anchor_relation: sampled nodes, or means of training classes or Louvain clusters,
    replace graphs."""
    samples: int = number(512, low=2)
    """Node level: number of nodes, sampled again in every step, that replace graphs; of one large graph also those of
    distribution."""
    anchors: int = number(256, low=2)
    """One large graph, distance_profile: number of nodes, sampled once, between which distances are computed."""
    num_anchors: int = number(4096, low=2)
    """anchor_relation: largest number of training graphs (node level: of nodes that are taught), drawn once."""
    anchor_temperature: float = positive(0.1)
    """anchor_relation: temperature of the softmax of cosines."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Learned map from student to teacher width, not part of the student."""


@dataclass
class BaselineConfig:
    """Published distillation losses on raw teacher states and predictions: weights by name, and options."""

    dist: float = weight()
    """DIST: correlation of predictions, within an example and within a class, at loss.soft.temperature."""
    fitnet: float = weight(reads="nodes")
    """FitNet: squared error of node states."""
    at: float = weight(reads="nodes")
    """AT: energies of the nodes of a graph."""
    sp: float = weight(reads="graphs")
    """SP: similarity between graphs."""
    rkd_distance: float = weight(reads="graphs")
    """RKD-D: distances between graphs."""
    rkd_angle: float = weight(reads="graphs")
    """RKD-A: angles of triples of graphs."""
    pkt: float = weight(reads="graphs")
    """PKT: conditional probabilities between graphs."""
    crd: float = weight(reads="graphs")
    """CRD: contrastive loss between graphs."""
    lsp: float = weight(reads="nodes")
    """LSP: similarity over each node's neighbours."""
    gsp: float = weight(reads="nodes")
    """GSP: similarity between all nodes of a batch."""
    gcrd: float = weight(reads="nodes")
    """G-CRD: contrastive loss between nodes."""
    mugsi_graph: float = weight(reads="graphs")
    """MuGSI: squared error of graph states of unit length."""
    mugsi_cluster: float = weight(reads="subgraphs")
    """MuGSI: similarity between the Louvain clusters of a graph."""
    mugsi_path: float = weight(reads="nodes")
    """MuGSI: similarity along random walks."""
    kernel: str = choice("cosine", "cosine", "polynomial", "rbf")
    """lsp, gsp: measure of similarity."""
    bandwidth: float = positive(1.0)
    """lsp, gsp: width of the rbf kernel."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """fitnet, crd, gcrd, mugsi_graph: learned map from student to teacher width, not part of the student."""
    samples: int = number(2048, low=2)
    """Largest number of rows that form pairs, sampled again in every step; at node level they replace graphs."""
    rkd_samples: int = number(128, low=3)
    """The same for rkd_distance, and for rkd_angle, which forms triples."""
    walk_length: int = number(8, low=1)
    """mugsi_path: number of steps per walk."""


BASELINES = weights(BaselineConfig)
"""The keys of BaselineConfig that are weights."""


@dataclass
class OwnLossConfig:
    """A loss of your own: a function of student rows, teacher rows and the batch that returns a scalar."""

    target: str = MISSING
    """Import path of the function, as in my_package.my_losses.my_loss."""
    weight: float = number(1.0, low=0.0)
    """Weight, scheduled by loss.schedule.baseline; 0 switches it off at no cost."""
    reads: str = choice("nodes", "nodes", "graphs", "logits")
    """Rows that it gets of student and teacher: last node states, graph states (graph level only), or logits."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """nodes, graphs: learned map from student to teacher width, not part of the student; none: states as they are."""
    kwargs: Any = None
    """Further arguments of the function, by name; null: none."""


@dataclass
class Ramp:
    """When a weight counts, in fractions of the training: it rises over `enter` and falls over `leave`."""

    enter: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Start and end of the rise; [0, 0]: full weight from the start."""
    leave: list[float] = field(default_factory=lambda: [1.0, 1.0])
    """Start and end of the fall; [1, 1]: never."""


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
    """Alignment at all scales."""
    baseline: Ramp = section(Ramp)
    """Published losses, and your own."""


@dataclass
class LossConfig:
    """The objective, except for alignment."""

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
    """Losses of your own, by name; each is a term own_<name>."""
    schedule: ScheduleConfig = section(ScheduleConfig)
    """Weights over time."""
    balance: str = choice("none", "none", "gradient")
    """gradient: weights of all terms but the task's are relative to its gradient on the student."""
    balance_share: float = positive(1.0)
    """gradient: factor of all these weights."""
    balance_every: int = number(50, low=1)
    """gradient: steps between measurements of the gradients, each of which costs one backward pass per term."""


@dataclass
class AlignmentWeights:
    """Weights of the alignment scales, and of one more term of nodes; 0 switches one off at no cost."""

    node: float = weight(reads="nodes")
    """Node states."""
    subgraph: float = weight(reads="subgraphs")
    """Means over subgraphs."""
    graph: float = weight(reads="graphs")
    """Graph states."""
    contrast: float = weight(reads="nodes")
    """Similarity of node states to those of the batch's other nodes, whatever the measure of the other scales."""


@dataclass
class AlignmentConfig:
    """Multi-scale feature alignment."""

    name: str = "custom"
    """Name of the preset, for run names and tables."""
    weights: AlignmentWeights = section(AlignmentWeights)
    """Weights of the scales."""
    measure: str = choice("mse", "mse", "cosine", "cka", "infonce", "contrast")
    """mse of standardised teacher features; 1 - cosine; linear CKA, which needs no projection; InfoNCE over rows;
    contrast: the same with the teacher's own similarities for targets."""
    standardise: str = choice("std", "std", "whiten")
    """Teacher states, wherever standardised ones are read: each dimension to variance 1; whiten: uncorrelated, too."""
    temperature: float = positive(0.1)
    """infonce, contrast: temperature of the softmax."""
    samples: int = number(1024, low=2)
    """infonce, contrast: largest number of rows, sampled again in every step; all pairs of them are formed."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Learned map from student to teacher width at node and graph scale and of patches, not part of the student."""
    channels: float = positive(1.0, high=1.0)
    """Share of the student's channels that losses of states compare, at all scales; the others stay free."""
    layers: bool = False
    """Node scale: align every student layer to its teacher layer, not only the last."""
    source: str = choice("ego", "ego", "walk", "cluster", "fragment", "patch")
    """Subgraph scale: ego networks, random walks, Louvain clusters, BRICS fragments of molecules, or the patches that
    are the student's tokens (graphvit), whose states are compared."""
    radius: int = number(2, low=1)
    """Subgraph scale, ego: number of hops of an ego network."""
    max_members: int = number(64, low=1)
    """Subgraph scale, ego: largest number of nodes of an ego network; larger ones are sampled."""
    walk_length: int = number(8, low=1)
    """Subgraph scale, walk: number of steps of the walk from every node."""
    prototypes: str = choice("classes", "classes", "clusters")
    """Graph scale at node level: means of training classes, or of Louvain clusters, replace graphs."""
    reuse_head: bool = False
    """Predict with the teacher's frozen readout and head, from the student's projected node states."""
