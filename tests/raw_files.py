"""Raw files of small made-up data sets, laid out as the published ones."""

import csv
import gzip
import hashlib
import json
import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from gnn_distill.data.sources import peptides, peptides_struct

AMINO_ACIDS = [
    *("CC(N)C(=O)O", "C[C@H](N)C(=O)O", "NCC(=O)O", "[NH3+]CC(=O)[O-]", "N[C@@H](CO)C(=O)O", "CSCCC(N)C(=O)O"),
]


def write_zinc(folder: Path) -> None:
    """ZINC of four, two and three molecules."""
    raw = folder / "ZINC" / "raw"
    raw.mkdir(parents=True)
    for part, label, count in (("train", 0, 4), ("val", 10, 2), ("test", 20, 3)):
        bonds = torch.tensor([[0, 1, 0], [1, 0, 3], [0, 3, 0]])
        molecules = [
            {"atom_type": torch.tensor([0, 27, i]), "bond_type": bonds, "logP_SA_cycle_normalized": torch.tensor([y])}
            for i, y in enumerate(float(label + i) for i in range(count))
        ]
        (raw / f"{part}.pickle").write_bytes(pickle.dumps([None, *molecules]))
        (raw / f"{part}.index").write_text(",".join(str(i + 1) for i in range(count)) + "\n")


def write_peptides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve amino acids as Peptides-func, and taken for the published files."""
    header = ["", "smiles", "peptide_seq", "labels", "identifier"]
    rows = [
        [row, smiles, "A", json.dumps([row % 2] * 9 + [(row // 2) % 2]), row]
        for row, smiles in enumerate(AMINO_ACIDS * 2)
    ]
    _write_lrgb(folder / "LRGB" / "peptides-func" / "raw", peptides, [header, *rows], monkeypatch)


def write_peptides_struct(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as Peptides-struct: property p of row r is r - p / 10."""
    header = ["", "smiles", "peptide_seq", "identifier", *peptides_struct.PROPERTIES]
    rows = [
        [row, smiles, "A", row, *(row - number / 10 for number in range(11))]
        for row, smiles in enumerate(AMINO_ACIDS * 2)
    ]
    _write_lrgb(folder / "LRGB" / "peptides-struct" / "raw", peptides_struct, [header, *rows], monkeypatch)


def _write_lrgb(raw: Path, source: ModuleType, lines: list[list], monkeypatch: pytest.MonkeyPatch) -> None:
    raw.mkdir(parents=True)
    with gzip.open(raw / source.MOLECULES, "wt", newline="") as file:
        csv.writer(file).writerows(lines)
    parts = {"train": np.array([5, 0, 1, 2, 3, 4]), "val": np.array([6, 7, 8]), "test": np.array([9, 10, 11])}
    (raw / source.SPLIT).write_bytes(pickle.dumps(parts, protocol=4))
    digests = {file: hashlib.md5((raw / file).read_bytes()).hexdigest() for file in source.PUBLISHED}
    known = {file: ("http://127.0.0.1:9/" + file, digest) for file, digest in digests.items()}
    monkeypatch.setattr(source, "PUBLISHED", known)


def write_communities(folder: Path, name: str) -> list[list[dict]]:
    """PATTERN or CLUSTER of twelve, six and six graphs, as GNNBenchmarkDataset's file; returns its contents."""
    raw = folder / "GNNBenchmarkDataset" / name / "raw"
    raw.mkdir(parents=True)
    random, width, classes = torch.Generator().manual_seed(0), {"PATTERN": 3, "CLUSTER": 7}[name], 6
    parts = []
    for count in (12, 6, 6):
        parts.append([])
        for index in range(count):
            nodes = 12 + index % 3
            joined = torch.rand(nodes, nodes, generator=random).triu(1) > 0.7
            labels = torch.arange(nodes) % (2 if name == "PATTERN" else classes)
            features = torch.randint(width, (nodes,), generator=random)
            x = torch.nn.functional.one_hot(features, width).float()
            parts[-1].append({"x": x, "y": labels, "edge_index": (joined | joined.T).nonzero().T.contiguous()})
    torch.save(parts, raw / f"{name}_v2.pt")
    return parts
