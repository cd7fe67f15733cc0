"""Attention with a learned bias: every path against the formula, in float64 and one head at a time."""

import pytest
import torch
from torch import Tensor

from gnn_distill.models.transformer_backbone import SelfAttention

GRAPHS, NODES, CHANNELS, HEADS = 3, 7, 20, 4
SIZES = (7, 4, 1)
"""Real nodes of each graph; the others are padding."""


def by_hand(attention: SelfAttention, x: Tensor, bias: Tensor) -> Tensor:
    """softmax(q·kᵀ/√d + bias)·v with a loop over graphs, heads and queries, over real keys alone."""
    x, bias = x.double(), bias.double()
    weight, shift = attention.qkv.weight.double(), attention.qkv.bias.double()
    rows = []
    for graph, size in enumerate(SIZES):
        q, k, v = (x[graph] @ weight.T + shift).chunk(3, dim=-1)
        heads = []
        for head in range(HEADS):
            part = slice(head * CHANNELS // HEADS, (head + 1) * CHANNELS // HEADS)
            queries = []
            for query in range(NODES):
                logits = k[:size, part] @ q[query, part] / (CHANNELS / HEADS) ** 0.5 + bias[graph, head, query, :size]
                weights = logits.exp() / logits.exp().sum()
                queries.append(weights @ v[:size, part])
            heads.append(torch.stack(queries))
        rows.append(torch.cat(heads, dim=-1))
    return torch.stack(rows) @ attention.out.weight.double().T + attention.out.bias.double()


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("learned", [False, True])
def test_every_path_equals_the_formula_and_so_do_its_gradients(explicit: bool, learned: bool) -> None:
    torch.manual_seed(0)
    attention = SelfAttention(CHANNELS, HEADS, dropout=0.0)
    x = torch.randn(GRAPHS, NODES, CHANNELS, requires_grad=True)
    bias = torch.randn(GRAPHS, HEADS, NODES, NODES)
    for graph, size in enumerate(SIZES):
        bias[graph, :, :, size:] = torch.finfo(torch.float32).min
    bias.requires_grad_(learned)
    real = torch.tensor([[place < size for place in range(NODES)] for size in SIZES])
    weights = torch.randn(GRAPHS, NODES, CHANNELS) * real.unsqueeze(-1)
    wanted = [x, *attention.parameters()] + ([bias] if learned else [])

    out, logits = attention(x, bias, explicit)
    expected = by_hand(attention, x, bias)
    torch.testing.assert_close(out[real], expected[real].float(), rtol=1e-5, atol=1e-5)
    assert (logits is not None) == explicit
    found = torch.autograd.grad((out * weights).sum(), wanted)
    right = torch.autograd.grad((expected * weights.double()).sum(), wanted)
    for mine, its in zip(found, right, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)


def test_weights_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(CHANNELS, HEADS, dropout=0.5)
    x, bias = torch.randn(GRAPHS, NODES, CHANNELS), torch.zeros(GRAPHS, HEADS, NODES, NODES, requires_grad=True)
    dropped = torch.stack([attention(x, bias, False)[0] for _ in range(2000)]).mean(dim=0)
    attention.eval()
    whole = attention(x, bias, False)[0]
    assert torch.equal(whole, attention(x, bias, False)[0])
    torch.testing.assert_close(dropped, whole, rtol=0, atol=0.1)
    assert not torch.equal(attention.train()(x, bias, False)[0], whole)
