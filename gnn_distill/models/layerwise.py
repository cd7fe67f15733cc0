"""Exact states of all nodes of a graph that does not fit, layer by layer, in blocks of rows."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.data.part_batches import PartBatches
from gnn_distill.data.sampling import ALL, CSRSampler, Nodes
from gnn_distill.errors import UserError
from gnn_distill.models.gnn_backbone import GNN

ROWS, EDGES = 16_384, 1 << 20
"""Most nodes of a block, and most edges into them, unless one node has more."""
Visit = Callable[[int, int, Float[Tensor, "row channel"]], None]
"""Is shown the states of a block of nodes after a layer: visit(layer from 1, place of the first node, states)."""


def check_layerwise(model: nn.Module, name: str) -> None:
    """Raise UserError unless each layer's states of a node follow from those before of itself and its neighbours."""
    why = ""
    if not isinstance(model, GNN):
        why = "it is not built on this package's backbone, whose layers can be run one at a time"
    elif model.virtual is not None:
        why = "teacher.virtual_node=true joins all nodes in every layer"
    elif model.updates_edges:
        why = "it has states of edges, which are not kept"
    if why:
        raise UserError(
            f"teacher.name={name}: cannot be run layer by layer: {why}. Set pretrain.sampler=full, so that it reads "
            "the whole graph; the student may still have parts of it."
        )


@torch.inference_mode()
def infer(model: GNN, parts: PartBatches, nodes: Nodes, visit: Visit, scratch: Path | None = None) -> None:
    """Show `visit` the states of `nodes` after every layer, those of the whole graph in evaluation mode.

    h^l of a block is the layer's convolution over all edges into it, of h^{l-1} of its rows and their neighbours. The
    latter lie in memory maps below `scratch` (null: the system's temporary folder), in single precision; memory holds
    one block. Time is that of one pass over edges per layer. nodes: all of one graph, consecutive.
    """
    model.eval()
    blocks, layers = list(cut(parts.edges.ptr, nodes)), len(model.norms)
    sampler = CSRSampler(parts.edges, [ALL])
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".layers-") as folder:
        maps: list[np.ndarray] = []
        for layer in range(layers + 1):
            for start, block in blocks:
                if layer:
                    found = _next(
                        model, layer, parts, sampler.sample(block), maps[layer - 1], int(nodes[0]), len(block)
                    )
                else:
                    found = _initial(model, parts, block)
                if len(maps) == layer:
                    file = Path(folder) / f"{layer}.npy"
                    maps.append(np.lib.format.open_memmap(file, "w+", np.float32, (len(nodes), found.size(1))))
                stop = start + len(block)
                maps[layer][start:stop] = found.numpy()
                if layer == layers:  # jumping knowledge joins the states of all layers
                    found = model.join([torch.from_numpy(states[start:stop]) for states in maps[1:]])
                if layer:
                    visit(layer, start, found)


def cut(ptr: np.ndarray, nodes: Nodes) -> Iterator[tuple[int, Nodes]]:
    """The nodes in blocks of at most ROWS nodes and EDGES edges into them, each with the place of its first node."""
    start = 0
    while start < len(nodes):
        low = int(nodes[start])
        most = int(np.searchsorted(ptr, ptr[low] + EDGES, side="right")) - 1 - low
        stop = min(start + max(1, min(ROWS, most)), len(nodes))
        yield start, nodes[start:stop]
        start = stop


def _initial(model: GNN, parts: PartBatches, block: Nodes) -> Tensor:
    none = np.empty(0, dtype=np.int64)
    return model.initial(parts.batch((block, none, none, none)).to(_device(model))).float().cpu()


def _next(
    model: GNN, layer: int, parts: PartBatches, found: tuple, before: np.ndarray, first: int, rows: int
) -> Tensor:
    batch = parts.batch(found, x=torch.from_numpy(before[found[0] - first])).to(_device(model))
    out, _, _ = model.convolve(layer - 1, batch.x, model.between(batch), model.encode_edges(batch))
    return model.update(layer - 1, batch.x[:rows], out[:rows]).float().cpu()


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
