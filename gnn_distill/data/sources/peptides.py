"""Peptides-func: ten functions of peptides, from their molecular graphs (Dwivedi et al. 2022, LRGB)."""

import csv
import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

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
    from gnn_distill.config.schema.data import PathsConfig, PeptidesConfig

MOLECULES, SPLIT = "peptide_multi_class_dataset.csv.gz", "splits_random_stratified_peptide.pickle"
# URLs and MD5s as in LRGB's code.
PUBLISHED = {
    MOLECULES: (f"https://www.dropbox.com/s/ol2v01usvaxbsr8/{MOLECULES}?dl=1", "701eb743e899f4d793f0e13c8fa5a1b4"),
    SPLIT: (f"https://www.dropbox.com/s/j4zcnx2eipuo0xz/{SPLIT}?dl=1", "5a0114bdadc80b94fc7ae974f13ef061"),
}
PIPELINE = InputPipeline(smiles="ogb")
FUNCTIONS = (
    *("antifungal", "cell_cell_communication", "anticancer", "drug_delivery_vehicle", "antimicrobial"),
    *("antiviral", "antihypertensive", "antibacterial", "antiparasitic", "toxic"),
)


def load(dataset: "PeptidesConfig", paths: "PathsConfig") -> GraphTask:
    """The 15,535 peptides on their published split, 10,873 / 2,331 / 2,331, with ogb's features, as published."""
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, 1, dataset.name)
    folder = folder_of("peptides", dataset.name)
    graphs, raw = read(
        lambda root: build(Path(root) / "peptides-func"),
        folder,
        list(PUBLISHED),
        PUBLISHED[MOLECULES][0],
        paths,
        code=["gnn_distill.data.assembly.molecules_ogb"],
    )
    parts = read_pickle(raw / SPLIT)
    task = assemble(
        dataset,
        graphs,
        to_splits(parts["train"], parts["val"], parts["test"], kind="published"),
        kind="multilabel",
        metric="average_precision",
        target_names=FUNCTIONS,
        node_features=ATOM_FEATURES,
        edge_features=BOND_FEATURES,
        molecules=True,
        pipeline=PIPELINE,
    )
    return with_shared_molecules(task, [row["smiles"] for row in read_table(raw / MOLECULES)])


def build(home: Path) -> tuple[PackedGraphs, Path]:
    """The graphs, built once and stored below `home`, and the folder of the raw files, downloaded if missing.

    Raises UserError if a raw file is not the published one.
    """
    raw, processed = home / "raw", home / "processed" / "graphs.pt"
    for file, (url, digest) in PUBLISHED.items():
        if not (raw / file).is_file():
            download_url(url, str(raw), log=False, filename=file)
        found = hashlib.md5((raw / file).read_bytes()).hexdigest()
        if found != digest:
            raise UserError(f"{raw / file}: its MD5 is {found}, that of the published file {digest}. Restore the file.")
    if not processed.is_file():
        packed = vars(pack(raw / MOLECULES))
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


def pack(table: Path) -> PackedGraphs:
    """The molecules of the CSV file, row by row, with their ten labels."""
    rows = read_table(table)
    print(f"Peptides-func: {len(rows):,} graphs are built once, which takes about a minute.", flush=True)
    molecules = []
    with BlockLogs():
        for number, row in enumerate(tqdm(rows, "Peptides-func", disable=None), start=2):
            data = PIPELINE.read_smiles(row["smiles"])
            if data is None:
                raise UserError(f"{table}, line {number}: this version of RDKit cannot read the molecule. Try another.")
            data.y = torch.tensor(json.loads(row["labels"]), dtype=torch.float)
            molecules.append(data)
    return PackedGraphs.from_data_list(molecules, num_targets=len(FUNCTIONS))
