"""Normalisation between layers."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm1d):
    """PyTorch's batch norm, except that a single row in training, where it fails, is normalised by running statistics.

    A batch may be one graph of one node. Its variance is 0, so it does not update these statistics.
    """

    def forward(self, x: Float[Tensor, "row channel"]) -> Float[Tensor, "row channel"]:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


NORMS = {"batch": BatchNorm, "layer": nn.LayerNorm, "none": lambda channels: nn.Identity()}
