"""Parts of one large graph: sampled neighbourhoods, whole neighbourhoods, and the edges among given nodes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Int
from scipy.sparse import coo_array, csr_array
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput

from gnn_distill.data.in_edges import InEdges
from gnn_distill.errors import UserError

ALL = -1
"""As a fan-out: every neighbour."""
Nodes = Int[np.ndarray, " nodes"]


class CSRSampler(BaseSampler):
    """Draws neighbours from compressed rows, which may be memory maps, for PyG's NodeLoader (Hamilton et al. 2017).

    Of a node with at most `fanout[hop]` edges all are taken, of others as many draws with repetition; a node is
    expanded once, at the hop at which it is first met. PyG's own sampler needs pyg-lib, and draws other neighbours.
    """

    def __init__(self, edges: InEdges, fanout: Sequence[int], seed: Sequence[int] = (0,)) -> None:
        self.edges, self.fanout, self.random = edges, fanout, np.random.default_rng(seed)
        self._place = np.full(len(edges), -1, dtype=np.int64)

    def sample_from_nodes(self, index: NodeSamplerInput, **_: object) -> SamplerOutput:
        """The nodes, seeds first, and the edges between their places, sorted by target."""
        nodes, source, target, edge = self.sample(index.node.numpy())
        return SamplerOutput(
            *(torch.from_numpy(values.astype(np.int64)) for values in (nodes, source, target)),
            edge=None if edge is None else torch.from_numpy(edge),
            batch=None,
            metadata=(index.input_id, index.time),
        )

    def sample_from_edges(self, index: EdgeSamplerInput, **_: object) -> SamplerOutput:
        """Nothing here starts from edges."""
        raise NotImplementedError

    def sample(self, seeds: Nodes) -> tuple[Nodes, np.ndarray, np.ndarray, np.ndarray | None]:
        """Nodes, places of the edges' sources and targets among them, and the edges' columns in `edge_index`."""
        place, count = self._place, len(seeds)
        place[seeds] = np.arange(count)
        nodes, rows, sources, targets = [seeds], [], [], []
        frontier, first = seeds, 0
        for most in self.fanout:
            row, owner = self._drawn(frontier, most)
            source = self.edges.source[row]
            fresh = np.unique(source[place[source] < 0])
            place[fresh] = np.arange(count, count + len(fresh))
            rows.append(row)
            sources.append(place[source])
            targets.append(first + owner)
            nodes.append(fresh)
            frontier, first, count = fresh, count, count + len(fresh)
        every = np.concatenate(nodes)
        place[every] = -1
        row = np.concatenate(rows)
        edge = None if self.edges.edge is None else self.edges.edge[row]
        return every, np.concatenate(sources), np.concatenate(targets), edge

    def among(self, nodes: Nodes) -> tuple[Nodes, np.ndarray, np.ndarray, np.ndarray | None]:
        """All edges between the nodes themselves, as `sample` gives them."""
        place = self._place
        place[nodes] = np.arange(len(nodes))
        row, owner = self._drawn(nodes, ALL)
        source = place[self.edges.source[row]]
        place[nodes] = -1
        inside = source >= 0
        edge = None if self.edges.edge is None else self.edges.edge[row[inside]]
        return nodes, source[inside], owner[inside], edge

    def _drawn(self, nodes: Nodes, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of edges into the nodes, and the place of the node that each leads to, ascending."""
        start = self.edges.ptr[nodes].astype(np.int64)
        degree = self.edges.ptr[nodes + 1] - start
        taken = degree if most == ALL else np.minimum(degree, most)
        owner = np.repeat(np.arange(len(nodes)), taken)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(taken) - taken, taken)
        if most != ALL:
            drawn = (degree > most)[owner]
            within[drawn] = (self.random.random(int(drawn.sum())) * degree[owner[drawn]]).astype(np.int64)
        return start[owner] + within, owner


def neighbourhoods(sampler: CSRSampler, batches: list[Nodes]) -> Iterator[tuple[Data, int]]:
    """The sampled neighbourhood of each batch of seeds, and its number of seeds, by PyG's NodeLoader."""
    seeds = np.concatenate(batches)
    bounds = np.cumsum([0, *map(len, batches)])
    graph = Data(edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=len(sampler.edges))
    places = [range(low, high) for low, high in pairwise(bounds)]
    loader = NodeLoader(graph, sampler, torch.from_numpy(seeds), batch_sampler=places)
    for found, batch in zip(loader, batches, strict=True):
        yield found, len(batch)


def random_parts(nodes: Nodes, parts: int, seed: Sequence[int]) -> list[Nodes]:
    """The nodes in `parts` random parts of equal size (Wu et al. 2023, SGFormer), sorted within each."""
    mixed = np.random.default_rng(seed).permutation(nodes)
    return [np.sort(part) for part in np.array_split(mixed, parts)]


def cluster_parts(edges: InEdges, nodes: Nodes, parts: int) -> list[Nodes]:
    """The nodes in parts with few edges between them, by METIS (Chiang et al. 2019, Cluster-GCN).

    nodes: consecutive, all of one graph. Raises UserError where pymetis is not installed.
    """
    try:
        import pymetis  # an extra: nothing else needs it
    except ImportError as error:
        raise UserError(
            "trainer.sampler=cluster: needs pymetis. Install the extra: pip install -c constraints.txt -e "
            "'.[cluster]', or choose trainer.sampler=random."
        ) from error
    low, high = int(nodes[0]), int(nodes[-1]) + 1
    ptr = edges.ptr[low : high + 1]
    source = edges.source[ptr[0] : ptr[-1]] - low
    directed = csr_array((np.ones(len(source), dtype=np.int8), source, ptr - ptr[0]), shape=(len(nodes), len(nodes)))
    both = (directed + directed.T).tocoo()  # METIS reads every edge from both ends, and no loops
    between = both.row != both.col
    both = coo_array((both.data[between], (both.row[between], both.col[between])), shape=both.shape).tocsr()
    _, part = pymetis.part_graph(parts, xadj=both.indptr, adjncy=both.indices)
    order = np.argsort(part, kind="stable")
    found = np.split(nodes[order], np.cumsum(np.bincount(part, minlength=parts))[:-1])
    return [one for one in found if len(one)]
