"""Several teachers as one model: the mean of what they predict."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.data.batching import GraphBatch
from gnn_distill.models.representations import Representations

Logits = Float[Tensor, "example output"]


def mean_logits(logits: Sequence[Logits], kind: str) -> Logits:
    """The logits whose probabilities are the mean of the members' (Hinton et al. 2015); of regressions the mean.

    Classes: z̄ = log mean_m softmax(z_m); one or many binary labels: z̄ = logit(mean_m σ(z_m)). In logarithms throughout,
    so that members which are certain stay finite.
    """
    z = torch.stack(list(logits))
    if kind == "regression":
        return z.mean(dim=0)
    if kind == "multiclass":
        return F.log_softmax(z, dim=-1).logsumexp(dim=0) - math.log(len(z))
    return F.logsigmoid(z).logsumexp(dim=0) - F.logsigmoid(-z).logsumexp(dim=0)


class Ensemble(nn.Module):
    """Predicts `mean_logits` of its members; states are those of the first.

    kind: of the task, as in TaskSpec.
    """

    def __init__(self, members: Sequence[nn.Module], kind: str) -> None:
        super().__init__()
        self.members, self.kind = nn.ModuleList(members), kind

    def forward(self, batch: GraphBatch) -> Representations:
        said = [member(batch) for member in self.members]
        return replace(said[0], logits=mean_logits([one.logits for one in said], self.kind))


def as_one(models: Sequence[nn.Module], kind: str) -> nn.Module:
    """The only model itself, or the ensemble of several."""
    return models[0] if len(models) == 1 else Ensemble(models, kind)
