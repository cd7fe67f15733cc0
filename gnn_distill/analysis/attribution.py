"""What each node and edge contributes to an output: integrated gradients, and gradient × input.

Both start from encoded features e = E(x): the output of a model's feature encoders, one row for each node and, where
the model reads them, each edge. Structure stays as it is: degrees, walks, eigenvectors and hop distances have no
baseline.

    integrated:  a_r = Σ_c (e − e')_rc · ∫₀¹ ∂F/∂e_rc (e' + α·(e − e')) dα
    gradient:    a_r = Σ_c (e − e')_rc · ∂F/∂e_rc (e)

Of integrated gradients Σ_r a_r = F(e) − F(e') (completeness; Sundararajan, Taly & Yan 2017). e' is what zeros
give, of the mean where numbers are standardised: no embedding of a category, and the bias of a linear map of numbers.
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill.analysis.gradient_path import Path, Point, scale_of
from gnn_distill.analysis.influence import at_rest
from gnn_distill.analysis.states import Subject
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.models.layers.encoders import FeatureEncoder

BATCH = 64
FIRST_PARTS = 8
"""Parts of every path at first."""
TOGETHER = 50_000
"""Nodes and edges in all of the graphs whose paths are followed at the same time: each has a number at every point."""


@dataclass(frozen=True)
class Asked:
    """The number F of each graph, or of each chosen node, that is explained: scale · logits[output] + shift."""

    output: Int[Tensor, " asked"]
    scale: Float[Tensor, " asked"]
    shift: float = 0.0
    graphs: Int[Tensor, " asked"] | None = None
    """Node level: the graph of each node; None: every graph once."""
    nodes: Int[Tensor, " asked"] | None = None
    """Node level: the place of each node in its graph."""

    def of(self, logits: Float[Tensor, "row output"], chosen: Int[Tensor, " row"]) -> Float[Tensor, " row"]:
        """F of rows that belong to these of what is asked."""
        return logits.gather(1, self.output[chosen, None])[:, 0] * self.scale[chosen] + self.shift


@dataclass
class Attribution:
    """What the parts of a graph contribute to F, in F's unit."""

    nodes: Float[np.ndarray, " nodes"]
    edges: Float[np.ndarray, " edges"] | None
    """None: the model reads no edge features."""
    value: float
    """F(e)."""
    baseline: float
    """F(e')."""
    size: float
    """Σ|a|, the two directions of an edge apart."""
    gradients: int
    """Number of gradients that were taken."""

    @property
    def total(self) -> float:
        """Σ a."""
        return float(self.nodes.sum() + (0.0 if self.edges is None else self.edges.sum()))

    @property
    def error(self) -> float:
        """|Σ a − (F(e) − F(e'))|, relative to the larger of |F(e) − F(e')| and Σ|a| / 10; 0 where both are 0."""
        change = self.value - self.baseline
        missed, relative_to = abs(self.total - change), scale_of(change, self.size)
        return missed / relative_to if relative_to else float("inf") if missed else 0.0


def integrated_gradients(
    subject: Subject, graphs: PackedGraphs, asked: Asked, tolerance: float = 0.01, most: int = 2048
) -> list[Attribution]:
    """Integrated gradients of all that is asked, with up to `most` gradients for each.

    The integral is a sum of trapezoids. Each point of a path gives F with its gradient, so the error of every part is
    known, F(b) − F(a) − trapezoid: parts are halved where it is large, until the errors of all add up to at most
    `tolerance` times the larger of |F(e) − F(e')| and Σ|a| / 10, and without their signs to `tolerance` times the way
    that F goes up and down, or there are `most` points. Thus points are dense where the model changes fast, as layer
    norms do near e' = 0. A model that jumps on the path is not complete, such as PNA, whose standard deviations below
    √1e-5 are 0.

    Raises:
        ValueError: if the model has no FeatureEncoder, or reads something else by it.
    """
    found = []
    with probing(subject, graphs, asked) as probe:
        for chosen in probe.chunks():
            paths = {one: Path() for one in chosen}
            waiting = [(one, part / FIRST_PARTS) for one in chosen for part in range(FIRST_PARTS + 1)]
            while waiting:
                for (one, _), point in zip(waiting, probe.points(waiting), strict=True):
                    insort(paths[one].points, point, key=lambda point: point.alpha)
                waiting = [(one, alpha) for one, path in paths.items() for alpha in path.halved(tolerance, most)]
            found += [probe.attribution(one, path.integral(), path.points) for one, path in paths.items()]
    return found


def gradient_times_input(subject: Subject, graphs: PackedGraphs, asked: Asked) -> list[Attribution]:
    """(e − e') · ∂F/∂e of all that is asked. They need not add up to F(e) − F(e').

    Raises:
        ValueError: if the model has no FeatureEncoder, or reads something else by it.
    """
    ends = [(one, alpha) for one in range(len(asked.output)) for alpha in (0.0, 1.0)]
    with probing(subject, graphs, asked) as probe:
        points = list(probe.points(ends))
        pairs = zip(points[::2], points[1::2], strict=True)
        return [probe.attribution(one, pair[1].terms, pair) for one, pair in enumerate(pairs)]


METHODS = {"integrated": integrated_gradients, "gradient": gradient_times_input}


@dataclass
class Probe:
    """A model whose encoders return points of paths."""

    subject: Subject
    graphs: PackedGraphs
    asked: Asked
    batch: GraphBatch | None = None
    alpha: Float[Tensor, " graphs"] | None = None
    """Of each graph of the batch."""
    leaves: list[tuple[bool, Tensor, Tensor]] = field(default_factory=list)
    """Of each encoder in the last pass: whether it encodes edges, its output as a leaf, and e − e'."""
    reads_edges: bool = False

    def __post_init__(self) -> None:
        self.encodings = self.subject.encodings_of(self.graphs)
        self.graph_of = torch.arange(len(self.graphs)) if self.asked.graphs is None else self.asked.graphs

    def chunks(self) -> Iterator[list[int]]:
        """What is asked, in parts of graphs with up to TOGETHER nodes and edges in all, of one at least."""
        rows = (self.graphs.num_nodes + self.graphs.num_edges)[self.graph_of]
        chunk, size = [], 0
        for one, more in enumerate(rows.tolist()):
            if chunk and size + more > TOGETHER:
                yield chunk
                chunk, size = [], 0
            chunk, size = [*chunk, one], size + more
        yield chunk

    def points(self, places: Sequence[tuple[int, float]]) -> Iterator[Point]:
        """The points at these places, each one of what is asked and an α, in their order."""
        found: dict[int, Point] = {}
        chosen = torch.tensor([one for one, _ in places])
        alphas, graphs = torch.tensor([alpha for _, alpha in places]), self.graph_of[chosen]
        sizes = self.graphs.num_nodes[graphs]
        budget = max(self.subject.max_pairs, int(sizes.max()) ** 2)
        for part in evaluation_batches(sizes, torch.arange(len(places)), BATCH, budget):
            self.batch, self.alpha = collate(self.graphs, self.encodings, graphs[part]), alphas[part]
            found.update(zip(part.tolist(), self._measured(chosen[part]), strict=True))
        yield from (found[place] for place in range(len(places)))

    def _measured(self, chosen: Int[Tensor, " graphs"]) -> Iterator[Point]:
        """The points of one batch, of whose graphs each is there for one of `chosen`."""
        self.leaves.clear()
        batch = self.batch
        with torch.enable_grad():
            logits = self.subject.model(batch).logits.double()
            rows = logits if self.asked.nodes is None else logits[batch.ptr[:-1] + self.asked.nodes[chosen]]
            values = self.asked.of(rows, chosen)
        gradients = torch.autograd.grad(
            values.sum(), [leaf for _, leaf, _ in self.leaves], allow_unused=True, materialize_grads=True
        )
        nodes = torch.zeros(len(batch.node_rows), dtype=torch.double)
        edges = torch.zeros(batch.edge_index.size(1), dtype=torch.double)
        for (of_edges, _, change), gradient in zip(self.leaves, gradients, strict=True):
            (edges if of_edges else nodes).add_((gradient.double() * change.double()).sum(dim=1))
            self.reads_edges |= of_edges
        counts = torch.bincount(batch.batch[batch.edge_index[0]], minlength=batch.num_graphs)
        split = zip(nodes.split(batch.ptr.diff().tolist()), edges.split(counts.tolist()), strict=True)
        for alpha, value, (of_nodes, of_edges) in zip(self.alpha.tolist(), values.tolist(), split, strict=True):
            yield Point(alpha, value, torch.cat([of_nodes, of_edges]).numpy())

    def shift(self, encoder: FeatureEncoder, of_edges: bool, encoded: Tensor) -> Tensor:
        """The output of an encoder, moved to α, as a leaf."""
        owner = self.batch.batch[self.batch.edge_index[0]] if of_edges else self.batch.batch
        if len(encoded) != len(owner):
            raise ValueError(f"an encoder reads {len(encoded)} rows, not the {len(owner)} nodes or edges of a batch")
        start = torch.zeros_like(encoded) if encoder.linear is None else encoder.linear.bias.expand_as(encoded)
        change = encoded.detach() - start
        leaf = (start + self.alpha[owner, None] * change).requires_grad_()
        self.leaves.append((of_edges, leaf, change))
        return leaf

    def attribution(self, one: int, terms: Float[np.ndarray, " rows"], points: Sequence[Point]) -> Attribution:
        """The attribution of one of what is asked, from what nodes and edges of its graph have."""
        nodes, edges = np.split(terms, [int(self.graphs.num_nodes[self.graph_of[one]])])
        ends, size = (points[-1].value, points[0].value), float(np.abs(terms).sum())
        return Attribution(nodes, edges if self.reads_edges else None, *ends, size, gradients=len(points))


@contextmanager
def probing(subject: Subject, graphs: PackedGraphs, asked: Asked) -> Iterator[Probe]:
    """Within it the model's encoders return points of paths; afterwards the model is as before."""
    encoders = [module for module in subject.model.modules() if isinstance(module, FeatureEncoder)]
    if not encoders:
        raise ValueError("the model encodes node features in its own way")
    probe = Probe(subject, graphs, asked)
    with at_rest(subject.model), ExitStack() as stack:
        for number, encoder in enumerate(encoders):  # the first is that of nodes, in every model
            stack.enter_context(_shifted(encoder, number > 0, probe))
        yield probe


@contextmanager
def _shifted(encoder: FeatureEncoder, of_edges: bool, probe: Probe) -> Iterator[None]:
    module: nn.Module = encoder if encoder.linear is None else encoder.linear  # a GNN may call the linear map alone
    handle = module.register_forward_hook(lambda _module, _inputs, encoded: probe.shift(encoder, of_edges, encoded))
    # Encodings of paths encode each distinct row once; here every edge needs a row of its own.
    encoder.distinct = lambda x: (x, torch.arange(len(x), device=x.device))
    try:
        yield
    finally:
        handle.remove()
        del encoder.distinct
