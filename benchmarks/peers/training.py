"""A peer's training: PyG's loader, and the loop that everybody writes."""

from collections.abc import Callable, Iterable

import torch
from lightning_fabric import Fabric
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from benchmarks.timing import CLOCKS, wait_for_device


class PeerTraining:
    """Random batches, task loss, clipped gradients, AdamW; with Fabric's precision and device, as ours."""

    def __init__(
        self, fabric: Fabric, model: nn.Module, data_list: list[Data], batch_size: int, loss: Callable, clock: str
    ) -> None:
        self.fabric, self.plain, self.loss, self.clock = fabric, model, loss, CLOCKS[clock]
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
        self.model, self.optimizer = fabric.setup(model, optimizer)
        on_gpu = fabric.device.type == "cuda"
        self.loader = DataLoader(data_list, batch_size, shuffle=True, pin_memory=on_gpu)
        self.graphs, self.kept = len(data_list), None

    def epoch(self) -> float:
        """Seconds a graph in an epoch, loading included."""
        return self._train(self.loader)

    def step(self) -> float:
        """Seconds a graph in an epoch whose batches are at hand."""
        if self.kept is None:
            self.kept = [batch.to(self.fabric.device) for batch in self.loader]
        return self._train(self.kept)

    def parameters(self) -> int:
        """Learned scalars."""
        return sum(parameter.numel() for parameter in self.plain.parameters())

    def _train(self, batches: Iterable[Batch]) -> float:
        self.model.train()
        wait_for_device()
        started = self.clock()
        for batch in batches:
            self.optimizer.zero_grad()
            batch = batch.to(self.fabric.device)
            self.fabric.backward(self.loss(self.model(batch), batch.y))
            nn.utils.clip_grad_norm_(self.plain.parameters(), 5.0)
            self.optimizer.step()
        wait_for_device()
        return (self.clock() - started) / self.graphs
