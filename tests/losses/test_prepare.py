"""What losses do to their inputs: class prototypes against plain loops."""

import torch
from torch.autograd import gradcheck

from gnn_distill.losses.prepare import class_means


def test_prototypes_are_the_means_of_the_classes_that_occur() -> None:
    states = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([4, 1, 4, 4, 0, 1, 0])
    expected = [sum(row for row, c in zip(states, label.tolist(), strict=True) if c == k) / 2 for k in (0, 1)]
    expected.append((states[0] + states[2] + states[3]) / 3)
    torch.testing.assert_close(class_means(states, label), torch.stack(expected))
    assert gradcheck(lambda h: class_means(h, label), states.requires_grad_())
