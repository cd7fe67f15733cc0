"""ZINC-12k: regression of the penalised logP of molecules (Irwin et al. 2012; Dwivedi et al. 2023), read by PyG."""

import io
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch_geometric.datasets import ZINC

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.splits import check_fold, check_split_name
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.reading.pickles import arrays, read_pickle
from gnn_distill.data.reading.pyg import pack_dataset
from gnn_distill.data.task import Features, GraphTask, Splits

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig, ZINCConfig

PARTS = ("train", "val", "test")
ATOM_TYPES = Features("categorical", (28,))
BOND_TYPES = Features("categorical", (4,))
PUBLISHED_BYTES = 100 * 2**20
"""The published train.pickle holds all 220,011 training molecules, far more than this."""


def as_stored(content: bytes) -> Any:
    """The storage of a pickled tensor."""
    return torch.load(io.BytesIO(content), weights_only=True)


TENSORS = {
    ("torch", "tensor"): torch.tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): as_stored,
    ("collections", "OrderedDict"): OrderedDict,
}
"""The names in a pickle of tensors."""


class CheckedZINC(ZINC):
    """ZINC whose pickles are checked before PyG reads them, which would run any code in them."""

    def process(self) -> None:
        """As in PyG, after checking that every pickle contains only tensors."""
        for part in PARTS:
            read_pickle(Path(self.raw_dir, f"{part}.pickle"), arrays() | TENSORS)
        super().process()


def load(dataset: "ZINCConfig", paths: "PathsConfig") -> GraphTask:
    """The 12,000 molecules of the benchmark, on their published split: 10,000 / 1,000 / 1,000."""
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, 1, dataset.name)
    files = [f"{part}.{ending}" for part in PARTS for ending in ("pickle", "index")]
    sources = [
        read(
            lambda root, part=part: CheckedZINC(root, subset=True, split=part),
            folder_of("zinc", dataset.name),
            files,
            ZINC.url,
            paths,
        )
        for part in PARTS
    ]
    graphs = concatenate([pack_dataset(source, num_targets=1) for source in sources])
    ends = pointers(torch.tensor([len(source) for source in sources])).tolist()
    splits = Splits(*(torch.arange(start, end) for start, end in pairwise(ends)), kind="published")
    note, notices = label_note(Path(sources[0].raw_dir))
    return assemble(
        dataset,
        graphs,
        splits,
        kind="regression",
        metric="mae",
        target_names=("penalised logP",),
        node_features=ATOM_TYPES,
        edge_features=BOND_TYPES,
        notices=notices,
        note=note,
    )


def label_note(raw: Path) -> tuple[str, list[str]]:
    """The note shown with the metric, and its notice, unless `raw` contains the published files.

    Known by their size: reduced files, with only the 12,000 molecules, were made by others, and so may their
    labels have been.
    """
    if (raw / "train.pickle").stat().st_size >= PUBLISHED_BYTES:
        return "", []
    return "rebuilt labels", [
        f"The files in {raw} are not the published ones but contain only the 12,000 molecules: their labels count as "
        "rebuilt, and errors may differ slightly from published ones."
    ]


def concatenate(parts: list[PackedGraphs]) -> PackedGraphs:
    """All graphs of all parts, in order."""
    return PackedGraphs(
        x=torch.cat([part.x for part in parts]),
        edge_index=torch.cat([part.edge_index for part in parts], dim=1),
        edge_attr=torch.cat([part.edge_attr for part in parts]),
        y=torch.cat([part.y for part in parts]),
        node_ptr=pointers(torch.cat([part.num_nodes for part in parts])),
        edge_ptr=pointers(torch.cat([part.num_edges for part in parts])),
    )
