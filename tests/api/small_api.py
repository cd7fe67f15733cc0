"""What tests of the Python API share: small settings, graphs and a module of one's own."""

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, global_mean_pool

MODELS = {
    "student.hidden_channels": 8,
    "student.num_heads": 2,
    "student.num_layers": 1,
    "trainer.max_epochs": 2,
    "pretrain.max_epochs": 2,
    "trainer.threads": 1,
    "trainer.accelerator": "cpu",
    "floors": "none",
}
SETTINGS = {
    "dataset": "typed_edges",
    "dataset.num_train": 20,
    "dataset.num_val": 10,
    "dataset.num_test": 20,
    "teacher.hidden_channels": 8,
    **MODELS,
}


class PlainGNN(nn.Module):
    """Two convolutions, of graphs or, without `batch`, of nodes."""

    def __init__(self, outputs: int = 1, pooled: bool = True) -> None:
        super().__init__()
        self.first, self.second = GCNConv(3, 8), GCNConv(8, 8)
        self.classify, self.pooled = nn.Linear(8, outputs), pooled

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        h = self.second(self.first(x, edge_index).relu(), edge_index).relu()
        return self.classify(global_mean_pool(h, batch) if self.pooled else h)


def rings(count: int = 40) -> list[Data]:
    """Rings of six nodes with random features."""
    random = torch.Generator().manual_seed(0)
    nodes = torch.arange(6)
    edges = torch.stack([nodes, nodes.roll(-1)])
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    return [Data(x=torch.randn(6, 3, generator=random), edge_index=edges) for _ in range(count)]
