"""Gradients of single terms on the student's parameters: to log them, to balance them, to find what diverges."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill import ranks
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.term import TeacherRows, Term
from gnn_distill.models.representations import Representations


def gradient(loss: Float[Tensor, ""], parameters: Sequence[Tensor]) -> Float[Tensor, "parameter"]:
    """∇_θ loss as one vector, 0 where the loss does not reach. The graph is kept, and no `.grad` is written.

    Of several processes it is that of all of them.
    """
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(parameter).flatten() for parameter in parameters])
    parts = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    own = torch.cat([part.flatten() for part in parts])
    return own if ranks.size() == 1 else ranks.total(own) / ranks.size()


def compare_gradients(
    terms: dict[str, Term],
    out: Representations,
    batch: GraphBatch,
    teacher: TeacherRows | None,
    parameters: Sequence[Tensor],
) -> dict[str, float]:
    """`<term>.grad_norm` ‖∇_θ L‖ of every term, whether it counts now or not, and `<term>.grad_cosine` with the task's.

    A cosine is left out where one of the two gradients is 0. The random state is as before afterwards, and the terms
    draw from it what they draw in the step that follows.
    """
    device = out.logits.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        vectors = {name: gradient(term(out, batch, teacher), parameters) for name, term in terms.items()}
    norms = {name: float(vector.norm()) for name, vector in vectors.items()}
    seen = {f"{name}.grad_norm": norm for name, norm in norms.items()}
    for name, vector in vectors.items():
        if name != "task" and norms[name] and norms.get("task"):
            seen[f"{name}.grad_cosine"] = float(vector @ vectors["task"]) / (norms[name] * norms["task"])
    return seen


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
        loss = term(out, batch, teacher)
        if not bool(loss.isfinite()):
            yield f"term {name} ({float(loss.detach())})"
        elif not bool(torch.isfinite(gradient(loss, parameters)).all()):
            yield f"the gradient of term {name}"
