"""Modules as users bring them, and how a test makes teachers of them."""

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv, GINEConv, MessagePassing, global_add_pool, global_mean_pool

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import collate
from gnn_distill.extending import GraphBatch, GraphTask, Representations, TaskSpec
from gnn_distill.models import build_teacher


class Nodes(nn.Module):
    """The simplest there is, at node level."""

    def __init__(self, hidden: int = 5, out: int = 3) -> None:
        super().__init__()
        self.convs = nn.ModuleList([GCNConv(3, hidden), GCNConv(hidden, out)])
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        assert x.layout == torch.strided
        return self.convs[1](self.dropout(self.convs[0](x, edge_index).relu()), edge_index)


class Graphs(nn.Module):
    """Two convolutions, a pooled state, and a head."""

    def __init__(self, out: int = 3, inputs: int = 3) -> None:
        super().__init__()
        self.first, self.second = GCNConv(inputs, 5), GATConv(-1, 3, heads=2)
        self.pool, self.head = nn.Linear(6, 4), nn.Linear(4, out)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, batch_size: int | None = None) -> Tensor:
        x = self.second(self.first(x, edge_index).relu(), edge_index).relu()
        return self.head(self.pool(global_mean_pool(x, batch, batch_size)).relu())


class ByData(Graphs):
    """Takes PyG's Data, as many do."""

    def forward(self, data: object) -> Tensor:
        return super().forward(data.x, data.edge_index, data.batch, data.batch_size)


class ByBatch(Graphs):
    """GraphGym's way: one argument, PyG's Batch; predictions and labels come back."""

    def forward(self, batch: object) -> tuple[Tensor, Tensor]:
        assert batch.num_graphs == batch.batch_size
        return super().forward(batch.x, batch.edge_index, batch.batch, batch.num_graphs), batch.y


class Sure(Graphs):
    """Ends in a softmax or a sigmoid."""

    def __init__(self, out: int = 3, end: str = "softmax") -> None:
        super().__init__(out)
        self.end = end

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, batch_size: int) -> Tensor:
        logits = super().forward(x, edge_index, batch, batch_size)
        return logits.softmax(dim=1) if self.end == "softmax" else logits.sigmoid()


class Forgetting(Graphs):
    """Drops in evaluation mode, too."""

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, batch_size: int) -> Tensor:
        return super().forward(nn.functional.dropout(x, 0.5), edge_index, batch, batch_size)


class Normalised(Graphs):
    """Fails in training on a batch of one graph, as PyTorch's BatchNorm does."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = Graphs()

    def forward(self, *args: object, **more: object) -> Tensor:
        return self.model(*args, **more)


class Edges(nn.Module):
    """Categories and edge features."""

    def __init__(self) -> None:
        super().__init__()
        self.atoms, self.bonds = nn.Embedding(4, 6), nn.Embedding(4, 6)
        self.conv, self.head = GINEConv(nn.Linear(6, 6)), nn.Linear(6, 1)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor, batch_size: int) -> Tensor:
        assert x.dtype == edge_attr.dtype == torch.long
        x = self.conv(self.atoms(x[:, 0]), edge_index, self.bonds(edge_attr[:, 0]))
        return self.head(global_add_pool(x, batch, batch_size))


class Attending(MessagePassing):
    """Message passing around a convolution: one state, not two."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = GCNConv(3, 6)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.propagate(edge_index, x=self.inner(x, edge_index))


class Headed(nn.Module):
    """States with a dimension for heads; all names begin with `module.`."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.ModuleDict({"conv": Attending(), "heads": nn.Unflatten(1, (2, 3)), "head": nn.Linear(3, 3)})

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.module["head"](self.module["heads"](self.module["conv"](x, edge_index)).mean(dim=1))


class Telling(nn.Module):
    """Tells its representations itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def represent(self, batch: GraphBatch) -> Representations:
        x = self.linear(batch.x)
        return Representations(x * 2, (batch.x, x), global_mean_pool(x, batch.batch, batch.num_graphs))


class Without(nn.Module):
    """Nothing that passes messages."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.layer(x)


class Unpooled(Graphs):
    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.head(self.pool(self.second(self.first(x, edge_index), edge_index)))


class Asking(Graphs):
    def forward(self, x: Tensor, edge_indices: Tensor) -> Tensor:
        return x


def config(target: type | str, **keys: object) -> TeacherConfig:
    path = target if isinstance(target, str) else f"{__name__}.{target.__name__}"
    return TeacherConfig(name="custom", target=path, readout="mean", **keys)


def make(target: type, spec: TaskSpec, **keys: object) -> nn.Module:
    torch.manual_seed(0)
    return build_teacher(config(target, **keys), spec).eval()


def batch_of(task: GraphTask) -> GraphBatch:
    return collate(task.graphs, None, torch.arange(len(task.graphs)))
