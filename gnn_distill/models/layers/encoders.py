"""Input encoders: node and edge features, structural node encodings, and the attention bias."""

from math import prod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.cpu import Linear
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.encodings.distances import UNREACHABLE
from gnn_distill.data.task import Features
from gnn_distill.models.layers.path_sums import FlatSteps, PathSteps, flat_sums, sums_along, walk_back


class FeatureEncoder(nn.Module):
    """A linear map of continuous features, standardised if `features` has moments, or the sum of one embedding per
    categorical column.

    Continuous features may be sparse (CSR), such as bags of words, whose product is much cheaper.
    """

    def __init__(self, features: Features, channels: int) -> None:
        super().__init__()
        self.linear = self.tables = None
        self.standardised = bool(features.std)
        if features.kind == "continuous":
            self.linear = Linear(features.sizes[0], channels)
            self.register_buffer("mean", torch.tensor(features.mean), persistent=False)
            self.register_buffer("std", torch.tensor(features.std), persistent=False)
        else:
            # One table for all columns: row offsets[c] + value. A single lookup is faster than one per column.
            offsets = torch.tensor([0, *features.sizes[:-1]]).cumsum(0)
            self.register_buffer("offsets", offsets, persistent=False)
            self.sizes = features.sizes
            self.tables = nn.Embedding(sum(features.sizes), channels)

    def forward(self, x: Tensor) -> Float[Tensor, "row channel"]:
        if x.layout == torch.sparse_csr:
            with torch.autocast(x.device.type, enabled=False):  # CPUs have no sparse product in bf16
                return torch.sparse.mm(x.to(self.linear.weight.dtype), self.linear.weight.T) + self.linear.bias
        if self.linear is not None:
            return self.linear(self.scaled(x))
        return self.tables(x + self.offsets).sum(dim=1)

    def of_sums(self, sums: Float[Tensor, "*row column+1"]) -> Float[Tensor, "*row channel"]:
        """Σ w·(W·x + b) from Σ w·x and, as the last column, Σ w; continuous features."""
        values, total = sums[..., :-1].float(), sums[..., -1:].float()
        if self.standardised:
            values = (values - total * self.mean) / self.std
        return F.linear(values, self.linear.weight) + total * self.linear.bias

    def distinct(self, x: Tensor) -> tuple[Tensor, Int[Tensor, " row"]]:
        """The distinct rows, and the index of each row of `x` among them; continuous features are not compared.

        On the host.
        """
        if self.tables is None or prod(self.sizes) >= 2**63:
            return x, torch.arange(len(x))
        # Place values of the columns in the mixed-radix number of a row among all combinations.
        digits = torch.tensor([prod(self.sizes[column + 1 :]) for column in range(len(self.sizes))])
        codes, rows = (x * digits).sum(dim=1).unique(return_inverse=True)
        return codes[:, None] // digits % torch.tensor(self.sizes), rows

    def scaled(self, x: Float[Tensor, "row column"]) -> Float[Tensor, "row column"]:
        """Continuous features as the linear map reads them: (x - mean) / std if `features` has moments."""
        return (x - self.mean) / self.std if self.standardised else x


class StructuralEncoder(nn.Module):
    """Structural node encodings added to the input: degrees, random walks, Laplacian eigenvectors.

    Degrees: in- and out-degree embeddings (Graphormer, Ying et al. 2021). Random walks: a linear map of the
    return probabilities (RWSE, Dwivedi et al. 2022). Laplacian: a linear map of the eigenvectors, whose signs
    are drawn at random for every graph in training and are canonical in evaluation (Dwivedi & Bresson 2021).
    """

    def __init__(self, encoding: EncodingConfig, channels: int) -> None:
        super().__init__()
        self.max_degree = encoding.max_degree
        rows = encoding.max_degree + 1
        self.in_degree = nn.Embedding(rows, channels) if encoding.degree else None
        self.out_degree = nn.Embedding(rows, channels) if encoding.degree else None
        self.rwse = Linear(encoding.rwse, channels) if encoding.rwse else None
        self.lap_pe = Linear(encoding.lap_pe, channels, bias=False) if encoding.lap_pe else None

    def forward(self, x: Float[Tensor, "node channel"], batch: GraphBatch) -> Float[Tensor, "node channel"]:
        if self.in_degree is not None:
            x = x + self.in_degree(batch.in_degree.clamp(max=self.max_degree))
            x = x + self.out_degree(batch.out_degree.clamp(max=self.max_degree))
        if self.rwse is not None:
            x = x + self.rwse(batch.rwse)
        if self.lap_pe is not None:
            vectors = batch.lap_pe
            if self.training:
                signs = torch.randint(2, (batch.num_graphs, vectors.size(1)), device=vectors.device)
                vectors = vectors * (2 * signs - 1)[batch.batch]
            x = x + self.lap_pe(vectors)
        return x


class PathEncoder(nn.Module):
    """A bias from the edges along a shortest path between two nodes (edge encoding of Graphormer, Ying et al. 2021).

    c_h(i, j) = 1/N · Σ_{n=1..N} w_n^h · x_{e_n}, where e_1, e_2, ... are the edges of one shortest path j→i from its
    end: e_1 enters i. N is the length of the path, at most `hops`; c = 0 for i = j and if i cannot be reached.
    w_n^h · x is a sum of embeddings for categories x. Among several shortest paths, the one with the smallest node ids
    from the end is used (so that here, as in Graphormer, the order of nodes matters); of parallel edges the first.
    Graphormer walks from i to j, which is the same for undirected edges; its code has one embedding for all hops, and
    one matrix per hop.
    """

    def __init__(self, edge_features: Features, hops: int, num_heads: int) -> None:
        super().__init__()
        self.hops, self.num_heads = hops, num_heads
        self.edges = FeatureEncoder(edge_features, hops * num_heads)
        self.found, self.flat = Derived("paths", self._find), Derived("steps", self._flatten)

    def derives(self, batch: GraphBatch) -> tuple[Derived, ...]:
        """What is found in a batch where it is made."""
        return self.found, self.flat

    def _find(self, batch: GraphBatch) -> tuple[Tensor, PathSteps]:
        """The distinct edges, and the paths along them."""
        distinct, kinds = self.edges.distinct(batch.edge_attr)
        return distinct, walk_back(batch, kinds, self.hops)

    def _flatten(self, batch: GraphBatch) -> FlatSteps:
        return FlatSteps.of(self.found(batch)[1].steps)

    def forward(self, batch: GraphBatch, before: int = 0) -> Float[Tensor, "head graph query key"]:
        """c_h(i, j), with `before` empty rows and columns before those of nodes (for a graph token).

        Memory grows with pairs × heads, and one number per pair and hop is stored for the gradient.
        """
        distinct, paths = self.found(batch)
        values = self.edges(distinct).view(-1, self.hops, self.num_heads)
        if values.device.type != "cpu" or torch.compiler.is_compiling():
            total = flat_sums(self.flat(batch), len(paths.pairs), values)
        else:
            total = sums_along(paths, values)
        mean = total / paths.hops[:, None]
        # The paths were walked from column (key) to row (query).
        nodes, size = batch.max_nodes, batch.max_nodes + before
        row, query = paths.pairs // nodes, paths.pairs % nodes
        graph, key = row // nodes, row % nodes
        places = ((graph * size + query) * size + key).add_(before * size + before)
        bias = mean.new_zeros(batch.num_graphs * size**2, self.num_heads).index_copy(0, places, mean)
        return bias.view(batch.num_graphs, size, size, self.num_heads).permute(3, 0, 1, 2)


class AttentionBias(nn.Module):
    """Additive attention bias of a batch, computed once and shared by all layers.

    b_h(i, j) = spatial_h[hop(i, j)] + Σ_{edges j→i} edge_h[e] + path_h(i, j); padding keys get the lowest
    finite number. Hop distances, counted from i to j, are capped at max_spd; unreachable pairs have their own entry,
    and so have the pairs with the graph token in each direction (Graphormer, Ying et al. 2021, whose code does not cap
    distances below 510 and has one entry for the token, in both directions and with itself). Edges are read in the
    other direction, as in message passing: those that lead to i. See `PathEncoder` for path_h. Shape [graph, head,
    query, key]; with a token, query and key 0 are the token. None if nothing is learned and nothing padded.
    """

    def __init__(self, encoding: EncodingConfig, edge_features: Features | None, num_heads: int, token: bool) -> None:
        super().__init__()
        self.spd, self.max_spd, self.token = encoding.spd, encoding.max_spd, token
        # Rows: the distances 0..max_spd, unreachable, token to node, node to token. Without hop distances all
        # pairs of nodes share row 0, whose constant would cancel in the softmax and is fixed at zero.
        self.unreachable = encoding.max_spd + 1 if encoding.spd else 0
        self.from_token, self.to_token = self.unreachable + 1, self.unreachable + 2
        # AdamW moves a scalar by about the learning rate per step, so a bias of a few units takes thousands of steps;
        # a gain accelerates this by its factor.
        self.gain = encoding.bias_gain
        scale = encoding.bias_scale / encoding.bias_gain
        table = torch.randn(self.unreachable + 3, num_heads) * scale
        if encoding.spd or token:
            self.table = nn.Parameter(table)
        else:  # nothing to learn, only the mask
            self.register_buffer("table", torch.zeros_like(table), persistent=False)
        self.edges = self.paths = None
        if encoding.edge and edge_features is not None:
            self.edges = FeatureEncoder(edge_features, num_heads)
        if encoding.edge_hops and edge_features is not None:
            self.paths = PathEncoder(edge_features, encoding.edge_hops, num_heads)
        for part in filter(None, (self.edges, self.paths)):
            for parameter in part.parameters():
                nn.init.normal_(parameter, std=scale)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the bias."""
        return self.edges is not None or self.paths is not None

    def forward(self, batch: GraphBatch) -> Float[Tensor, "graph head query key"] | None:
        if batch.num_graphs == 1 and not (self.spd or self.token or self.reads_edges):
            return None
        rows = self.gain * self.table
        if not self.spd:
            rows = torch.cat([torch.zeros_like(rows[:1]), rows[1:]])
        floor = torch.finfo(rows.dtype).min
        rows = torch.cat([rows, rows.new_full((1, rows.size(1)), floor)])
        index = self._index(batch, padding=len(rows) - 1)
        # Heads first: one large graph needs no copy.
        bias = rows.t().index_select(1, index.view(-1))
        if self.edges is not None:
            size = index.size(1)
            position = batch.dense_index - batch.batch * batch.max_nodes + int(self.token)
            source, target = batch.edge_index
            flat = (batch.batch[target] * size + position[target]) * size + position[source]
            values = self.gain * self.edges(batch.edge_attr).to(bias.dtype)
            bias = bias.index_add(1, flat, values.t())
        bias = bias.view(rows.size(1), *index.shape)
        if self.paths is not None:
            bias = bias.add(self.paths(batch, int(self.token)).to(bias.dtype), alpha=self.gain)
        return bias.transpose(0, 1).contiguous()

    def _index(self, batch: GraphBatch, padding: int) -> Tensor:
        """Row of the table for every pair [graph, query, key]."""
        shape = (batch.num_graphs, batch.max_nodes, batch.max_nodes)
        if self.spd:
            index = batch.spd.long().clamp_(max=self.max_spd).masked_fill_(batch.spd == UNREACHABLE, self.unreachable)
        else:
            index = torch.zeros(shape, dtype=torch.long, device=batch.x.device)
        index = index.masked_fill_(~batch.mask[:, None, :], padding)
        if self.token:
            index = F.pad(index, (1, 0, 1, 0), value=0)
            index[:, 1:, 0] = self.to_token
            index[:, 0, 1:] = torch.where(batch.mask, self.from_token, padding)
            index[:, 0, 0] = self.from_token
        return index
