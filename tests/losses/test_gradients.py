"""What the log of gradients says."""

import pytest
import torch
from torch import nn

from gnn_distill.config.schema.objective import Ramp
from gnn_distill.losses.gradients import compare_gradients, gradient
from gnn_distill.losses.term import Term
from gnn_distill.models.representations import Representations


def test_a_gradient_is_one_vector_of_all_parameters() -> None:
    first, second, unused = (torch.randn(shape, requires_grad=True) for shape in ((2, 3), (4,), (2,)))
    loss = (first * 2).sum() + second.square().sum()
    for _ in range(2):  # the graph is kept
        vector = gradient(loss, [first, second, unused])
        assert torch.equal(vector, torch.cat([torch.full((6,), 2.0), 2 * second.detach(), torch.zeros(2)]))
    assert first.grad is None
    assert not gradient(torch.tensor(3.0), [first, second]).any()


def term(name: str, loss: object) -> Term:
    return Term(name, 1.0, Ramp(), lambda out, batch, teacher: loss(out.logits))


def test_norms_and_cosines_are_told_of_every_term() -> None:
    model = nn.Linear(2, 1, bias=False)
    logits = model(torch.eye(2))
    out = Representations(logits, (), logits)
    losses = {
        "task": lambda z: 3 * z[0, 0],
        "with": lambda z: 0.5 * z[0, 0],
        "against": lambda z: -(z[0, 0] + z[1, 0]),
        "nothing": lambda z: z.sum() * 0.0,
    }
    terms = {name: term(name, loss) for name, loss in losses.items()}
    seen = compare_gradients(terms, out, None, None, list(model.parameters()))
    assert seen == pytest.approx(
        {
            **{"task.grad_norm": 3.0, "with.grad_norm": 0.5, "against.grad_norm": 2**0.5, "nothing.grad_norm": 0.0},
            **{"with.grad_cosine": 1.0, "against.grad_cosine": -(0.5**0.5)},
        }
    )
    assert list(seen)[-2:] == ["with.grad_cosine", "against.grad_cosine"]  # in the order of the terms
    del terms["task"]
    alone = compare_gradients(terms, out, None, None, list(model.parameters()))
    assert set(alone) == {f"{name}.grad_norm" for name in terms}


def test_looking_draws_nothing() -> None:
    model = nn.Linear(2, 1)
    logits = model(torch.ones(5, 2))
    noisy = {"task": term("task", lambda z: (z * torch.randn(5, 1)).sum())}
    torch.manual_seed(0)
    seen = compare_gradients(noisy, Representations(logits, (), logits), None, None, list(model.parameters()))
    drawn = torch.randn(5, 1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.randn(5, 1))
    expected = torch.cat([drawn.sum().repeat(3)]).norm()
    assert seen["task.grad_norm"] == pytest.approx(float(expected), rel=1e-5)
