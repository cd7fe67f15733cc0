"""Which term of an objective is to blame for a loss or gradient that is not finite."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.gradients import gradient
from gnn_distill.losses.projectors import TeacherRows, Term
from gnn_distill.models.representations import Representations


def blamed(
    terms: dict[str, Term],
    out: Representations,
    batch: GraphBatch,
    teacher: TeacherRows | None,
    parameters: Sequence[Tensor],
) -> Iterator[str]:
    """What is not finite: the student's outputs, or each term's value, or else its gradient."""
    if not bool(out.logits.isfinite().all()):
        yield "the model's outputs"
        return
    for name, term in terms.items():
        loss = term.loss(out, batch, teacher)
        if not bool(loss.isfinite()):
            yield f"term {name} ({float(loss)})"
        elif not bool(torch.isfinite(gradient(loss, parameters)).all()):
            yield f"the gradient of term {name}"
