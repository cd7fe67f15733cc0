"""Reliable paired comparisons (RPC): does a model, trained to, tell two graphs apart? (Wang & Zhang 2024, BREC)"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from scipy.stats import f as f_distribution
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    from gnn_distill.config.schema.separate import ComparisonsConfig

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
"""Statistics that count as equal, as in the authors' code."""
EPSILON = 1e-7
"""What the authors suggest for models whose outputs for copies of a graph are exactly the same."""
Outputs = Float[Tensor, "copy output"]


@dataclass(frozen=True)
class Comparison:
    """The outcome for a pair."""

    statistic: float
    """Of the two graphs."""
    same_statistic: float
    """Of one graph with itself, the reliability check."""
    threshold: float
    p_value: float
    """Of Hotelling's test of the two graphs, which multiplies the statistic by the number of copies."""
    smoothed_statistic: float
    """Of the two graphs, with at least EPSILON."""

    @property
    def distinguished(self) -> bool:
        """Whether the two graphs differ, as in the authors' code: beyond the threshold, and not as a graph from itself.

        False where a statistic is not a number.
        """
        alike = torch.isclose(*(torch.tensor(x, dtype=torch.double) for x in self.statistics), **CLOSE)
        return bool(self.statistic > self.threshold and not alike)

    @property
    def reliable(self) -> bool:
        """Whether the graph does not differ from itself."""
        return bool(self.same_statistic < self.threshold)

    @property
    def statistics(self) -> tuple[float, float]:
        """Both."""
        return self.statistic, self.same_statistic


def threshold(copies: int, outputs: int, alpha: float) -> float:
    """(q − 1)·d/(q − d) times the 1 − α quantile of F(d, q − d), for q copies and d outputs: 72.34 for 32, 16, 0.05."""
    quantile = float(f_distribution.ppf(1 - alpha, outputs, copies - outputs))
    return (copies - 1) * outputs / (copies - outputs) * quantile


def statistic(one: Outputs, other: Outputs, epsilon: float = 0.0) -> float:
    """D̄ᵀ·(S + ε·I)⁺·D̄ of the differences D = one − other of copies, with their mean D̄ and covariance S.

    Hotelling's T² is q times this for q copies. The authors compare it without this factor with the threshold for T²,
    so their test is stricter than its level says. With ε = 0, as in their code, a difference along directions in which
    copies do not vary at all counts as none; ε = EPSILON is their remedy.
    """
    differences = one - other
    mean = differences.mean(dim=0)
    covariance = torch.atleast_2d(torch.cov(differences.mT))
    covariance = covariance + epsilon * torch.eye(len(covariance), dtype=covariance.dtype)
    return float(mean @ torch.linalg.pinv(covariance) @ mean)


def p_value(value: float, copies: int, outputs: int) -> float:
    """Probability of a larger Hotelling T² = q·value if the mean difference is zero."""
    scale = (copies - outputs) / (outputs * (copies - 1))
    return float(f_distribution.sf(scale * copies * value, outputs, copies - outputs))


def contrast(model: nn.Module, batches: "Callable[[], list[Outputs]]", settings: "ComparisonsConfig") -> int:
    """Train a model to give two graphs embeddings at a right angle or beyond; returns the number of epochs.

    batches() yields the outputs of one batch after another, with copies of the two graphs in turn. Loss of a pair of
    copies: max(0, cos(a, b) − margin). Adam; the learning rate falls tenfold after 10 epochs without a smaller loss.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    model.train()
    for epoch in range(1, settings.max_epochs + 1):
        total = count = 0.0
        for outputs in batches():
            one, other = outputs[0::2], outputs[1::2]
            loss = F.cosine_embedding_loss(one, other, -one.new_ones(len(one)), margin=settings.margin)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + len(one) * loss.item(), count + len(one)
        if total / count < settings.loss_threshold:
            return epoch
        scheduler.step(total / count)
    return settings.max_epochs


def compare(pair: Float[Tensor, "copies_in_turn output"], same: Outputs, settings: "ComparisonsConfig") -> Comparison:
    """The outcome from the outputs of copies of two graphs in turn [2q, d], and of copies of one of them [2q, d]."""
    copies, outputs = len(pair) // 2, pair.size(1)
    value = statistic(pair[0::2], pair[1::2], settings.epsilon)
    return Comparison(
        statistic=value,
        same_statistic=statistic(same[0::2], same[1::2], settings.epsilon),
        threshold=threshold(copies, outputs, settings.alpha),
        p_value=p_value(value, copies, outputs),
        smoothed_statistic=statistic(pair[0::2], pair[1::2], max(EPSILON, settings.epsilon)),
    )
