"""Config keys of the objective: what the student matches, how much, and when."""

from dataclasses import dataclass, field

from gnn_distill.schema.fields import choice, number, positive, section


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
    """Regression: only where the student's error exceeds the teacher's."""


@dataclass
class MicroConfig:
    """Local terms, weighted by name."""

    relation: float = number(1.0, low=0.0)
    """Distribution of similarity over each node's neighbours."""
    temperature: float = positive(0.2)
    """Temperature of the neighbourhood softmax."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Map from student to teacher width; learned, not part of the student."""


@dataclass
class MacroConfig:
    """Global terms, weighted by name."""

    graph_relation: float = number(1.0, low=0.0)
    """Similarity between the graphs of a batch."""
    measure: str = choice("cosine", "cosine", "pkt")
    """graph_relation: MSE of cosine matrices, or the KL divergence of PKT."""
    samples: int = number(512, low=2)
    """Node level: so many nodes, drawn anew in every step, stand in for the graphs of a batch."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Map from student to teacher width; learned, not part of the student."""


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
    schedule: ScheduleConfig = section(ScheduleConfig)
    """Weights over time."""
    balance: str = choice("none", "none", "gradient")
    """gradient: weights of all terms but the task's are shares of its gradient on the student."""
    balance_share: float = positive(1.0)
    """Factor of all these shares."""
    balance_every: int = number(20, low=1)
    """Steps from one measurement of the gradients to the next; each costs one backward pass a term."""


@dataclass
class AlignmentWeights:
    """Weights of the alignment scales; 0 switches one off at no cost."""

    node: float = number(0.0, low=0.0)
    """Node states."""
    subgraph: float = number(0.0, low=0.0)
    """Means over subgraphs."""
    graph: float = number(0.0, low=0.0)
    """Graph states."""


@dataclass
class AlignmentConfig:
    """Multi-scale feature alignment."""

    name: str = "custom"
    """Name of the preset, for run names and tables."""
    weights: AlignmentWeights = section(AlignmentWeights)
    """Weights of the scales."""
    measure: str = choice("mse", "mse", "cosine")
    """mse on standardised teacher features, or 1 - cosine."""
    projection: str = choice("linear", "linear", "mlp", "none")
    """Map from student to teacher width at node and graph scale; learned, not part of the student."""
    layers: bool = False
    """Node scale: align every student layer to its teacher layer, not only the last."""
    radius: int = number(2, low=1)
    """Subgraph scale: hops of the ego networks."""
