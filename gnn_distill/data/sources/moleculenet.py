"""Any set of MoleculeNet (Wu et al. 2018), read by PyG with the features of `smiles_to_data`."""

import csv
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch_geometric.data import Data
from torch_geometric.datasets import MoleculeNet

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecule_overlap import with_shared_molecules
from gnn_distill.data.assembly.molecules import handle_invalid, murcko_scaffold, scaffold_split
from gnn_distill.data.assembly.molecules_ogb import CODINGS
from gnn_distill.data.assembly.splits import check_split_name, choose_split
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.reading.pyg import pack_dataset
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError, suggest

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.molecules import MoleculeNetConfig

REGRESSION = ("esol", "freesolv", "lipo")
AVERAGE_PRECISION = ("pcba", "muv")
"""Sets with so few positives that MoleculeNet measures precision and recall."""


class ScaffoldMoleculeNet(MoleculeNet):
    """MoleculeNet whose graphs also have their scaffold, in its own processed file."""

    processed_file_names = "gnn_distill.pt"


class OgbMoleculeNet(ScaffoldMoleculeNet):
    """`ScaffoldMoleculeNet` with the features of the Open Graph Benchmark."""

    processed_file_names = "gnn_distill_ogb.pt"


FILES = {"pyg": ScaffoldMoleculeNet, "ogb": OgbMoleculeNet}


def load(dataset: "MoleculeNetConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; split=auto is the scaffold split."""
    check_split_name(dataset, "auto", "scaffold", "random", "stratified")
    node_features, edge_features = CODINGS[dataset.features]
    pipeline = InputPipeline(smiles=dataset.features)
    key = key_of(dataset.name)
    _, download, stem, *_ = MoleculeNet.names[key]
    source = read(
        lambda root: FILES[dataset.features](root, key, from_smiles=partial(_featurise, pipeline)),
        folder=folder_of("moleculenet", key),
        files=[f"{stem}.csv"],
        url=MoleculeNet.url.format(download),
        paths=paths,
        code=["gnn_distill.data.assembly.molecules", "gnn_distill.data.assembly.molecules_ogb"],
    )
    target_names, notices = _read_table(source, dataset.on_invalid)
    graphs = pack_dataset(source, num_targets=len(target_names))
    kind = "regression" if key in REGRESSION else "binary" if len(target_names) == 1 else "multilabel"
    if dataset.split in ("auto", "scaffold"):
        splits = scaffold_split(source._data.scaffold, dataset.fold, dataset.folds)
    else:
        splits, more = choose_split(dataset, paths, graphs.y, kind)
        notices += more
    task = assemble(
        dataset,
        graphs,
        splits,
        kind=kind,
        metric="rmse" if kind == "regression" else "average_precision" if key in AVERAGE_PRECISION else "roc_auc",
        target_names=target_names,
        node_features=node_features,
        edge_features=edge_features,
        notices=notices,
        molecules=True,
        pipeline=pipeline,
    )
    return with_shared_molecules(task, source._data.smiles)


def key_of(name: str) -> str:
    """PyG's key of a set, from that key or the name of the set: lipo or Lipophilicity. Raises UserError for others."""
    names = {own: key for key, (own, *_) in MoleculeNet.names.items()}
    keys = {known.lower(): key for own, key in names.items() for known in (own, key)}
    if name.lower() not in keys:
        hint = suggest(name, names)
        raise UserError(f"dataset.name={name}: MoleculeNet has no such set.{hint} Choose {', '.join(names)}.")
    return keys[name.lower()]


def _featurise(pipeline: InputPipeline, smiles: str) -> Data:
    data = pipeline.read_smiles(smiles)
    if data is None:  # PyG drops graphs without nodes
        return Data(x=torch.empty(0, 9, dtype=torch.long), smiles=smiles)
    return Data(data.x, data.edge_index, data.edge_attr, scaffold=murcko_scaffold(smiles), smiles=smiles)


def _read_table(source: MoleculeNet, on_invalid: str) -> tuple[tuple[str, ...], list[str]]:
    """Target names, and the notice of molecules that PyG skipped, found by reading lines as PyG does."""
    _, _, _, smiles_column, target_columns = MoleculeNet.names[source.name]
    header, *lines = Path(source.raw_paths[0]).read_text().split("\n")
    titles = next(csv.reader([header]))[target_columns]
    loaded, skipped, total = iter([*source._data.smiles, None]), [], 0
    expected = next(loaded)
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        total += 1
        smiles = re.sub(r"\".*\"", "", line).split(",")[smiles_column]
        if smiles == expected:
            expected = next(loaded)
        else:
            skipped.append((number, smiles))
    notices = handle_invalid(skipped, total, on_invalid, source.raw_paths[0])
    return tuple([titles] if isinstance(titles, str) else titles), notices
