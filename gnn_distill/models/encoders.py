"""Input encoders: node and edge features, structural node encodings, and the attention bias."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.distances import UNREACHABLE
from gnn_distill.data.task import Features
from gnn_distill.schema.encoding import EncodingConfig


class FeatureEncoder(nn.Module):
    """A linear map of continuous features, standardised where `features` says how, or the sum of one embedding a
    categorical column.
    """

    def __init__(self, features: Features, channels: int) -> None:
        super().__init__()
        self.linear = self.tables = None
        self.standardised = bool(features.std)
        if features.kind == "continuous":
            self.linear = nn.Linear(features.sizes[0], channels)
            self.register_buffer("mean", torch.tensor(features.mean), persistent=False)
            self.register_buffer("std", torch.tensor(features.std), persistent=False)
        else:
            # One table for all columns: row offsets[c] + value. A single look-up is faster than one a column.
            offsets = torch.tensor([0, *features.sizes[:-1]]).cumsum(0)
            self.register_buffer("offsets", offsets, persistent=False)
            self.tables = nn.Embedding(sum(features.sizes), channels)

    def forward(self, x: Tensor) -> Float[Tensor, "row channel"]:
        if self.linear is not None:
            return self.linear(self.scaled(x))
        return self.tables(x + self.offsets).sum(dim=1)

    def scaled(self, x: Float[Tensor, "row column"]) -> Float[Tensor, "row column"]:
        """Continuous features as the linear map reads them: (x - mean) / std where `features` has these."""
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
        self.rwse = nn.Linear(encoding.rwse, channels) if encoding.rwse else None
        self.lap_pe = nn.Linear(encoding.lap_pe, channels, bias=False) if encoding.lap_pe else None

    def forward(self, x: Float[Tensor, "node channel"], batch: StructureBatch) -> Float[Tensor, "node channel"]:
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


class AttentionBias(nn.Module):
    """Additive attention bias of a batch, looked up once and shared by all layers.

    b_h(i, j) = spatial_h[hop(i, j)] + Σ_{edges j→i} edge_h[e]; padding keys get the lowest number there is.
    Hop distances are capped at max_spd; unreachable pairs, and pairs with the graph token, have entries of their
    own (Graphormer, Ying et al. 2021, which merges unreachable pairs into the last distance).
    Shape [graph, head, query, key]; with a token, query and key 0 are the token.
    """

    def __init__(self, encoding: EncodingConfig, edge_features: Features | None, num_heads: int, token: bool) -> None:
        super().__init__()
        self.spd, self.max_spd, self.token = encoding.spd, encoding.max_spd, token
        # Rows: the distances 0..max_spd, unreachable, token to node, node to token. Without hop distances all
        # pairs of nodes share row 0, whose constant would cancel in the softmax and is held at zero.
        self.unreachable = encoding.max_spd + 1 if encoding.spd else 0
        self.from_token, self.to_token = self.unreachable + 1, self.unreachable + 2
        # AdamW moves a scalar by about the learning rate a step, so a bias of a few units takes thousands of steps;
        # a gain makes it that much quicker.
        self.gain = encoding.bias_gain
        scale = encoding.bias_scale / encoding.bias_gain
        table = torch.randn(self.unreachable + 3, num_heads) * scale
        if encoding.spd or token:
            self.table = nn.Parameter(table)
        else:  # nothing to learn: all that is left is the mask
            self.register_buffer("table", torch.zeros_like(table), persistent=False)
        self.edges = None
        if encoding.edge and edge_features is not None:
            self.edges = FeatureEncoder(edge_features, num_heads)
            for parameter in self.edges.parameters():
                nn.init.normal_(parameter, std=scale)

    def forward(self, batch: StructureBatch) -> Float[Tensor, "graph head query key"]:
        rows = self.gain * self.table
        if not self.spd:
            rows = rows * rows.new_tensor([0.0, 1.0, 1.0])[:, None]
        floor = torch.finfo(rows.dtype).min
        rows = torch.cat([rows, rows.new_full((1, rows.size(1)), floor)])
        index = self._index(batch, padding=len(rows) - 1)
        bias = F.embedding(index, rows)
        if self.edges is not None:
            size = index.size(1)
            position = batch.dense_index - batch.batch * batch.max_nodes + int(self.token)
            source, target = batch.edge_index
            flat = (batch.batch[target] * size + position[target]) * size + position[source]
            values = self.gain * self.edges(batch.edge_attr).to(bias.dtype)
            bias = bias.view(-1, bias.size(-1)).index_add(0, flat, values).view_as(bias)
        return bias.permute(0, 3, 1, 2).contiguous()

    def _index(self, batch: StructureBatch, padding: int) -> Tensor:
        """Row of the table for every pair [graph, query, key]."""
        shape = (batch.num_graphs, batch.max_nodes, batch.max_nodes)
        if self.spd:
            hops = batch.spd.long()
            index = torch.where(hops == UNREACHABLE, self.unreachable, hops.clamp(max=self.max_spd))
        else:
            index = torch.zeros(shape, dtype=torch.long, device=batch.x.device)
        index = index.masked_fill(~batch.mask[:, None, :], padding)
        if self.token:
            index = F.pad(index, (1, 0, 1, 0), value=0)
            index[:, 1:, 0] = self.to_token
            index[:, 0, 1:] = torch.where(batch.mask, self.from_token, padding)
            index[:, 0, 0] = self.from_token
        return index
