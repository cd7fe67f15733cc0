"""Graphs to predict: a folder of files in the TUDataset format, or a saved list of PyG graphs."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.utils import coalesce, one_hot, remove_self_loops

from gnn_distill.data.assembly.inputs import Unfit
from gnn_distill.data.reading.tu_files import Ranges, TUCoding, label_ranges, read_tables
from gnn_distill.errors import UserError, suggest

EDGES = "_A.txt"
SAFE = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]
"""Classes that a saved PyG graph names; their state is set, none of their functions is called."""


def read_saved_graphs(path: Path) -> list[object]:
    """The list of PyG graphs in a .pt file, or its only graph, without running code; Unfit in place of anything else.

    Raises:
        UserError: for a file that holds something else, or names other classes than PyG's Data.
    """
    try:
        # The context ends by removing all that it was given, also what PyG has registered for good.
        known = torch.serialization.get_safe_globals()
        with torch.serialization.safe_globals([kind for kind in SAFE if kind not in known]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file may hold anything, so anything may happen
        why = " ".join(str(error).split("WeightsUnpickler error: ")[-1].split(" Please use ")[0].split())[:200]
        raise UserError(
            f"{path}: cannot be read as tensors and PyG graphs alone ({type(error).__name__}: {why}). Save a plain "
            "list of PyG Data: torch.save(list(dataset), path)."
        ) from error
    graphs = [found] if isinstance(found, Data) else found
    if not isinstance(graphs, list | tuple) or not graphs:
        what = "an empty list" if isinstance(graphs, list | tuple) else f"a {type(graphs).__name__}"
        raise UserError(f"{path}: holds {what}. Save a list of PyG Data: torch.save(list(dataset), path).")
    return [graph if isinstance(graph, Data) else Unfit("not a PyG graph", repr(graph)) for graph in graphs]


def find_tu_name(folder: Path) -> tuple[Path, str]:
    """The folder of the raw files, `folder` itself or its raw/, and the name of the set.

    Raises UserError unless there is exactly one set.
    """
    for raw in (folder, folder / "raw"):
        names = sorted(file.name.removesuffix(EDGES) for file in raw.glob(f"*{EDGES}"))
        if len(names) > 1:
            raise UserError(f"{raw}: holds several sets, {', '.join(names)}. Give each a folder of its own.")
        if names:
            required = f"{names[0]}_graph_indicator.txt"
            if not (raw / required).is_file():
                hint = suggest(required, (file.name for file in raw.iterdir()))
                raise UserError(f"{raw}: {required} is missing.{hint}")
            return raw, names[0]
    raise UserError(f"{folder}: no files of a graph set are here: NAME_A.txt and NAME_graph_indicator.txt, …")


def read_tu_folder(folder: Path, coding: TUCoding | None = None) -> list[object]:
    """The graphs of a folder of TUDataset files, as PyG reads them; Unfit in place of one with an unknown label.

    coding: that of the training files. None: labels are one-hot by the range that they have here.
    Raises UserError for files that do not match each other, or hold anything but numbers.
    """
    raw, name = find_tu_name(folder)
    tables = read_tables(raw, name)
    coding = coding or TUCoding(label_ranges(tables.get("node_labels")), label_ranges(tables.get("edge_labels")))
    owner = torch.from_numpy(tables["graph_indicator"][:, 0]) - 1
    edges = torch.from_numpy(tables["A"]).t() - 1
    x, bad_nodes = _features(tables, "node", coding.node_labels, coding.node_attr, len(owner))
    edge_attr, bad_edges = _features(tables, "edge", coding.edge_labels, coding.edge_attr, edges.size(1))
    unfit = {int(owner[edges[0, row]]): label for row, label in bad_edges.items()}
    unfit |= {int(owner[row]): label for row, label in bad_nodes.items()}
    edges, edge_attr = remove_self_loops(edges, edge_attr)
    edges, edge_attr = coalesce(edges, edge_attr, num_nodes=len(owner))
    count = int(owner[-1]) + 1
    starts = torch.searchsorted(owner, torch.arange(count + 1))
    cuts = torch.searchsorted(edges[0].contiguous(), starts)  # coalesced edges are sorted by source
    graphs: list[object] = []
    for graph in range(count):
        nodes, own = slice(starts[graph], starts[graph + 1]), slice(cuts[graph], cuts[graph + 1])
        data = Data(
            x=x[nodes], edge_index=edges[:, own] - starts[graph], num_nodes=int(starts[graph + 1] - starts[graph])
        )
        data.edge_attr = edge_attr[own] if edge_attr.size(1) else None
        graphs.append(Unfit(unfit[graph]) if graph in unfit else data)
    return graphs


def _features(
    tables: dict[str, np.ndarray], what: str, ranges: Ranges, attributes: bool, rows: int
) -> tuple[Tensor, dict[int, str]]:
    """Attributes and one-hot labels [rows, width], and by row the labels outside of `ranges`."""
    parts, bad = [], {}
    if attributes and len(tables.get(f"{what}_attributes", ())):
        parts.append(torch.from_numpy(tables[f"{what}_attributes"]).float())
    labels = torch.from_numpy(tables[f"{what}_labels"]) if f"{what}_labels" in tables else torch.empty(rows, 0)
    for column, (low, high) in enumerate(ranges[: labels.size(1)]):
        values = labels[:, column].long()
        outside = (values < low) | (values > high)
        for row in outside.nonzero().flatten().tolist():
            bad[row] = f"{what} label {int(values[row])} is not among those of the training files, {low} to {high}"
        parts.append(one_hot((values - low).clamp(0, high - low), high - low + 1))
    return torch.cat(parts, dim=1) if parts else torch.empty(rows, 0), bad
