"""What a training achieves: operations counted by PyTorch, against the peak that Fabric knows."""

from types import SimpleNamespace

import pytest
import torch
from small_tasks import make_graphs, make_spec
from torch import nn

from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.models.representations import Representations
from gnn_distill.training import throughput as module
from gnn_distill.training.throughput import throughput


class Linear(nn.Module):
    """One product, and a norm whose statistics would move in training."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(3), nn.Linear(3, 5)

    def forward(self, batch: GraphBatch) -> Representations:
        return Representations(self.linear(self.norm(batch.x)), (), batch.x)


def fabric_on(device: str) -> SimpleNamespace:
    precision = SimpleNamespace(precision="bf16-mixed")
    return SimpleNamespace(device=torch.device(device), strategy=SimpleNamespace(precision=precision))


def test_operations_per_second_and_their_share_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, model = collate(make_graphs(make_spec()), None, torch.tensor([1, 2])), Linear()
    flops = 3 * 2 * len(batch.x) * 3 * 5
    found = throughput(fabric_on("cpu"), model, batch, 4.0)
    assert found == {"steps_per_second": 4.0, "flops_per_step": flops, "flops_per_second": 4.0 * flops}
    assert model.training
    assert int(model.norm.num_batches_tracked) == 0
    peaks = {torch.bfloat16: 100 * flops}
    monkeypatch.setattr(module, "get_available_flops", lambda device, dtype: peaks[dtype])
    assert throughput(fabric_on("cuda"), model, batch, 4.0)["mfu"] == pytest.approx(0.04)
    monkeypatch.setattr(module, "get_available_flops", lambda device, dtype: None)
    assert "mfu" not in throughput(fabric_on("cuda"), model, batch, 4.0)
