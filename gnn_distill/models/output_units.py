"""From what foreign models return to what this package's models return: logits, or standardised predictions."""

from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.task import TaskSpec

SMALLEST = 1e-6
"""Probabilities are clipped to this distance from 0 and 1 before they become logits."""


def in_task_units(
    outputs: Float[Tensor, "row column"], spec: TaskSpec, probabilities: bool, original: bool
) -> Float[Tensor, "row output"]:
    """Logits of classes, of a binary task as one column (z₁ - z₀ of two); standardised predictions of a regression.

    probabilities: they are that, of classes; original: a regression's are in the units of its targets.
    """
    two = spec.kind == "binary" and outputs.size(1) == 2
    if probabilities:
        of_classes = two or spec.kind == "multiclass"
        outputs = outputs.clamp(min=SMALLEST).log() if of_classes else outputs.logit(eps=SMALLEST)
    if two:
        return outputs[:, 1:] - outputs[:, :1]
    if spec.kind == "regression" and original:
        return (outputs - outputs.new_tensor(spec.target_mean)) / outputs.new_tensor(spec.target_std)
    return outputs
