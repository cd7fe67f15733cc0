"""The teacher's own head on the student's states."""

from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.data.batching import StructureBatch
from gnn_distill.losses.standardise import Standardise


class ReusedHead(nn.Module):
    """z = head_T(readout_T(ĥ)), ĥ = φ(h_S) in the teacher's own units: the teacher's frozen end, used again.

    SimKD (Chen et al. 2022), whose student predicts so, and learns φ by the squared error of ĥ alone, from neither
    labels nor soft targets; its φ is a bottleneck of convolutions, ours a perceptron.
    project: φ, to raw states, or to standardised ones where `standardise` is given; output: the teacher's `Output`,
    which stays in evaluation mode and learns nothing.
    """

    def __init__(self, project: nn.Module, output: nn.Module, standardise: Standardise | None = None) -> None:
        super().__init__()
        self.project, self.standardise = project, standardise
        self.output = output.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "ReusedHead":
        """As for any module, but the teacher's part does not follow."""
        super().train(mode)
        self.output.eval()
        return self

    def forward(self, states: Float[Tensor, "row channel"], batch: StructureBatch) -> Float[Tensor, "example output"]:
        """Logits from the student's node states; at node level those of the wanted nodes."""
        projected = self.project(states)
        if self.standardise is not None:
            projected = self.standardise.restore(projected)
        return self.output((projected,), batch, already_rows=True).logits
