"""Any set of the TUDataset collection (Morris et al. 2020), read by PyG."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch_geometric.datasets import TUDataset
from torch_geometric.io import read_txt_array

from gnn_distill.data.assembly import assemble
from gnn_distill.data.mirror import folder_of, read
from gnn_distill.data.packed import degree_column
from gnn_distill.data.pyg import pack_dataset
from gnn_distill.data.splits import check_split_name, choose_split
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.schema.data import PathsConfig, TUDatasetConfig


class CheckedTUDataset(TUDataset):
    """TUDataset whose files are known to name each other's lines before PyG, which does not look, reads them."""

    def process(self) -> None:
        """As PyG does it. Raises UserError for graphs that are not in order, and for edges to nodes without a graph."""
        indicator, pairs = (Path(self.raw_dir, f"{self.name}_{what}.txt") for what in ("graph_indicator", "A"))
        graphs = read_txt_array(str(indicator), sep=",", dtype=torch.long)
        edges = read_txt_array(str(pairs), sep=",", dtype=torch.long)
        if graphs.dim() != 1 or not len(graphs) or graphs[0] != 1 or not (graphs.diff() >= 0).all():
            raise UserError(f"{indicator}: one number a line is wanted, from 1 on, in order. Restore the file.")
        if edges.dim() != 2 or edges.size(1) != 2:
            raise UserError(f"{pairs}: two numbers a line are wanted. Restore the file.")
        outside = ((edges < 1) | (edges > len(graphs))).any(dim=1).nonzero().flatten()
        if len(outside):
            raise UserError(
                f"{pairs}, line {int(outside[0]) + 1}: there are nodes 1 to {len(graphs)} only. Restore the file."
            )
        super().process()


def load(dataset: "TUDatasetConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`: node labels one-hot, after node attributes where there are any; edges likewise.

    Integer graph labels make a binary or multi-class task, graph attributes a regression.
    """
    check_split_name(dataset, "auto", "published", "stratified", "random")
    name = dataset.name
    source = read(
        lambda root: CheckedTUDataset(
            root, name, use_node_attr=dataset.use_node_attr, use_edge_attr=dataset.use_edge_attr
        ),
        folder=folder_of("tudataset", name),
        files=[f"{name}_A.txt", f"{name}_graph_indicator.txt"],
        url=f"{TUDataset.url}/{name}.zip",
        paths=paths,
    )
    y = source._data.y
    if y is None:
        raise UserError(f"{name}: {name}_graph_labels.txt is not in {source.raw_dir}. Put it there, delete processed/.")
    graphs = pack_dataset(source, num_targets=1 if y.dim() == 1 else y.size(1))
    kind, target_names = _describe_targets(y)
    degree_features = graphs.x.size(1) == 0
    if degree_features:
        graphs.x = degree_column(graphs, dataset.max_degree)
        node_features = Features("categorical", (dataset.max_degree + 1,))
    else:
        node_features = Features("continuous", (graphs.x.size(1),))
    # PyG puts attributes before the one-hot labels.
    attributes = source.num_node_attributes if dataset.standardise and dataset.use_node_attr else 0
    if graphs.edge_attr is not None and graphs.edge_attr.size(1) == 0:
        graphs.edge_attr = None
    splits, notices = choose_split(dataset, paths, graphs.y, kind)
    return assemble(
        dataset,
        graphs,
        splits,
        kind=kind,
        metric="mae" if kind == "regression" else "accuracy",
        target_names=target_names,
        node_features=node_features,
        edge_features=None if graphs.edge_attr is None else Features("continuous", (graphs.edge_attr.size(1),)),
        standardised=attributes,
        notices=notices,
        class_names=read_class_names(Path(source.raw_dir), name) if kind != "regression" else (),
        degree_features=degree_features,
    )


def _describe_targets(y: torch.Tensor) -> tuple[str, tuple[str, ...]]:
    if y.is_floating_point():
        count = 1 if y.dim() == 1 else y.size(1)
        return "regression", ("target",) if count == 1 else tuple(f"target_{i}" for i in range(count))
    num_classes = int(y.max()) + 1
    if num_classes <= 2:
        return "binary", ("label",)
    return "multiclass", tuple(str(i) for i in range(num_classes))


def read_class_names(raw: Path, name: str) -> tuple[str, ...]:
    """The labels of the files, in the order in which PyG numbers them; none where they are not there any more."""
    labels = raw / f"{name}_graph_labels.txt"
    if not labels.is_file():
        return ()
    return tuple(str(label) for label in read_txt_array(str(labels), sep=",", dtype=torch.long).unique().tolist())
