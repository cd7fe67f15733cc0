"""From raw graphs to model input: the steps shared by training and prediction."""

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.utils import coalesce, remove_self_loops, to_undirected

from gnn_distill.data.assembly.graphs import check_edges
from gnn_distill.data.packed import PackedGraphs, degree_column, pointers
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from rdkit import Chem
    from torch_geometric.data import Data

CODINGS = ("pyg", "ogb")
CHIRALITIES = ("tags", "cip")
STANDARDS = ("none", "largest_fragment", "neutral")


@dataclass(frozen=True)
class InputPipeline:
    """Steps applied to raw graphs before a model reads them, in the order of the fields; saved with the student.

    A source passes its graphs through `apply` and passes the pipeline to `assemble`.
    """

    smiles: str | None = None
    """Coding of the atoms and bonds of SMILES: pyg or ogb; None: the graphs are not molecules."""
    chirality: str = "tags"
    """Coding of stereocentres: tags of RDKit, which depend on how a SMILES is written, or cip: R and S."""
    standardise: str = "none"
    """What is read of a molecule: none: all of it, largest_fragment or neutral, as `standardised` has them."""
    drop_loops: bool = False
    """Leave out edges from a node to itself."""
    merge_edges: bool = False
    """Merge parallel edges, averaging their features; edges are sorted by source and target."""
    add_reverses: bool = False
    """Add the missing reverse of every edge, with the same features; edges are sorted."""
    undirected: bool = False
    """As `merge_edges`, after adding the reverse of every edge."""
    normalize_features: bool = False
    """Divide the features of every node by their sum."""
    max_degree: int | None = None
    """Replace node features by the in-degree, capped at this value; None: keep the features."""
    tu_files: dict | None = None
    """Coding of files of the TUDataset format, as `TUCoding` has it; None: the graphs come from elsewhere."""
    origin: str = ""
    """What produces such graphs, for messages about features that do not fit."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, field.type):
                raise TypeError(f"InputPipeline.{field.name}={value!r}: must be {field.type}")
        if self.smiles is not None and self.smiles not in CODINGS:
            raise ValueError(f"InputPipeline.smiles={self.smiles!r}: choose {', '.join(CODINGS)}")
        if self.chirality not in CHIRALITIES:
            raise ValueError(f"InputPipeline.chirality={self.chirality!r}: choose {', '.join(CHIRALITIES)}")
        if self.standardise not in STANDARDS:
            raise ValueError(f"InputPipeline.standardise={self.standardise!r}: choose {', '.join(STANDARDS)}")

    @classmethod
    def implied_by(cls, spec: TaskSpec) -> "InputPipeline":
        """The pipeline implied by a task's description: molecules and their coding, degrees as features."""
        from gnn_distill.data.assembly import molecules_ogb

        coding = "ogb" if spec.node_features == molecules_ogb.ATOM_FEATURES else "pyg"
        return cls(
            smiles=coding if spec.molecules else None,
            max_degree=spec.node_features.sizes[0] - 1 if spec.degree_features else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Strings, numbers and truth values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "InputPipeline":
        """The inverse of `to_dict`; raises TypeError for other keys and for values of another type."""
        return cls(**values)

    def standardised(self, molecule: "str | Chem.Mol") -> "str | Chem.Mol | None":
        """The molecule that is read for a SMILES, or an RDKit molecule; None if it cannot be read."""
        from gnn_distill.data.assembly.standardise import standardised

        try:
            return standardised(molecule, self.standardise)
        except ValueError:  # text that is not Unicode, such as half a surrogate; an atom of too many bonds
            return None

    def featurise(self, molecule: "str | Chem.Mol") -> "Data | None":
        """The graph of a standardised molecule in this coding; None if it cannot be read."""
        from gnn_distill.data.assembly.molecules import smiles_to_data
        from gnn_distill.data.assembly.molecules_ogb import smiles_to_ogb_data

        read = smiles_to_ogb_data if self.smiles == "ogb" else smiles_to_data
        try:
            return read(molecule, self.chirality)
        except ValueError:
            return None

    def read_smiles(self, molecule: "str | Chem.Mol") -> "Data | None":
        """The graph of a SMILES, or of an RDKit molecule, in this coding; None if it cannot be read."""
        known = self.standardised(molecule)
        return None if known is None else self.featurise(known)

    def apply(self, graphs: PackedGraphs) -> PackedGraphs:
        """The graphs as models read them; features are normalised in place.

        Raises UserError for edges that leave their graph, and for negative features that are to be normalised.
        """
        graphs = self._with_clean_edges(graphs)
        if self.normalize_features:
            normalize_rows(graphs.x)
        return graphs if self.max_degree is None else replace(graphs, x=degree_column(graphs, self.max_degree))

    def _with_clean_edges(self, graphs: PackedGraphs) -> PackedGraphs:
        if not (self.drop_loops or self.merge_edges or self.add_reverses or self.undirected):
            return graphs
        check_edges(graphs)
        edge_index, edge_attr, num_nodes = graphs.global_edge_index, graphs.edge_attr, len(graphs.x)
        if self.drop_loops and (edge_index[0] == edge_index[1]).any():
            edge_index, edge_attr = remove_self_loops(edge_index, edge_attr)
        if self.undirected:
            edge_index, edge_attr = to_undirected(edge_index, edge_attr, num_nodes=num_nodes, reduce="mean")
        elif self.merge_edges and not (_keys(edge_index, num_nodes).diff() > 0).all():
            edge_index, edge_attr = coalesce(edge_index, edge_attr, num_nodes=num_nodes, reduce="mean")
        owner = torch.searchsorted(graphs.node_ptr, edge_index[0].contiguous(), right=True) - 1
        graphs = replace(
            graphs,
            edge_index=edge_index - graphs.node_ptr[owner],
            edge_attr=edge_attr,
            edge_ptr=pointers(torch.bincount(owner, minlength=len(graphs))),
        )
        return with_reverses(graphs) if self.add_reverses else graphs


def typed(graphs: PackedGraphs, spec: TaskSpec) -> PackedGraphs:
    """Graphs that fit a task, with features in its number formats."""

    def cast(values: Tensor, features: Features) -> Tensor:
        return values.float() if features.kind == "continuous" else values.long()

    edge_attr = None if graphs.edge_attr is None else cast(graphs.edge_attr, spec.edge_features)
    return replace(graphs, x=cast(graphs.x, spec.node_features), edge_attr=edge_attr)


def with_reverses(graphs: PackedGraphs) -> PackedGraphs:
    """The graphs with the missing reverse of every edge added, with the same features; edges sorted by both nodes.

    edge_index: without repeated edges.
    """
    size = graphs.x.size(0)
    source, target = graphs.global_edge_index
    unpaired = (~torch.isin(target * size + source, source * size + target)).nonzero().flatten()
    place = torch.cat([source * size + target, (target * size + source)[unpaired]]).argsort()
    edges = torch.cat([graphs.edge_index, graphs.edge_index[:, unpaired].flip(0)], dim=1)[:, place]
    edge_attr = graphs.edge_attr
    if edge_attr is not None:
        edge_attr = torch.cat([edge_attr, edge_attr[unpaired]])[place]
    counts = graphs.num_edges.index_add(0, graphs.node_graph[source[unpaired]], torch.ones_like(unpaired))
    return replace(graphs, edge_index=edges, edge_attr=edge_attr, edge_ptr=pointers(counts))


def normalize_rows(x: Tensor) -> None:
    """Divide each row by its sum, in place; rows of zeros stay unchanged. x: [N, C], no negative values."""
    if x.numel() and x.min() < 0:
        raise UserError("dataset.normalize_features=true: some features are negative. Set it to false.")
    total = x.sum(dim=1, keepdim=True)
    x /= total.masked_fill_(total == 0, 1)


def _keys(edge_index: Tensor, num_nodes: int) -> Tensor:
    """A number for each edge, ascending by source and target."""
    return edge_index[0] * num_nodes + edge_index[1]
