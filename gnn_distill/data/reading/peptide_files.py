"""The peptides of LRGB: tables of SMILES with labels, whose graphs are built once (Dwivedi et al. 2022)."""

import csv
import gzip
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rdkit.rdBase import BlockLogs
from torch import Tensor
from torch_geometric.data import download_url
from tqdm import tqdm

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecule_overlap import with_shared_molecules
from gnn_distill.data.assembly.molecules_ogb import ATOM_FEATURES, BOND_FEATURES
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.reading.pickles import read_pickle
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig, PathsConfig

PIPELINE = InputPipeline(smiles="ogb")
CODE = ["gnn_distill.data.assembly.molecules_ogb"]
"""The code that turns molecules into graphs, whose changes outdate stored ones."""
Row = Mapping[str, str]


def load_peptides(
    dataset: "DatasetConfig",
    paths: "PathsConfig",
    published: Mapping[str, tuple[str, str]],
    labels: Callable[[Row], list[float]],
    **task: Any,
) -> GraphTask:
    """The 15,535 peptides on their published split, 10,873 / 2,331 / 2,331, with ogb's features, as published.

    published: URL and MD5 of the table and of the split; labels: those of a row of the table; task: the kind of task,
    its metric and `target_names`, as `assemble` takes them.
    """
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, 1, dataset.name)
    table, split = published
    home = dataset.name.lower()

    def pack(file: Path) -> PackedGraphs:
        return pack_table(file, dataset.name, labels, len(task["target_names"]))

    graphs, raw = read(
        lambda root: build(Path(root) / home, published, pack),
        folder_of(dataset.source, dataset.name),
        list(published),
        published[table][0],
        paths,
        code=CODE,
    )
    parts = read_pickle(raw / split)
    made = assemble(
        dataset,
        graphs,
        to_splits(parts["train"], parts["val"], parts["test"], kind="published"),
        node_features=ATOM_FEATURES,
        edge_features=BOND_FEATURES,
        molecules=True,
        pipeline=PIPELINE,
        **task,
    )
    return with_shared_molecules(made, [row["smiles"] for row in read_table(raw / table)])


def build(
    home: Path, published: Mapping[str, tuple[str, str]], pack: Callable[[Path], PackedGraphs]
) -> tuple[PackedGraphs, Path]:
    """The graphs, built once and stored below `home`, and the folder of the raw files, downloaded if missing.

    published: URL and MD5 of each raw file, by name, the table first. pack: the graphs of the table.

    Raises UserError if a raw file is not the published one.
    """
    raw, processed = home / "raw", home / "processed" / "graphs.pt"
    for file, (url, digest) in published.items():
        if not (raw / file).is_file():
            download_url(url, str(raw), log=False, filename=file)
        found = hashlib.md5((raw / file).read_bytes()).hexdigest()
        if found != digest:
            raise UserError(f"{raw / file}: its MD5 is {found}, that of the published file {digest}. Restore the file.")
    if not processed.is_file():
        packed = vars(pack(raw / next(iter(published))))
        processed.parent.mkdir(parents=True, exist_ok=True)
        # A seventh of the size: codes fit a byte, and no molecule has more than 32,767 atoms.
        small = {"x": torch.uint8, "edge_attr": torch.uint8, "edge_index": torch.int16}
        tensors = {
            key: value.to(small.get(key, value.dtype)) for key, value in packed.items() if isinstance(value, Tensor)
        }
        torch.save(tensors, processed.with_suffix(".partial"))
        processed.with_suffix(".partial").rename(processed)
    tensors = torch.load(processed, weights_only=True)
    whole = {key: value if value.is_floating_point() else value.long() for key, value in tensors.items()}
    return PackedGraphs(**whole), raw


def read_table(table: Path) -> list[dict[str, str]]:
    """The rows of the CSV file."""
    with gzip.open(table, "rt", newline="") as file:
        return list(csv.DictReader(file))


def pack_table(table: Path, name: str, labels: Callable[[Row], list[float]], num_targets: int) -> PackedGraphs:
    """The molecules of the CSV file, row by row, with the labels [num_targets] of their rows."""
    rows = read_table(table)
    print(f"{name}: {len(rows):,} graphs are built once, which takes about a minute.", flush=True)
    molecules = []
    with BlockLogs():
        for number, row in enumerate(tqdm(rows, name, disable=None), start=2):
            data = PIPELINE.read_smiles(row["smiles"])
            if data is None:
                raise UserError(f"{table}, line {number}: this version of RDKit cannot read the molecule. Try another.")
            data.y = torch.tensor(labels(row), dtype=torch.float)
            molecules.append(data)
    return PackedGraphs.from_data_list(molecules, num_targets=num_targets)
