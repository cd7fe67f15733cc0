"""Fragments of molecules rebuilt from their features are those of their SMILES."""

import pytest
import torch
from rdkit import Chem
from rdkit.Chem import BRICS
from small_tasks import make_spec

from gnn_distill.data.assembly import molecules, molecules_ogb
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.fragments import brics_fragments
from gnn_distill.data.subgraphs.subgraphs import compute_subgraphs
from gnn_distill.errors import UserError

SMILES = (
    "C",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1CCC[C@H]1c1cccnc1",
    "O=C(NCCc1c[nH]c2ccccc12)C[N+](C)(C)C",
    "CCOP(=S)(OCC)SCSc1ccc(Cl)cc1",
    "C[S@](=O)CCC/N=C/c1nc2c(s1)CCN2.[Na+].[Cl-]",
    "CC(C)(C)[Si](OC1CC1)(c1ccccc1)C#N",
    "[O-][n+]1ccccc1SCCO[C]",
)
CODINGS = {"pyg": (molecules, molecules.smiles_to_data), "ogb": (molecules_ogb, molecules_ogb.smiles_to_ogb_data)}


def expected(smiles: str) -> list[list[int]]:
    """Connected atoms once the bonds that BRICS finds are cut, by a search from every atom."""
    molecule = Chem.MolFromSmiles(smiles)
    cut = {frozenset(ends) for ends, _ in BRICS.FindBRICSBonds(molecule)}
    bonds = [frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in molecule.GetBonds()]
    parts = set()
    for atom in range(molecule.GetNumAtoms()):
        part, grown = {atom}, True
        while grown:
            new = {end for bond in bonds if bond not in cut and bond & part for end in bond} - part
            part |= new
            grown = bool(new)
        parts.add(tuple(sorted(part)))
    return sorted(map(list, parts))


@pytest.mark.parametrize("coding", CODINGS)
def test_fragments_are_those_of_the_smiles(coding: str) -> None:
    source, read = CODINGS[coding]
    data = [read(smiles) for smiles in SMILES]
    for item in data:
        item.y = torch.zeros(1)
    packed = PackedGraphs.from_data_list(data, num_targets=1)
    spec = make_spec(molecules=True, node_features=source.ATOM_FEATURES, edge_features=source.BOND_FEATURES)
    subgraphs = compute_subgraphs(packed, "fragment", spec)
    ptr, first = subgraphs.member_ptr.tolist(), subgraphs.subgraph_ptr.tolist()
    for graph, smiles in enumerate(SMILES):
        found = [subgraphs.members[ptr[s] : ptr[s + 1]].tolist() for s in range(first[graph], first[graph + 1])]
        assert sorted(found) == expected(smiles), smiles
    assert first[2] - first[1] > 2  # aspirin falls apart


def test_what_rdkit_refuses_stays_whole() -> None:
    data = molecules.smiles_to_data("CCOCC")
    data.y, data.x[2, 4] = torch.zeros(1), 7  # an oxygen with seven hydrogens
    packed = PackedGraphs.from_data_list([data], num_targets=1)
    spec = make_spec(molecules=True, node_features=molecules.ATOM_FEATURES, edge_features=molecules.BOND_FEATURES)
    assert brics_fragments(packed, spec).tolist() == [0] * 5


def test_fragments_need_molecules() -> None:
    packed = PackedGraphs.from_data_list([molecules.smiles_to_data("CC")], num_targets=1)
    with pytest.raises(
        UserError, match=r"source=fragment: small does not contain molecules .* Choose ego, walk or clu"
    ):
        compute_subgraphs(packed, "fragment", make_spec())
