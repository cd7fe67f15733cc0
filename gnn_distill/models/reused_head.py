"""The teacher's head on the student's states."""

from copy import deepcopy
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.projection import Keep, projection
from gnn_distill.models.layers.standardise import Moments, Standardise
from gnn_distill.models.representations import Representations


class ReusedHead(nn.Module):
    """z = head_T(readout_T(ĥ)), ĥ = φ(h_S) in the teacher's own units: the teacher's frozen head, reused.

    Source: SimKD (Chen et al. 2022), whose student predicts this way, and learns φ only by the squared error of ĥ,
    from neither labels nor soft targets; its φ is a bottleneck of convolutions, ours a perceptron.
    project: φ, to raw states, or to standardised ones if `standardise` is given; output: the teacher's `Output`,
    which stays frozen and in evaluation mode.
    """

    def __init__(self, project: nn.Module, output: nn.Module, standardise: Standardise | None = None) -> None:
        super().__init__()
        self.project, self.standardise = project, standardise
        self.output = output.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "ReusedHead":
        """As for any module, except that the teacher's part stays in evaluation mode."""
        super().train(mode)
        self.output.eval()
        return self

    def forward(self, states: Float[Tensor, "row channel"], batch: GraphBatch) -> Float[Tensor, "example output"]:
        """Logits from the student's node states; at node level for the nodes in `outputs` of the batch."""
        return self.predict(self.project(states), batch)

    def predict(self, projected: Float[Tensor, "row alive"], batch: GraphBatch) -> Float[Tensor, "example output"]:
        """Logits from φ(h_S)."""
        if self.standardise is not None:
            projected = self.standardise.restore(projected)
        return self.output((projected,), batch, already_rows=True).logits


class ReusingStudent(nn.Module):
    """A student that predicts by its teacher's readout and head; its own head is unused.

    Representations are the student's, except for the logits and `projected`: φ of the last node states, standardised
    by `moments`, those of the teacher's last node states.
    """

    def __init__(self, student: nn.Module, output: Output, moments: Moments, kind: str) -> None:
        super().__init__()
        self.student, self.kind = student, kind
        # Saved with the weights, from which they cannot be derived.
        self.register_buffer("mean", moments.mean.clone())
        self.register_buffer("std", moments.std.clone())
        standardise = Standardise(moments)
        keep = kind == "none"
        project = (
            Keep(standardise.alive) if keep else projection(kind, student.state_channels[-1], standardise.channels)
        )
        self.reuse = ReusedHead(project, deepcopy(output), standardise)
        self.state_channels, self.graph_channels = student.state_channels, student.graph_channels
        self.reads_edges = student.reads_edges

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        out = self.student(batch, attention_layers)
        projected = self.reuse.project(out.nodes[-1])
        return replace(out, logits=self.reuse.predict(projected, batch), projected=projected)

    @property
    def settings(self) -> dict[str, str]:
        """The settings that `rebuild` needs in addition to the weights."""
        return {"projection": self.kind, "readout": self.reuse.output.kind}


def rebuild(student: nn.Module, spec: TaskSpec, weights: dict[str, Tensor], settings: dict[str, str]) -> ReusingStudent:
    """A ReusingStudent around a rebuilt student, before its `weights` are loaded."""
    moments = Moments(weights["mean"], weights["std"])
    output = Output(len(moments.mean), spec, settings["readout"], dropout=0.0)
    return ReusingStudent(student, output, moments, settings["projection"])
