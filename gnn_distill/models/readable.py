"""From the outputs of a model to what is read: probabilities, or values in their units."""

from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.task import TaskSpec


def readable(spec: TaskSpec, logits: Float[Tensor, "example output"]) -> Float[Tensor, "example output"]:
    """Probabilities of classes, or of positive labels; of a regression values in original units, in float64."""
    if spec.kind == "multiclass":
        return logits.softmax(dim=-1)
    if spec.kind == "regression":
        return spec.in_original_units(logits)
    return logits.sigmoid()
