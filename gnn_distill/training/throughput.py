"""What a training achieves of what its device can do."""

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.throughput import get_available_flops, measure_flops
from torch import nn

from gnn_distill.data.batching import GraphBatch

DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Number format of products by precision, as Fabric names it."""


def throughput(fabric: Fabric, model: nn.Module, batch: GraphBatch, steps_per_second: float) -> dict[str, float]:
    """Steps and operations of matrix products per second, and their share of the device's peak if Fabric knows that.

    A step counts as three forward passes of the model (forward, and gradients of inputs and of weights) on a batch that
    stands for all. What the objective computes is left out, and so are sparse products.
    """
    flops, peak = 3 * forward_flops(model, batch), None
    if fabric.device.type == "cuda":
        peak = get_available_flops(fabric.device, DTYPES[fabric.strategy.precision.precision])
    rate = flops * steps_per_second
    found = {"steps_per_second": steps_per_second, "flops_per_step": flops, "flops_per_second": rate}
    return found | ({"mfu": rate / peak} if peak else {})


@torch.no_grad()
def forward_flops(model: nn.Module, batch: GraphBatch) -> int:
    """Operations of a forward pass in evaluation mode, without compiled code, whose products are not seen."""
    training = model.training
    try:
        with torch.compiler.set_stance("force_eager"):
            return measure_flops(model.eval(), lambda: model(batch).logits)
    finally:
        model.train(training)
