"""signals.give=subgraphs: means of the teacher's node states over subgraphs, instead of the node states."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.packed import gather_ranges, pointers
from gnn_distill.pipeline.shuffled_teacher import foreign_graphs

if TYPE_CHECKING:
    from gnn_distill.data.subgraphs.subgraphs import Subgraphs

CODE = "gnn_distill.pipeline.subgraphs"
"""The module that finds subgraphs."""


@dataclass
class SubgraphMeans:
    """Means over the subgraphs of the taught graphs, graph by graph as these are packed."""

    states: Float[Tensor, "subgraphs channel"]
    ptr: Int[Tensor, " rows+1"]
    """Row r of the teacher's outputs owns the subgraphs ptr[r]:ptr[r+1]."""
    foreign: Int[Tensor, " subgraphs"] | None = None
    """teacher.control=shuffled: which subgraph's means replace each one's own."""

    def of(self, rows: Int[Tensor, " graphs"]) -> Float[Tensor, "chosen channel"]:
        """The means of the graphs in these rows, in the order of the batch's `Subgraphs.operator`."""
        picked = gather_ranges(self.ptr, rows)
        return self.states[picked if self.foreign is None else self.foreign[picked]].float()


def subgraphs_key(align: AlignmentConfig) -> dict[str, Any]:
    """What determines the subgraphs of a data set."""
    return {key: asdict(align)[key] for key in ("source", "radius", "max_members", "walk_length")}


def taught_subgraph_ptr(subgraphs: "Subgraphs", ids: Int[Tensor, " rows"]) -> Int[Tensor, " rows+1"]:
    """Where the subgraphs of each of the taught graphs `ids` begin, once those of these alone are concatenated."""
    return pointers(subgraphs.subgraph_ptr.diff()[ids])


def read_means(
    state: dict[str, Any], subgraphs: "Subgraphs", ids: Int[Tensor, " rows"], kind: str, control: str, seed: int
) -> SubgraphMeans:
    """The stored means of the taught graphs `ids`, or those of another graph's subgraphs where control=shuffled."""
    ptr, foreign = taught_subgraph_ptr(subgraphs, ids), None
    if control == "shuffled":
        foreign = foreign_graphs(state["logits"], kind, ptr, seed).nodes
    return SubgraphMeans(state["subgraphs"], ptr, foreign)
