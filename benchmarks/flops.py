"""Floating-point operations of a Transformer student, by formula."""

from torch import Tensor

from gnn_distill.config.schema.student import StudentConfig


def training_flops(student: StudentConfig, tokens: Tensor) -> float:
    """Operations of matrix products in a training step for graphs of `tokens` nodes each, the graph token included.

    3 · L · Σ_g [ 2·t_g·(4·C² + 2·C·F) + 4·t_g²·C ], F the width inside the feed-forward block: queries, keys, values
    and output; the block; q·kᵀ and the weighted sum. A step is three forward passes' worth. Encoders, the head and all
    that is no matrix product are left out, so is padding unless `tokens` holds padded sizes.
    """
    channels, tokens = student.hidden_channels, tokens.double()
    hidden = round(channels * student.ffn_ratio)
    dense = 2 * tokens * (4 * channels**2 + 2 * channels * hidden)
    attention = 4 * tokens**2 * channels
    return 3 * student.num_layers * float((dense + attention).sum())
