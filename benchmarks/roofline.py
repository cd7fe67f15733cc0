"""What a GPU could make of a student's step at best, by the operations of its code for GPUs, counted without one."""

import torch

from benchmarks.contenders import make_case
from benchmarks.operations import Operations
from benchmarks.options import PLAIN, Options, Report
from benchmarks.own import OwnTraining
from gnn_distill.data.packed import map_tensors
from gnn_distill.models import find_derived

DEVICES = {"A100 80 GB": (312e12, 2.04e12), "H100 SXM": (989e12, 3.35e12), "H200": (989e12, 4.8e12)}
"""Dense bfloat16 FLOP/s and bytes/s, by NVIDIA's data sheets."""
LAUNCH = 4e-6
"""Seconds from the host's call of a kernel to the next, at least."""
META = torch.device("meta")


def measure(options: Options) -> list[Report]:
    """A step of the student in bfloat16, forward and backward, on the first batch of the data; overrides choose both.

    Each kernel takes the longer of its operations and its traffic of whole operands at the device's peaks. Attention
    counts as PyTorch's plain form, with its matrix written and read; objective and optimizer are left out.
    """
    graphs, nodes = (96, 20) if options.smoke else (None, 0)
    data = () if any(word.startswith("dataset=") for word in options.overrides) else ("dataset=zinc",)
    case = make_case(options, (*data, *PLAIN), graphs, nodes)
    counted = step_elsewhere(OwnTraining(options, case.task(), case.config))
    flops = sum(cost for cost, _ in counted.costs)
    rows = []
    for name, (peak, bandwidth) in DEVICES.items():
        each = [max(cost / peak, size / bandwidth) for cost, size in counted.costs]
        launched = sum(max(seconds, LAUNCH) for seconds in each)
        rows.append(
            {
                "device": name,
                "kernels": counted.kernels,
                "GFLOP": flops / 1e9,
                "GB moved": sum(size for _, size in counted.costs) / 1e9,
                "ms at best": 1e3 * sum(each),
                "MFU at best": flops / peak / sum(each),
                "ms, launches": 1e3 * launched,
                "MFU, launches": flops / peak / launched,
            }
        )
    return [Report(f"A step of {case.config.student.name} on {case.config.dataset.name}", rows)]


def step_elsewhere(training: OwnTraining) -> Operations:
    """The operations of a step on tensors that have shapes alone, so that what is taken is the code for GPUs."""
    _, batch, _ = next(training.loader.loader.train(1))
    find_derived(training.model, batch)
    there = map_tensors(batch, lambda tensor: _half(tensor).to(META))
    model = training.model.to(META, torch.bfloat16).train()
    with Operations() as counted:
        model(there).logits.float().square().mean().backward()
    return counted


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.bfloat16() if tensor.is_floating_point() else tensor
