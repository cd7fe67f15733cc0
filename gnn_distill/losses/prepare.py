"""What losses do to their inputs before anything else."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def prepare(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides in at least single precision; no gradient goes to the teacher."""
    return at_least_single(student), at_least_single(teacher.detach())


def at_least_single(values: Tensor) -> Tensor:
    """Half precision becomes single: sums of squares and differences of cosines need its digits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def unit(states: Float[Tensor, "*row channel"]) -> Float[Tensor, "*row channel"]:
    """h / max(‖h‖, 1e-6)."""
    return F.normalize(states, dim=-1, eps=1e-6)


def class_means(states: Float[Tensor, "row channel"], label: Int[Tensor, "row"]) -> Float[Tensor, "class channel"]:
    """Mean state of the rows of each class that occurs, by ascending label: prototypes, which stand for graphs."""
    return means_of(states, *class_index(label))


def class_index(label: Int[Tensor, "row"]) -> tuple[Int[Tensor, "row"], Int[Tensor, "class"]]:
    """The index of each row's class among those that occur, and their numbers of rows."""
    _, index, count = label.unique(return_inverse=True, return_counts=True)
    return index, count


def means_of(
    states: Float[Tensor, "row channel"], index: Int[Tensor, "row"], count: Int[Tensor, "class"]
) -> Float[Tensor, "class channel"]:
    """`class_means` by `class_index`."""
    total = states.new_zeros(len(count), states.size(1)).index_add(0, index, states)
    return total / count.unsqueeze(1)
