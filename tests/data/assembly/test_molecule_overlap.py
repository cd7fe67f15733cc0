from collections.abc import Callable

import numpy as np
import pytest
import torch
from rdkit import Chem

from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.molecule_overlap import canonical, composition, disagree, with_shared_molecules
from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES, smiles_to_data
from gnn_distill.data.assembly.splits import random_split
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import GraphTask

OTHERS = ["C" * carbons + "N" * nitrogens for carbons in range(1, 7) for nitrogens in range(1, 6)]


@pytest.fixture
def load_rows() -> Callable[[list[str]], GraphTask]:
    """A task of these molecules and the others, split row by row, whatever molecules they hold."""

    def read(molecules: list[str], others: list[str] = OTHERS) -> GraphTask:
        smiles = [*molecules, *others]
        graphs = [smiles_to_data(text, "cip") for text in smiles]
        for row, graph in enumerate(graphs):
            graph.y = torch.tensor([row / 2])
        task = assemble(
            SmilesConfig(path="mine.csv"),
            PackedGraphs.from_data_list(graphs, num_targets=1),
            random_split(np.zeros(len(smiles)), 0),
            kind="regression",
            metric="rmse",
            target_names=("y",),
            node_features=ATOM_FEATURES,
            edge_features=BOND_FEATURES,
            molecules=True,
            lines=tuple(range(2, len(smiles) + 2)),
        )
        return with_shared_molecules(task, smiles)

    return read


def counts(task: GraphTask) -> tuple[int, int, int]:
    return tuple(task.shared[pair] for pair in ("train_val", "train_test", "val_test"))


def test_a_molecule_written_in_two_ways_is_one(load_rows: Callable) -> None:
    # Thirty molecules, each twice: so many rows that some pair is torn apart.
    backwards = [smiles[::-1] for smiles in OTHERS]
    task = load_rows(backwards)
    torn = {"train_val": 0, "train_test": 0, "val_test": 0}
    part_of = {row: part for part in ("train", "val", "test") for row in getattr(task.splits, part).tolist()}
    for row in range(30):
        pair = {part_of[row], part_of[row + 30]}
        for name in torn:
            torn[name] += pair == set(name.split("_"))
    assert sum(torn.values()) > 3
    assert task.shared == torn
    assert task.notices[-1].startswith("The same molecule occurs in more than one split (train and ")


@pytest.mark.parametrize("written", ["C(C)O", "OCC", "[CH3][CH2][OH]", "[H]OCC"])
def test_ethanol_in_train_and_test(load_rows: Callable, written: str) -> None:
    splits = load_rows(OTHERS[:2]).splits  # of 32 rows, whatever they hold
    where = {int(splits.train[0]): "CCO", int(splits.test[0]): written}
    ahead = [where.get(row, other) for row, other in enumerate(["CCS", "CCCS", *OTHERS])]
    task = load_rows(ahead, [])
    assert counts(task) == (0, 1, 0)
    assert task.notices[-1] == (
        "The same molecule occurs in more than one split (train and test 1; first: 'CCO'): scores may be too "
        "optimistic."
    )


def test_isomers_are_others(load_rows: Callable) -> None:
    pairs = [("C[C@H](O)F", "C[C@@H](O)F"), ("F/C=C/F", "F/C=C\\F"), ("CCCCO", "CC(C)CO"), ("CCOC", "CCCO")]
    for one, other in pairs:
        task = load_rows([one, other])
        assert counts(task) == (0, 0, 0)
        assert not any("same molecule" in notice for notice in task.notices)


def test_composition_does_not_depend_on_the_order_of_atoms() -> None:
    smiles = ["C[C@H](N)C(=O)O", "c1ccccc1O", "F/C=C/F", "CC(=O)[O-].[Na+]", "C1=CC=CC=C1", "C", "OB(O)c1ccncc1"]
    for text in smiles:
        molecule = Chem.MolFromSmiles(text)
        written = [Chem.MolToSmiles(molecule, doRandom=True) for _ in range(8)]
        graphs = PackedGraphs.from_data_list([smiles_to_data(form) for form in [text, *written]], num_targets=1)
        assert len(composition(graphs).unique()) == 1, text
    graphs = PackedGraphs.from_data_list(list(map(smiles_to_data, [*smiles, "Oc1ccccn1", "Oc1cccnc1"])), num_targets=1)
    assert len(composition(graphs).unique()) == 9
    assert composition(graphs).dtype == torch.long


def test_a_molecule_with_two_labels_is_counted(load_rows: Callable) -> None:
    task = load_rows(["CCO", "OCC", "C(C)O", "CCS", "SCC"])
    (notice,) = [notice for notice in task.notices if "different labels" in notice]
    assert notice == (
        "Molecules that occur more than once with different labels: 2 (5 rows; first: 'CCO', line 2, line 3, line 4)."
    )
    assert not any("different labels" in notice for notice in load_rows(["C[C@H](O)F", "C[C@@H](O)F"]).notices)


def test_missing_labels_contradict_nothing() -> None:
    nan = float("nan")
    assert not disagree(torch.tensor([[1.0, nan], [nan, 0.0], [1.0, 0.0]]))
    assert disagree(torch.tensor([[1.0, nan], [nan, 0.0], [1.0, 1.0]]))


def test_a_molecule_too_large_to_be_written_canonically_is_itself() -> None:
    assert canonical("C" * 20_000) == "C" * 20_000
    assert canonical("OCC") == "CCO"
