"""Random batches with all that a loss may read, and the same ones with nodes in another order or more padding."""

from dataclasses import dataclass, replace

import torch
from small_tasks import ODD
from torch import Tensor
from torch_geometric.data import Data

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.packed import PackedGraphs

CHANNELS = 4
HEADS = 3
WALK = 3
STARS = ((0, 1), (0, 2), (0, 3), (3, 4))


@dataclass
class World:
    """Graphs of these sizes, node after node; edges, walks and the like name nodes of the whole batch."""

    sizes: list[int]
    edge_index: Tensor
    edge_attention: Tensor
    self_attention: Tensor
    cluster: Tensor
    walks: Tensor
    batch: GraphBatch

    @property
    def graphs(self) -> list[range]:
        """The nodes of each graph."""
        starts = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        return [range(start, start + size) for start, size in zip(starts, self.sizes, strict=True)]


def make_world(seed: int = 0) -> World:
    """One node; no edges; two components; a directed path; a star beside a lonely node; a random directed graph."""
    random = torch.Generator().manual_seed(seed)
    networks = [list(network.to_directed().edges) for network in ODD]
    networks.append([(i, j) for i in range(6) for j in range(6) if i != j and torch.rand(1, generator=random) < 0.4])
    networks.append([pair for a, b in STARS for pair in ((a, b), (b, a))] + [(2, 2)])
    return world_of([network.number_of_nodes() for network in ODD] + [6, 5], networks, random)


def world_of(sizes: list[int], networks: list[list[tuple[int, int]]], random: torch.Generator) -> World:
    """Graphs of these sizes and edges; all else is random."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    pairs = [(start + a, start + b) for edges, start in zip(networks, starts, strict=True) for a, b in edges]
    edge_index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    nodes = sum(sizes)
    edge_attention = torch.rand(len(pairs), generator=random, dtype=torch.float64)
    self_attention = torch.rand(nodes, generator=random, dtype=torch.float64)
    total = self_attention.index_add(0, edge_index[1], edge_attention)
    walks = [torch.arange(nodes)]
    for _ in range(WALK):
        walks.append(torch.tensor([_step(int(node), pairs, random) for node in walks[-1]]))
    return _build(
        sizes,
        edge_index,
        edge_attention / total[edge_index[1]],
        self_attention / total,
        torch.randint(4, (nodes,), generator=random),
        torch.stack(walks, dim=1),
    )


def states(seed: int, rows: int, channels: int = CHANNELS) -> Tensor:
    return torch.randn(rows, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reordered(world: World, seed: int = 0) -> tuple[World, Tensor]:
    """The same with the nodes of each graph in another order, and where each of them was."""
    random = torch.Generator().manual_seed(seed)
    order = torch.cat([nodes.start + torch.randperm(len(nodes), generator=random) for nodes in world.graphs])
    place = torch.empty_like(order).index_copy(0, order, torch.arange(len(order)))
    return _build(
        world.sizes,
        place[world.edge_index],
        world.edge_attention,
        world.self_attention[order],
        world.cluster[order],
        place[world.walks][order],
    ), order


def padded(world: World, more: int = 3) -> World:
    """The same as if a larger graph were in the batch."""
    batch = world.batch
    place = batch.dense_index - batch.batch * batch.max_nodes
    size = batch.max_nodes + more
    wider = replace(
        batch,
        max_nodes=size,
        dense_index=batch.batch * size + place,
        spd=torch.nn.functional.pad(batch.spd, (0, more, 0, more)),
    )
    return replace(world, batch=wider)


def _step(node: int, pairs: list[tuple[int, int]], random: torch.Generator) -> int:
    nearby = [b for a, b in pairs if a == node] or [node]
    return nearby[int(torch.randint(len(nearby), (1,), generator=random))]


def _build(sizes: list[int], edge_index: Tensor, *more: Tensor) -> World:
    owner = torch.repeat_interleave(torch.tensor(sizes))
    starts = torch.tensor([0, *sizes]).cumsum(0)
    # Packing wants edges graph by graph, which they are.
    data = [
        Data(x=torch.zeros(size, 1), edge_index=edge_index[:, owner[edge_index[0]] == graph] - starts[graph], y=None)
        for graph, size in enumerate(sizes)
    ]
    packed = PackedGraphs.from_data_list(data, num_targets=1)
    encodings = compute_encodings(packed, EncodingConfig(spd=True))
    return World(sizes, edge_index, *more, collate(packed, encodings, torch.arange(len(sizes))))
