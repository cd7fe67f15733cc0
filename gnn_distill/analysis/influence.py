"""How much each node's input moves another node's state, by the hops between them: the same quantity for every model.

Source of the question: influence distributions of Xu et al. (2018), Representation Learning on Graphs with Jumping
Knowledge Networks; ranges of Liang et al. (2025), arXiv 2503.09008, and Bamberger et al. (2025), arXiv 2506.05971.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill.analysis.hops import ByHop, Distances
from gnn_distill.analysis.states import input_encoder
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.models.layers.encoders import FeatureEncoder

FORMS = ("squared", "absolute")
TRIES = 20
"""Draws until a swapped node has other features than its own; the data may hold few."""


@dataclass(frozen=True)
class Scene:
    """A model in evaluation mode, and the graphs that it is asked about."""

    model: nn.Module
    graphs: PackedGraphs
    encodings: StructuralEncodings | None
    distances: Distances
    ids: Int[Tensor, " chosen"]
    """The graphs of interest, one root in each; or one graph, with `roots` of them."""
    roots: int = 32
    """Number of roots where there is one graph."""
    hops: int = 10
    """Distances up to which hops are told apart."""
    seed: int = 0
    max_pairs: int = 1 << 21
    batch_size: int = 32

    @property
    def per_graph(self) -> bool:
        """Whether each of several graphs has one root."""
        return len(self.ids) > 1

    @property
    def num_roots(self) -> int:
        """Roots in all."""
        return len(self.ids) if self.per_graph else min(self.roots, int(self.graphs.num_nodes[self.ids].sum()))

    def draw_roots(self, sample: int = 0) -> Int[np.ndarray, " root"]:
        """The place of each root within its graph, uniform; of one graph all different."""
        random = np.random.default_rng((self.seed, sample))
        sizes = self.graphs.num_nodes[self.ids].numpy()
        if self.per_graph:
            return (random.random(len(sizes)) * sizes).astype(np.int64)
        return random.permutation(sizes[0])[: self.num_roots]

    def batches(self) -> Iterator[tuple[GraphBatch, Int[np.ndarray, " graphs"]]]:
        """Every batch, with the positions of its graphs among `ids`; empty graphs are left out."""
        sizes = self.graphs.num_nodes[self.ids]
        filled = (sizes > 0).nonzero().squeeze(1)
        max_pairs = max(self.max_pairs, int((sizes * sizes).max()) if len(sizes) else 0)
        for positions in evaluation_batches(sizes, filled, self.batch_size, max_pairs):
            yield collate(self.graphs, self.encodings, self.ids[positions]), positions.numpy()

    def rooted(self, places: Int[np.ndarray, " root"]) -> Iterator[tuple[GraphBatch, np.ndarray, Tensor]]:
        """Batch, positions of the roots among all, and their rows in the batch; one large graph comes once a root."""
        for batch, positions in self.batches():
            if self.per_graph:
                yield batch, positions, batch.ptr[:-1] + torch.from_numpy(places[positions])
            else:
                yield from ((batch, np.array([root]), torch.tensor([place])) for root, place in enumerate(places))


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Within it the model is in evaluation mode, and its weights want no gradients; afterwards all is as before.

    Neither weights nor the global generators of random numbers are touched.
    """
    modes = {module: module.training for module in model.modules()}
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        model.eval().requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, value in wanted.items():
            parameter.requires_grad_(value)


@dataclass
class Entry:
    """What the encoder returned in the last forward pass, as a leaf."""

    states: Float[Tensor, "node channel"] | None = field(default=None)


@contextmanager
def entering(encoder: FeatureEncoder) -> Iterator[Entry]:
    """Within it the encoder's output starts the graph of gradients, and is found in the result."""
    entry = Entry()

    def start(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        entry.states = output.detach().requires_grad_()
        return entry.states

    # Where features are dropped out the encoder's linear map is called, not itself; where both are, itself comes last.
    parts = [part for part in (encoder.linear, encoder) if part is not None]
    handles = [part.register_forward_hook(start) for part in parts]
    try:
        yield entry
    finally:
        for handle in handles:
            handle.remove()


def jacobian_influence(
    scene: Scene, samples: int = 16, layers: tuple[int, ...] = (-1,), form: str = "squared", exact: bool = False
) -> dict[int, ByHop]:
    """I(i, j) = ‖∂h_i/∂e_j‖² (Frobenius) of one random root i per graph and all j, by layer of h (an index of nodes).

    Estimated from `samples` products vᵀ·∂h_i/∂e of random v, each one backward pass for all graphs of a batch, since
    graphs do not meet (Hutchinson 1989). squared: v uniform in {−1, 1}^d, ‖vᵀ·∂h_i/∂e_j‖² is unbiased.
    absolute: v normal, √(π/2)·‖vᵀ·∂h_i/∂e_j‖₁ is unbiased for Σ_c ‖∂h_i/∂e_jc‖₂, nearer to the L1 norm of
    City-Networks (Liang et al. 2025). exact: no estimate, by the unit vectors as v, in d passes.

    Raises:
        ValueError: if the model has no FeatureEncoder.
    """
    encoder = input_encoder(scene.model)
    if encoder is None:
        raise ValueError("the model encodes node features in its own way")
    parts: dict[int, list[ByHop]] = {layer: [] for layer in layers}
    order, places, held = [], scene.draw_roots(), None
    with at_rest(scene.model), entering(encoder) as entry:
        for batch, roots, rows in scene.rooted(places):
            if held is not batch:  # one large graph: one forward pass serves all roots
                with torch.enable_grad():
                    nodes = scene.model(batch).nodes
                held = batch
            hops, order = scene.distances.to(batch, rows), [*order, roots]
            for layer in layers:
                directions = _directions(scene, nodes[layer].size(1), roots, form, None if exact else samples)
                products = (_backward(nodes[layer], rows, v, entry.states) for v in directions)
                moved = _norms(products, form) if exact else sum(_size(product, form) for product in products) / samples
                parts[layer].append(_sums(scene, moved, hops, batch))
    back = np.argsort(np.concatenate(order)) if order else np.array([], dtype=int)
    return {layer: ByHop.joined(found).of(back) for layer, found in parts.items()}


def swap_influence(scene: Scene, samples: int = 16, layer: int = -1) -> ByHop:
    """‖h_i' − h_i‖² / Σ_c Var(h_c) of all nodes i when one node j takes the features of another node of the data.

    Causal, by forward passes alone, and defined for any model and any kind of features; structure stays. `samples`
    nodes j of each graph, one after another (of one large graph one for each root); distances are from j to i.
    """
    sums: ByHop | None = None
    with at_rest(scene.model), torch.no_grad():
        variance = _total_variance(scene, layer)
        for sample in range(samples if scene.per_graph else 1):
            random = np.random.default_rng((scene.seed, 1, sample))
            others = torch.from_numpy(random.integers(len(scene.graphs.x), size=(scene.num_roots, TRIES)))
            parts, order, held = [], [], None
            for batch, roots, rows in scene.rooted(scene.draw_roots(sample)):
                if held is not batch:
                    before, held = scene.model(batch).nodes[layer], batch
                after = scene.model(swapped(batch, rows, scene.graphs.x[others[roots]])).nodes[layer]
                moved = (after - before).square().sum(dim=1) / variance
                parts.append(_sums(scene, moved, scene.distances.to(batch, rows, outward=True), batch))
                order.append(roots)
            found = ByHop.joined(parts).of(np.argsort(np.concatenate(order)))
            sums = found if sums is None else sums + found
    return sums


def swapped(batch: GraphBatch, rows: Int[Tensor, " root"], others: Tensor) -> GraphBatch:
    """The batch with other features in some rows: of `others` [root, try, feature] the first that differ."""
    x = batch.x.to_dense() if batch.x.layout == torch.sparse_csr else batch.x.clone()
    first = (others != x[rows][:, None]).any(dim=2).int().argmax(dim=1)
    x[rows] = others[torch.arange(len(rows)), first]
    return replace(batch, x=x)


def _directions(
    scene: Scene, width: int, roots: np.ndarray, form: str, samples: int | None
) -> Iterator[Float[Tensor, "root channel"]]:
    """The vectors v of each sample, those of a root whatever its batch; without `samples` all unit vectors."""
    if samples is None:
        yield from (unit.expand(len(roots), -1) for unit in torch.eye(width))
        return
    for sample in range(samples):
        random = np.random.default_rng((scene.seed, 2, FORMS.index(form), sample))
        draw = random.standard_normal((scene.num_roots, width), dtype=np.float32)
        yield torch.from_numpy(np.sign(draw) if form == "squared" else draw)[roots]


def _backward(states: Tensor, rows: Tensor, v: Tensor, entry: Tensor) -> Float[Tensor, "node channel"]:
    """vᵀ·∂h_root/∂e_j for all nodes j of all graphs; zero where nothing leads there."""
    if not states.requires_grad:
        return torch.zeros_like(entry)
    (gradient,) = torch.autograd.grad(
        (states[rows] * v).sum(), entry, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def _norms(products: Iterator[Float[Tensor, "node channel"]], form: str) -> Float[Tensor, " node"]:
    """‖∂h_i/∂e_j‖², or Σ_c ‖∂h_i/∂e_jc‖₂, from the rows of the Jacobian."""
    squares = sum(product.square() for product in products)
    return squares.sum(dim=1) if form == "squared" else squares.sqrt().sum(dim=1)


def _size(gradient: Float[Tensor, "node channel"], form: str) -> Float[Tensor, " node"]:
    if form == "squared":
        return gradient.square().sum(dim=1)
    return (torch.pi / 2) ** 0.5 * gradient.abs().sum(dim=1)


def _sums(scene: Scene, moved: Tensor, hops: np.ndarray, batch: GraphBatch) -> ByHop:
    return ByHop.sums(moved.double().numpy(), hops, batch.batch.numpy(), batch.num_graphs, scene.hops)


def _total_variance(scene: Scene, layer: int) -> float:
    """Σ_c Var(h_c) over the nodes of all graphs of interest; 1 if nothing varies."""
    count, total, square = 0, 0.0, 0.0
    for batch, _ in scene.batches():
        h = scene.model(batch).nodes[layer].double()
        count, total, square = count + len(h), total + h.sum(dim=0), square + h.square().sum(dim=0)
    return float((square / count - (total / count).square()).sum()) or 1.0
