"""A student as a function of flat tensors, the form in which it leaves this package."""

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.readable import readable

SIZES = {
    "x": ("nodes", None),
    "edge_index": (None, "edges"),
    "edge_attr": ("edges", None),
    "batch": ("nodes",),
    "mask": ("graphs", "size"),
    "in_degree": ("nodes",),
    "out_degree": ("nodes",),
    "rwse": ("nodes", None),
    "lap_pe": ("nodes", None),
    "spd": ("graphs", "size", "size"),
}
"""The inputs, in their order, with names of the sizes that vary between batches; size: nodes of the largest graph."""


class FlatStudent(nn.Module):
    """What a student predicts for a batch of graphs, from tensors alone.

    Programs traced with one batch hold for batches whose sizes are all at least two. So a graph of two nodes with an
    edge in both directions closes every batch, whose rows are to be left out; it changes nothing for the others.
    """

    def __init__(self, student: nn.Module, spec: TaskSpec) -> None:
        super().__init__()
        self.student, self.spec = student.eval(), spec

    def forward(
        self,
        x: Tensor,
        edge_index: Int[Tensor, "2 edges"],
        batch: Int[Tensor, " nodes"],
        mask: Bool[Tensor, "graphs size"],
        edge_attr: Tensor | None = None,
        in_degree: Int[Tensor, " nodes"] | None = None,
        out_degree: Int[Tensor, " nodes"] | None = None,
        rwse: Float[Tensor, "nodes steps"] | None = None,
        lap_pe: Float[Tensor, "nodes vectors"] | None = None,
        spd: UInt8[Tensor, "graphs size size"] | None = None,
    ) -> Float[Tensor, "example output"]:
        """Probabilities, or values in their units: a row per graph, at node level per node."""
        graphs, size = mask.shape
        nodes = torch.arange(x.size(0), device=x.device)
        counts = mask.sum(dim=1)
        ends = counts.cumsum(dim=0)
        first = ends - counts
        given = GraphBatch(
            graph_ids=torch.arange(graphs, device=x.device),
            x=x,
            edge_index=edge_index,
            edge_attr=edge_attr,
            batch=batch,
            ptr=torch.cat([first[:1], ends]),
            y=x.new_zeros(0),
            node_rows=nodes,
            max_nodes=size,
            dense_index=nodes + batch * size - first[batch],
            in_degree=in_degree,
            out_degree=out_degree,
            rwse=rwse,
            lap_pe=lap_pe,
            spd=spd,
        )
        return readable(self.spec, self.student(given).logits)
