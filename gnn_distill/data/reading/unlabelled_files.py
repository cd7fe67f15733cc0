"""Files of graphs without labels (`dataset.unlabelled`): SMILES, or PyG graphs."""

from pathlib import Path

import torch
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import EdgeStorage, GlobalStorage, NodeStorage

from gnn_distill.config.schema.data import SMILES_LINES
from gnn_distill.data.reading.csv_files import need, read_table
from gnn_distill.data.reading.pickles import tensors_only
from gnn_distill.errors import UserError, reading_foreign, refuse

KEY = "dataset.unlabelled"
OF_PYG = [Data, DataEdgeAttr, DataTensorAttr, EdgeStorage, GlobalStorage, NodeStorage]
"""What a pickled PyG graph consists of, besides tensors and plain values."""
REMEDY = "Save a list of PyG graphs, as in torch.save(list(data_set), FILE)."


def read_smiles(path: Path, column: str) -> tuple[list[str], list[int], list[str]]:
    """The SMILES of a .smi file, or of a CSV file's `column`; their lines; and notices. Empty ones are left out.

    Raises UserError if the file cannot be read, or has no such column.
    """
    if path.suffix.lower() == SMILES_LINES:
        with reading_foreign(f"{KEY}={path}", "Save it as UTF-8 text with one SMILES per line."):
            rows = list(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
        found, notices = [(line, text.split()[0]) for line, text in rows if text.strip()], []
    else:
        table, notices = read_table(path, KEY)
        need(table, str(path), KEY, column)
        found = [(line, text) for line, text in zip(table.index, table[column], strict=True) if text]
    if not found:
        raise refuse(KEY, path, "there is no SMILES in it.")
    lines, smiles = zip(*found, strict=True)
    return list(smiles), list(lines), notices


def read_graphs(path: Path) -> list[Data]:
    """The PyG graphs in a list that torch.save wrote. Nothing in it is executed.

    Raises UserError if it names anything but tensors, plain values and PyG's graphs, or holds no list of graphs.
    """
    # The context removes all that it is given when it ends, also what PyG itself has registered for good.
    known = torch.serialization.get_safe_globals()
    allowed = torch.serialization.safe_globals([part for part in OF_PYG if part not in known])
    with reading_foreign(f"{KEY}={path}", REMEDY), tensors_only(), allowed:
        if foreign := torch.serialization.get_unsafe_globals_in_checkpoint(path):
            raise UserError(
                f"{KEY}={path}: this file would run {', '.join(sorted(foreign)[:3])}, so it is refused. {REMEDY}"
            )
        graphs = torch.load(path, "cpu", weights_only=True)
    if not isinstance(graphs, list | tuple) or not graphs or not all(isinstance(graph, Data) for graph in graphs):
        raise refuse(KEY, path, f"must hold a list of PyG graphs; it holds {_described(graphs)}. {REMEDY}")
    return list(graphs)


def _described(found: object) -> str:
    if not isinstance(found, list | tuple):
        return f"a {type(found).__name__}"
    kinds = sorted({type(one).__name__ for one in found})
    return f"a {type(found).__name__} of {', '.join(kinds) or 'nothing'}"
