"""Any set of the TUDataset collection (Morris et al. 2020), read by PyG."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from torch_geometric.datasets import TUDataset

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.splits import check_split_name, choose_split
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.reading.pyg import pack_dataset
from gnn_distill.data.reading.tu_files import Facts, TUCoding, tidy
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError
from gnn_distill.formatting import counted

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig, TUDatasetConfig


FACTS = "facts.json"


class CheckedTUDataset(TUDataset):
    """TUDataset whose files are checked and converted to the format of PyG, which checks nothing, before it reads them.

    Facts that would be invisible afterwards are stored with the processed graphs.
    """

    tidied = ""

    @property
    def raw_dir(self) -> str:
        """The folder that PyG reads: the raw files, or the converted ones."""
        return self.tidied or super().raw_dir

    def process(self) -> None:
        """As in PyG; raises UserError as `tidy` does."""
        with TemporaryDirectory() as folder:
            facts = tidy(Path(self.raw_dir), self.name, Path(folder))
            self.tidied = folder
            try:
                super().process()
            finally:
                self.tidied = ""
        Path(self.processed_dir, FACTS).write_text(json.dumps(facts.to_dict()))

    @property
    def facts(self) -> Facts:
        """The facts that `process` found in the raw files; determined now if other code processed them."""
        stored = Path(self.processed_dir, FACTS)
        known = json.loads(stored.read_text()) if stored.is_file() else {}
        if known.keys() == Facts.__dataclass_fields__.keys():
            return Facts(**known)
        with TemporaryDirectory() as folder:
            return tidy(Path(self.raw_dir), self.name, Path(folder))


def load(dataset: "TUDatasetConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`: node labels one-hot, after node attributes if there are any; edges likewise.

    Integer graph labels make a binary or multi-class task, graph attributes a regression. The format lists an edge in
    both directions: missing reverses are added, unless `dataset.add_reverses` is false.
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
        code=["gnn_distill.data.reading.tu_files"],
    )
    y = source._data.y
    if y is None:
        raise UserError(
            f"{name}: {name}_graph_labels.txt is not in {source.raw_dir}. Put it there and delete processed/."
        )
    graphs = pack_dataset(source, num_targets=1 if y.dim() == 1 else y.size(1))
    kind, target_names = _describe_targets(y)
    degree_features = graphs.x.size(1) == 0
    pipeline = InputPipeline(
        drop_loops=True,  # as PyG does while reading the files
        merge_edges=True,
        add_reverses=dataset.add_reverses,
        max_degree=dataset.max_degree if degree_features else None,
        tu_files=asdict(
            TUCoding(source.facts.node_labels, source.facts.edge_labels, dataset.use_node_attr, dataset.use_edge_attr)
        ),
        origin=f"TUDataset(use_node_attr={dataset.use_node_attr}, use_edge_attr={dataset.use_edge_attr})",
    )
    # If the files contain all reverses, as most do, they are not searched again.
    graphs = (pipeline if source.facts.one_way else replace(pipeline, add_reverses=False)).apply(graphs)
    if degree_features:
        node_features = Features("categorical", (dataset.max_degree + 1,))
    else:
        node_features = Features("continuous", (graphs.x.size(1),))
    # PyG puts attributes before the one-hot labels.
    attributes = source.num_node_attributes if dataset.standardise and dataset.use_node_attr else 0
    if graphs.edge_attr is not None and graphs.edge_attr.size(1) == 0:
        graphs.edge_attr = None
    splits, notices = choose_split(dataset, paths, graphs.y, kind)
    notices += _notices(name, source.facts, dataset.add_reverses)
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
        class_names=tuple(map(str, source.facts.labels)) if kind != "regression" else (),
        degree_features=degree_features,
        pipeline=pipeline,
    )


def _notices(name: str, facts: Facts, add_reverses: bool) -> list[str]:
    edges, notices = f"{name}_A.txt", []
    if facts.loops:
        notices.append(f"{facts.loops} of {facts.lines} lines of {edges} are self-loops: PyG leaves them out.")
    if facts.repeated:
        notices.append(
            f"{facts.repeated} of {facts.lines} lines of {edges} repeat an edge: it is kept once, with its labels and "
            "attributes summed."
        )
    if facts.one_way:
        effect = (
            "they are added (dataset.add_reverses=false leaves the graphs directed)."
            if add_reverses
            else "the graphs stay directed (dataset.add_reverses=false)."
        )
        notices.append(f"The reverses of {counted(facts.one_way, 'edge')} are not in {edges}: {effect}")
    classes = range(len(facts.labels))
    if facts.labels != list(classes):
        known, place = (", ".join(map(str, row[:10])) + ", ..." * (len(row) > 10) for row in (facts.labels, classes))
        notices.append(f"Labels {known} of {name}_graph_labels.txt are classes {place}.")
    return notices


def _describe_targets(y: torch.Tensor) -> tuple[str, tuple[str, ...]]:
    if y.is_floating_point():
        count = 1 if y.dim() == 1 else y.size(1)
        return "regression", ("target",) if count == 1 else tuple(f"target_{i}" for i in range(count))
    num_classes = int(y.max()) + 1
    if num_classes <= 2:
        return "binary", ("label",)
    return "multiclass", tuple(str(i) for i in range(num_classes))
