"""Normalisation between layers."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm1d):
    """PyTorch's, which fails in training on a single row: that one is normalised by the running statistics.

    A batch may be one graph of one node. One row has a variance of 0, so it leaves these statistics as they are.
    """

    def forward(self, x: Float[Tensor, "row channel"]) -> Float[Tensor, "row channel"]:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


NORMS = {"batch": BatchNorm, "layer": nn.LayerNorm, "none": lambda channels: nn.Identity()}
