"""What is kept of a teacher, as the student's losses read it: logits and states, row by row."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.projectors import TeacherShape, median_distance
from gnn_distill.losses.term import Requires, TeacherRows
from gnn_distill.models.layers.standardise import Moments
from gnn_distill.pipeline.shuffled_teacher import Foreign
from gnn_distill.pipeline.subgraph_means import SubgraphMeans
from gnn_distill.pipeline.teacher_attention import Attention


@dataclass
class TeacherOutputs:
    """The teacher's logits and states of some graphs, mapped from disk, row by row as these graphs are packed."""

    row: Int[Tensor, " all_graphs"]
    """Row of every graph of the data set, or -1."""
    starts: Int[Tensor, " all_graphs"]
    """The first node of every graph among those of the data set."""
    node_ptr: Int[Tensor, " rows+1"]
    logits: Float[Tensor, "examples output"]
    """One row per graph, or per node at node level."""
    graph: Float[Tensor, "rows channel"] | None
    """None: the teacher gives none."""
    nodes: dict[int, Float[Tensor, "nodes channel"]]
    """By layer, counted from 1; empty: the teacher gives none."""
    num_layers: int
    moments: list[Moments]
    """Of the states of each layer in `nodes`, then of `graph`, then of `subgraphs`, over the units that are taught."""
    level: str = "graph"
    visible: str = "train"
    """What the student is taught, as in `OutputsPlan`."""
    taught: Int[Tensor, " taught"] | None = None
    """Node level: the nodes of these graphs that the student is taught; None: all."""
    foreign: Foreign | None = None
    """Which unit's states replace each unit's own; None: none does."""
    attention: Attention | None = None
    """None: no term reads it."""
    subgraphs: SubgraphMeans | None = None
    """None: the teacher gives none."""
    further: tuple["TeacherOutputs", ...] = ()
    """Those of further teachers, of the same graphs; `logits` are then those of all teachers together."""

    def rows(self, batch: GraphBatch, requires: Requires | None = None) -> TeacherRows:
        """The rows of a batch, in its order: of what is kept what is required, or all (None)."""
        graphs = batch.graph_ids.cpu()
        rows = self.row[graphs]
        # Found by the nodes' own numbers: of a large graph only those of the batch are touched.
        graph_of = batch.wanted(batch.batch).cpu()
        nodes = batch.wanted(batch.node_rows).cpu() + (self.node_ptr[rows] - self.starts[graphs])[graph_of]
        if requires is None:
            given = {part: getattr(self, part) is not None for part in ("graph", "subgraphs", "attention")}
            requires = Requires(frozenset(self.nodes), logits=True, **given)
        logits = self.logits[rows if self.level == "graph" else nodes] if requires.logits else None
        attention = self.attention.of(batch, rows, nodes) if requires.attention else ()
        subgraphs = self.subgraphs.of(rows) if requires.subgraphs else None
        if self.foreign is not None:
            rows, nodes = self.foreign.graphs[rows], self.foreign.nodes[nodes]
        # Of teachers that differ in depth, those that this one has.
        states = {layer: self.nodes[layer][nodes].float() for layer in requires.layers & self.nodes.keys()}
        graph = self.graph[rows] if requires.graph else None
        further = [other.rows(batch, replace(requires, logits=False)) for other in self.further]
        return TeacherRows(logits, states, graph, *attention, subgraphs=subgraphs, further=further)

    def shape(self) -> TeacherShape:
        """Depth, and the moments of all states over the units that are taught."""
        picked = slice(None) if self.taught is None else self.taught
        given = [*self.nodes, *(part for part in ("graph", "subgraphs") if getattr(self, part) is not None)]
        moments_of = dict(zip(given, self.moments, strict=True))
        nodes = {layer: moments_of[layer] for layer in self.nodes}

        def median(standardise: nn.Module) -> float:
            states, ptr = self.nodes[self.num_layers][picked], self.node_ptr
            if self.taught is not None:  # of each graph the nodes that are taught
                ptr = torch.searchsorted(self.taught, ptr)
            return median_distance(states, ptr, prepare=standardise)

        subgraphs = moments_of.get("subgraphs")
        return TeacherShape(self.num_layers, nodes, moments_of.get("graph"), self.draw, median, subgraphs)

    def draw(self, of: int | str, most: int) -> Float[Tensor, "unit channel"]:
        """At most so many of the states after a layer, of `graph` or `subgraphs`, of the units that are taught.

        They are drawn with a seed of their own, so that all runs with this teacher have the same.
        """
        states = self.nodes[of] if isinstance(of, int) else self.graph if of == "graph" else self.subgraphs.states
        taught = self.taught if isinstance(of, int) else None
        units = len(states) if taught is None else len(taught)
        picked = torch.randperm(units, generator=torch.Generator().manual_seed(0))[:most].sort().values
        return states[picked if taught is None else taught[picked]].float()
