import pytest
import torch
from torch_geometric.utils import from_smiles

from gnn_distill.data.molecules import (
    ATOM_FEATURES,
    BOND_FEATURES,
    handle_invalid,
    murcko_scaffold,
    scaffold_split,
    smiles_to_data,
)
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
    with pytest.raises(UserError, match="leave a part empty"):
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
