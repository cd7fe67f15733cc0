"""Molecules that occur in more than one split, however they are written."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations

import torch
from jaxtyping import Int
from rdkit import Chem
from torch import Tensor

from gnn_distill.data.assembly.molecules import LARGEST_CANONICAL, parse
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import shorten

PARTS = ("train", "val", "test")
CHIRALITY, STEREO = 1, 1
"""Columns of atom and bond features, in PyG's coding, that depend on how a SMILES is written."""


@dataclass
class MoleculeTask(GraphTask):
    """A task whose graphs are molecules of which the SMILES are known; they go to no file of a run."""

    smiles: tuple[str, ...] = ()
    """One per graph."""


def with_shared_molecules(task: GraphTask, smiles: Sequence[str]) -> MoleculeTask:
    """`task` with the counts of `shared_molecules`, and notices of them and of `contradictions`.

    smiles: one per graph.
    """
    keys = composition(task.graphs)
    shared, notices = shared_molecules(task, smiles, keys)
    notices = [*task.notices, *contradictions(task, smiles, keys), *notices]
    return replace(with_smiles(task, smiles), shared=shared, notices=notices)


def with_smiles(task: GraphTask, smiles: Sequence[str]) -> MoleculeTask:
    """`task` as one whose SMILES, one per graph, are known."""
    return MoleculeTask(**{known.name: getattr(task, known.name) for known in fields(task)}, smiles=tuple(smiles))


def shared_molecules(
    task: GraphTask, smiles: Sequence[str], keys: Int[Tensor, " graphs"]
) -> tuple[dict[str, int], list[str]]:
    """By pair of splits the number of molecules (canonical SMILES) in both, such as train_test; and a notice of it.

    keys: the `composition` of each graph. Only molecules whose atoms and bonds also occur in another split are
    canonicalised: few in most sets, which takes milliseconds.
    """
    splits = replace(task.splits, train=task.splits.training)
    parts = {part: getattr(splits, part) for part in PARTS}
    places: dict[int, set[str]] = defaultdict(set)
    for part, ids in parts.items():
        for key in keys[ids].tolist():
            places[key].add(part)
    found: dict[str, set[str]] = {}
    for part, ids in parts.items():
        alike = [index for index in ids.tolist() if len(places[int(keys[index])]) > 1]
        found[part] = {canonical(smiles[index]) for index in alike}
    shared = {f"{one}_{other}": len(found[one] & found[other]) for one, other in combinations(PARTS, 2)}
    if not any(shared.values()):
        return shared, []
    counts = ", ".join(f"{pair.replace('_', ' and ')} {count}" for pair, count in shared.items() if count)
    first = min(set.union(*(found[one] & found[other] for one, other in combinations(PARTS, 2))))
    notice = (
        f"The same molecule occurs in more than one split ({counts}; first: '{shorten(first)}'): scores may be too "
        "optimistic."
    )
    return shared, [notice]


def contradictions(task: GraphTask, smiles: Sequence[str], keys: Int[Tensor, " graphs"]) -> list[str]:
    """A notice of molecules that occur more than once, with different labels.

    keys: the `composition` of each graph; only molecules of one composition with different labels are canonicalised.
    """
    alike: dict[int, list[int]] = defaultdict(list)
    for index, key in enumerate(keys.tolist()):
        alike[key].append(index)
    rows: dict[str, list[int]] = defaultdict(list)
    for ids in alike.values():
        if len(ids) > 1 and disagree(task.graphs.y[ids]):
            for index in ids:
                rows[canonical(smiles[index])].append(index)
    contradicting = {molecule: ids for molecule, ids in rows.items() if disagree(task.graphs.y[ids])}
    if not contradicting:
        return []
    molecule, ids = next(iter(contradicting.items()))
    where = [f"line {task.lines[index]}" if task.lines else f"graph {index}" for index in ids[:3]]
    count = sum(map(len, contradicting.values()))
    return [
        f"Molecules that occur more than once with different labels: {len(contradicting)} ({count} rows; first: "
        f"'{shorten(molecule)}', {', '.join(where)})."
    ]


def disagree(y: Tensor) -> bool:
    """Whether rows of labels [N, T] differ in one target; a missing label differs from none."""
    low, high = y.nan_to_num(torch.inf).amin(0), y.nan_to_num(-torch.inf).amax(0)
    return bool((low < high).any())


def composition(graphs: PackedGraphs) -> Int[Tensor, " graphs"]:
    """A number for each graph, equal for the same molecule however it is written: a sum over its atoms and bonds."""
    graphs = without_stereo(graphs)
    atom = _kinds(graphs.x)
    source, target = atom[graphs.global_edge_index]
    bond = _kinds(torch.cat([source[:, None], target[:, None], graphs.edge_attr], dim=1))
    owner = graphs.node_graph
    of_atoms = torch.zeros(len(graphs), dtype=torch.long).index_add_(0, owner, _scattered(atom))
    return of_atoms.index_add_(0, owner[graphs.global_edge_index[0]], _scattered(bond) * 3)


def without_stereo(graphs: PackedGraphs) -> PackedGraphs:
    """Molecules without the columns that depend on how a SMILES is written."""
    return replace(graphs, x=_without(graphs.x, CHIRALITY), edge_attr=_without(graphs.edge_attr, STEREO))


def canonical(smiles: str) -> str:
    """RDKit's canonical SMILES; of more than LARGEST_CANONICAL atoms the SMILES itself."""
    molecule = parse(smiles)
    if molecule is None or molecule.GetNumAtoms() > LARGEST_CANONICAL:
        return smiles
    return Chem.MolToSmiles(molecule)


def _without(columns: Tensor, index: int) -> Tensor:
    return torch.cat([columns[:, :index], columns[:, index + 1 :]], dim=1)


def _kinds(rows: Int[Tensor, "rows columns"]) -> Int[Tensor, " rows"]:
    """A number for each row, equal for equal rows."""
    base = rows.max(dim=0).values + 1 if len(rows) else rows.new_ones(rows.size(1))
    return rows @ torch.cat([base.new_ones(1), base[:-1].cumprod(0)])


def _scattered(kinds: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """The kinds spread over all of int64, so that sums of different ones hardly ever collide."""
    mixed = (kinds + 1) * -7046029254386353131  # the golden ratio, as in splitmix64
    mixed = (mixed ^ (mixed >> 30)) * -4658895280553007687
    return mixed ^ (mixed >> 27)
