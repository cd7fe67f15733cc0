from collections.abc import Callable

import pytest
import torch
from rdkit import Chem
from torch_geometric.data import Data
from torch_geometric.utils import from_smiles

from gnn_distill.data.assembly.molecules import (
    ATOM_FEATURES,
    BOND_FEATURES,
    handle_invalid,
    murcko_scaffold,
    parse,
    scaffold_split,
    smiles_to_data,
)
from gnn_distill.data.assembly.molecules_ogb import smiles_to_ogb_data
from gnn_distill.errors import UserError

SMILES = ["CCO", "c1ccccc1O", "C[C@H](N)C(=O)O", "[Na+].[Cl-]", "F/C=C/F", "C#N", "O"]


@pytest.mark.parametrize("smiles", SMILES)
def test_features_are_pygs_and_inside_their_vocabularies(smiles: str) -> None:
    data, theirs = smiles_to_data(smiles), from_smiles(smiles)
    assert torch.equal(data.x, theirs.x)
    assert torch.equal(data.edge_attr, theirs.edge_attr)
    assert (data.x < torch.tensor(ATOM_FEATURES.sizes)).all()
    assert (data.edge_attr < torch.tensor(BOND_FEATURES.sizes)).all()


@pytest.mark.parametrize("smiles", ["", "C1CC", "xx(", "C(C)(C)(C)(C)C"])
def test_unreadable_smiles_are_none(smiles: str) -> None:
    assert smiles_to_data(smiles) is None


def test_scaffold_has_no_chirality() -> None:
    assert murcko_scaffold("C[C@H]1CCCN1") == murcko_scaffold("C[C@@H]1CCCN1")
    assert murcko_scaffold("CCO") == ""


def test_scaffold_split_puts_the_largest_group_first_and_ties_by_highest_index() -> None:
    scaffolds = ["d", "a", "b", "c", "a", "b", "a", "a", "a", "a"]
    split = scaffold_split(scaffolds)  # a: 6, b: 2, then c (index 3), then d (index 0)
    assert split.train.tolist() == [1, 2, 4, 5, 6, 7, 8, 9]
    assert split.val.tolist() == [3]
    assert split.test.tolist() == [0]


def test_scaffold_split_equals_deepchems_rule_and_separates_scaffolds() -> None:
    generator = torch.Generator().manual_seed(0)
    scaffolds = [str(int(i)) for i in (60 * torch.rand(503, generator=generator) ** 2)]
    split = scaffold_split(scaffolds)
    groups = {scaffold: [i for i, other in enumerate(scaffolds) if other == scaffold] for scaffold in set(scaffolds)}
    train, val, test = [], [], []
    for group in sorted(groups.values(), key=lambda ids: (len(ids), ids[0]), reverse=True):
        if len(train) + len(group) > 0.8 * 503:
            (test if len(train) + len(val) + len(group) > 0.9 * 503 else val).extend(group)
        else:
            train.extend(group)
    assert [split.train.tolist(), split.val.tolist(), split.test.tolist()] == [sorted(p) for p in (train, val, test)]
    seen = [{scaffolds[i] for i in ids.tolist()} for ids in (split.train, split.val, split.test)]
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2]


def test_scaffold_split_that_leaves_a_part_empty() -> None:
    with pytest.raises(UserError, match="leave a split empty"):
        scaffold_split(["a"] * 10)


def test_invalid_smiles_are_announced_with_the_first_three() -> None:
    rows = [(line, f"bad{line}") for line in (2, 5, 7, 9)]
    (notice,) = handle_invalid(rows, 20, "skip", "a.csv")
    assert notice.startswith(
        "4 of 20 SMILES cannot be read (first three: line 2: 'bad2', line 5: 'bad5', line 7: 'bad7')"
    )
    assert handle_invalid([], 20, "error", "a.csv") == []
    with pytest.raises(UserError, match=r"4 of 20.*dataset\.on_invalid=skip"):
        handle_invalid(rows, 20, "error", "a.csv")
    with pytest.raises(UserError, match="4 of 4"):
        handle_invalid(rows, 4, "skip", "a.csv")


@pytest.mark.parametrize("folds", [10, 5, 2])
def test_scaffold_folds_test_every_molecule_once_and_divide_no_scaffold(folds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scaffolds = [str(int(i)) for i in (80 * torch.rand(400, generator=generator) ** 2)]
    splits = [scaffold_split(scaffolds, fold, folds) for fold in range(folds)]
    tested = torch.cat([split.test for split in splits])
    assert tested.sort().values.tolist() == list(range(400))
    for split in splits:
        parts = (split.train, split.val, split.test)
        assert torch.cat(parts).sort().values.tolist() == list(range(400))
        seen = [{scaffolds[i] for i in ids.tolist()} for ids in parts]
        assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]
        assert len(split.test) / 400 == pytest.approx(1 / folds, abs=0.02)
        assert len(split.val) / 400 == pytest.approx(0.1, abs=0.03)
    if folds == 10:
        default = scaffold_split(scaffolds)
        assert all(torch.equal(getattr(splits[0], part), getattr(default, part)) for part in ("train", "val", "test"))


def test_a_scaffold_larger_than_a_fold_is_tested_whole() -> None:
    scaffolds = ["big"] * 40 + [f"s{i}" for i in range(60)]
    tests = [scaffold_split(scaffolds, fold).test for fold in range(10)]
    assert sorted(len(test) for test in tests)[-1] == 40
    assert torch.cat(tests).sort().values.tolist() == list(range(100))


CHIRAL = [
    *("C[C@H](N)C(=O)O", "C[C@@H]1CC[C@H](C)CC1", "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", "C[S@](=O)CC"),
    *("C/C=C/[C@H](O)/C=C\\C", "C[C@@]12CC[C@H]3[C@@H](CCc4cc(O)ccc34)[C@@H]1CC[C@@H]2O", "N[Pt@SP1](N)(Cl)Cl"),
]


def rows(data: Data, order: list[int]) -> tuple[list, list]:
    """Atoms and bonds, each atom called by its rank, in an order of their own."""
    atoms = sorted((rank, row) for rank, row in zip(order, data.x.tolist(), strict=True))
    ends = [[order[atom] for atom in pair] for pair in data.edge_index.T.tolist()]
    return atoms, sorted(zip(ends, data.edge_attr.tolist(), strict=True))


@pytest.mark.parametrize("read", [smiles_to_data, smiles_to_ogb_data])
@pytest.mark.parametrize("smiles", CHIRAL)
def test_the_graph_does_not_depend_on_how_a_molecule_is_written(smiles: str, read: Callable) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    forms = [Chem.MolToSmiles(molecule, doRandom=True, canonical=False) for _ in range(12)]
    assert len(set(forms)) > 3
    graphs = []
    for form in [smiles, *forms]:
        ranks = list(Chem.CanonicalRankAtoms(parse(form), breakTies=False, includeChirality=False))
        graphs.append(rows(read(form, "cip"), ranks))
    assert all(graph == graphs[0] for graph in graphs)


def test_mirror_images_differ_and_other_molecules_are_as_before() -> None:
    one, other = smiles_to_data("C[C@H](N)C(=O)O", "cip"), smiles_to_data("C[C@@H](N)C(=O)O", "cip")
    assert (one.x[1, 1].item(), other.x[1, 1].item()) == (2, 1)  # S and R
    for smiles in ("CCO", "F/C=C/F", "c1ccccc1O"):
        assert torch.equal(smiles_to_data(smiles).x, smiles_to_data(smiles, "cip").x)


@pytest.mark.parametrize(
    ("smiles", "column", "code"),
    [
        ("N[Pt@SP1](N)(Cl)Cl", 1, 6),
        ("[Os+8]", 3, 11),
        ("[C-6]", 3, 0),
        ("[La](F)(F)(F)(F)(F)(F)(F)(F)(F)(F)(F)F", 2, 10),
        ("[UH9]", 4, 8),
    ],
)
def test_a_value_without_a_code_takes_the_nearest(smiles: str, column: int, code: int) -> None:
    data = smiles_to_data(smiles)
    assert data.clipped
    assert code in data.x[:, column].tolist()
    assert (data.x < torch.tensor(ATOM_FEATURES.sizes)).all()


@pytest.mark.parametrize("smiles", ["CC\u00a0O", "CC\u200bO", "\ufeffCCO", " CCO\u2009", "CCO name"])
def test_odd_spaces_are_no_part_of_a_molecule(smiles: str) -> None:
    assert torch.equal(smiles_to_data(smiles).x, smiles_to_data("CCO").x)


def test_scaffolds_have_a_bound() -> None:
    assert murcko_scaffold("C" * 20_000) == ""
    with pytest.raises(UserError, match="has rings and 1,006 atoms; scaffolds are computed for up to 1,000"):
        murcko_scaffold(f"{'C' * 1000}C1CCCCC1")
