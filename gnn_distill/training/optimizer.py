"""The optimizer and its learning rate over training."""

import math

import torch
from lightning_fabric import Fabric
from torch import nn

from gnn_distill.config.schema.run import OptimConfig


def make_optimizer(modules: list[nn.Module], optim: OptimConfig, fabric: Fabric) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); matrices decay, vectors (norms, biases) do not."""
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    vectors = [parameter for parameter in parameters if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": optim.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    # Fabric cannot clip what a fused step unscales itself, which only float16 needs.
    fused = not fabric._precision.precision.startswith("16")
    return torch.optim.AdamW(groups, lr=optim.lr, fused=fused)


def rate_factor(optim: OptimConfig, progress: float, max_epochs: int) -> float:
    """Share of the peak learning rate at `progress` in [0, 1): a linear rise, then a fall to zero or none."""
    if progress < optim.warmup:
        return min(1.0, max(progress, 0.1 / max_epochs) / optim.warmup)
    share = (progress - optim.warmup) / max(1.0 - optim.warmup, 1e-8)
    return {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share, "constant": 1.0}[optim.schedule]
