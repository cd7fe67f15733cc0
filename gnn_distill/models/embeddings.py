"""Embeddings of graphs by a model, and which pairs of them are the same."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from gnn_distill.data.batching import collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.packed import PackedGraphs, map_tensors

MAX_PAIRS = 4_000_000
BLOCK = 256


def in_double(encodings: StructuralEncodings) -> StructuralEncodings:
    """The encodings with their real numbers in float64."""
    return map_tensors(encodings, lambda values: values.double() if values.is_floating_point() else values)


@torch.no_grad()
def embed(
    model: nn.Module, graphs: PackedGraphs, encodings: StructuralEncodings | None, batch_size: int
) -> Float[Tensor, "graph output"]:
    """The outputs of a model in evaluation mode for all graphs, in their order."""
    model.eval()
    parts, order = [], []
    for ids in evaluation_batches(graphs.num_nodes, torch.arange(len(graphs)), batch_size, MAX_PAIRS):
        parts.append(model(collate(graphs, encodings, ids)).logits)
        order.append(ids)
    out = torch.cat(parts)
    return torch.empty_like(out).index_copy_(0, torch.cat(order), out)


def same_pairs(embeddings: Float[np.ndarray, "model graph output"], tolerance: float) -> Iterator[np.ndarray]:
    """Pairs of graphs [P, 2], block by block, that no model tells apart: Σ_c |e_ac − e_bc| ≤ tolerance for all.

    No graph is compared with all others: sorted along a line, two graphs that are the same are near each other.
    """
    line = _projection(embeddings[0])
    order = np.argsort(line, kind="stable")
    line, embeddings = line[order], embeddings[:, order]
    for start in range(0, len(order), BLOCK):
        rows = slice(start, min(start + BLOCK, len(order)))
        # A projection on a unit vector shrinks distances; the rounding of a sum is far below a hundredth.
        end = np.searchsorted(line, line[rows.stop - 1] + 1.01 * tolerance, side="right")
        same = np.tri(rows.stop - start, end - start, dtype=bool)
        np.logical_not(same, out=same)  # each pair once: the column after the row
        for embedding in embeddings:
            same &= cdist(embedding[rows], embedding[start:end], "cityblock") <= tolerance
        yield np.sort(order[np.argwhere(same) + start], axis=1)


def _projection(values: Float[np.ndarray, "graph output"]) -> Float[np.ndarray, " graph"]:
    """Coordinates along the direction in which the values vary most."""
    centred = values - values.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return centred @ vectors[:, -1]
