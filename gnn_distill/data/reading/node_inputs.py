"""What `gnn-distill convert` reads: a saved PyG graph, a NumPy archive, a folder in OGB's layout."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data

from gnn_distill.data.reading.graph_files import read_saved_graphs
from gnn_distill.data.reading.node_folder import NodeArrays, whole_chunks
from gnn_distill.data.reading.ogb_files import is_ogb_folder, read_ogb
from gnn_distill.errors import UserError, suggest

MASKS = ("train_mask", "val_mask", "test_mask")
ARRAYS = ("x", "edge_index", "y", *MASKS)
FORMS = "a .pt of one PyG graph, a .npz of x, edge_index, y (and masks), or a folder in OGB's layout"


def read_node_input(path: Path, scratch: Path) -> NodeArrays:
    """The arrays of one graph whose nodes have labels; nothing in the file is executed.

    Edge features are left out. scratch: folder for files that do not outlive the arrays. Raises UserError for anything
    else.
    """
    if path.is_dir():
        if not is_ogb_folder(path):
            raise UserError(f"input={path}: has no raw/edge.csv.gz. Give {FORMS}.")
        return read_ogb(path, scratch)
    if not path.is_file():
        raise UserError(f"input={path}: this file does not exist. Give {FORMS}.")
    if path.suffix == ".pt":
        graphs = read_saved_graphs(path)
        if len(graphs) != 1 or not isinstance(graphs[0], Data):
            raise UserError(f"input={path}: holds {len(graphs)} graphs. Save one: torch.save(dataset[0], path).")
        found = {name: graphs[0][name].numpy() for name in ARRAYS if isinstance(graphs[0].get(name), torch.Tensor)}
    elif path.suffix == ".npz":
        found = _read_archive(path)
    else:
        raise UserError(f"input={path}: unknown ending. Give {FORMS}.")
    return _arrays(found, f"input={path}")


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"input={path}: cannot be read ({type(error).__name__}: {error}).") from error
    for name in found:
        if name not in ARRAYS:
            raise UserError(f"input={path}: unknown array {name}.{suggest(name, ARRAYS)} Arrays: {', '.join(ARRAYS)}.")
    return found


def _arrays(found: dict[str, np.ndarray], key: str) -> NodeArrays:
    """Raise UserError, naming all errors, unless the arrays are there and have the right shapes."""
    wrong = [f"{name} is missing." for name in ("x", "edge_index", "y") if name not in found]
    masks = [found[name] for name in MASKS if name in found]
    if len(masks) not in (0, len(MASKS)):
        wrong.append(f"there must be all of {', '.join(MASKS)}, or none.")
    if not wrong:
        x, edges, y = found["x"], found["edge_index"], found["y"].reshape(-1)
        if x.ndim != 2 or x.dtype.kind not in "fiub":
            wrong.append(f"x must be numbers [nodes, features]; it is {x.dtype} {list(x.shape)}.")
        if edges.ndim != 2 or len(edges) != 2 or edges.dtype.kind not in "iu":
            wrong.append(f"edge_index must be whole numbers [2, edges]; it is {edges.dtype} {list(edges.shape)}.")
        if y.dtype.kind == "f":
            y = np.nan_to_num(y, nan=-1)
            wrong += [] if (y == np.floor(y)).all() else ["y must be whole numbers, the class of every node."]
        if any(mask.dtype.kind not in "bu" or len(mask) != len(y) for mask in masks):
            wrong.append(f"masks must be booleans [{len(y):,}] or [{len(y):,}, folds].")
    if wrong:
        raise UserError(f"{key}: {' '.join(wrong)}")
    part = None
    if masks:
        masks = [mask.reshape(len(y), -1).astype(bool) for mask in masks]
        if (sum(mask.astype(np.int8) for mask in masks) > 1).any():
            raise UserError(f"{key}: some nodes are in two parts of the split. Leave each in one.")
        part = np.select(masks, range(len(masks)), -1).astype(np.int8)
    return NodeArrays(x, whole_chunks(edges), y.astype(np.int64), part)
