"""Stage 2 for one large graph in parts: exact outputs of its teacher, written block by block into memory maps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gnn_distill.data.part_batches import PartBatches
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layers.standardise import Moments, RunningMoments
from gnn_distill.models.layerwise import infer
from gnn_distill.pipeline.teacher_plan import OutputsPlan

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings


def infer_outputs(
    teacher: GNN,
    state_source: GNN,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    keep: OutputsPlan,
    layers: range,
    folder: Path,
) -> dict[str, Any]:
    """What `read_teacher` returns, with arrays of nodes as files of `folder` in place of tensors, and `moments`.

    Those are taken on the way, over all nodes, and so is the graph state, the mean of the last states. layers: whose
    states are kept.
    """
    parts, graphs = PartBatches(task, encodings), taught_graphs(task, keep.visible)
    total, width = int(task.graphs.num_nodes[graphs].sum()), state_source.state_channels
    dtype = np.dtype(keep.dtype)
    files = {f"layer_{layer}.npy": (total, width[layer - 1], dtype) for layer in layers}
    files["logits.npy"] = (total, task.spec.num_outputs, np.dtype(np.float32))
    maps = {
        name: np.lib.format.open_memmap(folder / name, "w+", kind, (rows, columns))
        for name, (rows, columns, kind) in files.items()
    }
    moments = {layer: RunningMoments() for layer in layers}
    means, at = [], 0
    for graph in graphs.tolist():
        nodes = np.arange(int(task.graphs.node_ptr[graph]), int(task.graphs.node_ptr[graph + 1]))
        mean = RunningMoments()

        def states(layer: int, start: int, rows: Tensor, at: int = at, mean: RunningMoments = mean) -> None:
            if layer in moments:
                maps[f"layer_{layer}.npy"][at + start : at + start + len(rows)] = rows.numpy()
                moments[layer].add(torch.from_numpy(rows.numpy().astype(dtype)))
            if layer == len(width):
                mean.add(rows)

        def logits(layer: int, start: int, rows: Tensor, at: int = at, nodes: np.ndarray = nodes) -> None:
            if layer == len(teacher.state_channels):
                batch = parts.rows(nodes[start : start + len(rows)], (rows,)).to(next(teacher.parameters()).device)
                maps["logits.npy"][at + start : at + start + len(rows)] = teacher(batch).logits.float().cpu().numpy()

        def both(layer: int, start: int, rows: Tensor, states=states, logits=logits) -> None:
            states(layer, start, rows)
            logits(layer, start, rows)

        infer(teacher, parts, nodes, both if teacher is state_source else logits, folder)
        if teacher is not state_source:
            infer(state_source, parts, nodes, states, folder)
        means.append(mean.result().mean)
        at += len(nodes)
    for values in maps.values():
        values.flush()
    found = [one.result() for one in moments.values()]
    kept: dict[str, Any] = {"num_layers": len(width), "layers": list(layers)}
    if keep.graph:
        kept["graph"] = torch.stack(means)
        found.append(Moments.of(kept["graph"]))
    return kept | {"moments": found}


def open_maps(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A state that `infer_outputs` returned, with its files as mapped tensors."""

    def opened(name: str) -> Tensor:
        return torch.from_numpy(np.load(folder / name, mmap_mode="c"))

    nodes = {layer: opened(f"layer_{layer}.npy") for layer in state["layers"]}
    return state | {"logits": opened("logits.npy"), "nodes": nodes}
