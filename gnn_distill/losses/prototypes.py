"""Prototypes: what stands for whole graphs where all nodes share one."""

from jaxtyping import Float, Int
from torch import Tensor


def class_means(states: Float[Tensor, "row channel"], label: Int[Tensor, "row"]) -> Float[Tensor, "class channel"]:
    """Mean state of the rows of every class that occurs, by ascending label."""
    _, index, count = label.unique(return_inverse=True, return_counts=True)
    total = states.new_zeros(len(count), states.size(1)).index_add(0, index, states)
    return total / count.unsqueeze(1)
