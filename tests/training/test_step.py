"""What processes of a run draw alone, and what they refuse to train together."""

from dataclasses import replace

import pytest
import torch
from small_tasks import make_node_task, make_task, preset
from torch import nn

from gnn_distill import ranks
from gnn_distill.config.schema.run import TrainConfig, TrainerConfig
from gnn_distill.errors import UserError
from gnn_distill.models import build_teacher
from gnn_distill.pipeline.fitting import check_ranks, synchronised
from gnn_distill.training.step import OwnDraws

CPU = torch.device("cpu")


def set_ranks(monkeypatch: pytest.MonkeyPatch, size: int, rank: int = 0) -> None:
    monkeypatch.setattr(ranks, "size", lambda: size)
    monkeypatch.setattr(ranks, "rank", lambda: rank)


def draws(rank: int, monkeypatch: pytest.MonkeyPatch, epoch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """What one of two processes draws alone, in two steps, and what it draws as all do."""
    set_ranks(monkeypatch, 2, rank)
    own, together = OwnDraws(5, CPU), []
    torch.manual_seed(0)
    own.start(epoch)
    alone = []
    for _ in range(2):
        with own():
            alone.append(torch.rand(3 + rank))
        together.append(torch.rand(3))
    return torch.cat(alone), torch.cat(together)


def test_what_a_process_draws_alone_leaves_the_draws_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    (first, shared), (second, other) = draws(0, monkeypatch), draws(1, monkeypatch)
    assert torch.equal(shared, other)
    assert not set(first.tolist()) & set(second.tolist())
    assert len(set(first.tolist())) == len(first)
    assert torch.equal(draws(1, monkeypatch)[0], second)
    assert not set(draws(1, monkeypatch, epoch=2)[0].tolist()) & set(second.tolist())


def test_one_process_draws_as_ever() -> None:
    own = OwnDraws(5, CPU)
    own.start(1)
    torch.manual_seed(0)
    with own():
        one = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), one)


def test_batch_norms_of_several_processes_need_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_task().spec
    gin, plain = (build_teacher(preset("teacher", name, norm="none"), spec) for name in ("gin", "gcn"))
    assert synchronised(gin, CPU, "teacher") is gin
    set_ranks(monkeypatch, 2)
    assert synchronised(plain, CPU, "teacher") is plain
    with pytest.raises(UserError, match=r"trainer.devices=2: the teacher has batch norms.*Set teacher.norm=layer or"):
        synchronised(gin, CPU, "teacher_2")
    with pytest.raises(UserError, match=r"the student has batch norms"):
        synchronised(gin, CPU, "alone")
    norms = [type(part) for part in synchronised(gin, torch.device("cuda"), "teacher").modules()]
    assert nn.SyncBatchNorm in norms
    assert nn.BatchNorm1d not in norms


def test_tasks_and_numbers_that_cannot_be_shared_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(student=preset("student", "graphormer"))
    check_ranks(make_node_task(), config, CPU)
    two = replace(config, trainer=TrainerConfig(devices="2"))
    with pytest.raises(UserError, match=r"trainer.devices=2: here a run has 1. Start it with gnn-distill train"):
        check_ranks(make_task(), two, CPU)
    set_ranks(monkeypatch, 2)
    check_ranks(make_task(), two, CPU)
    check_ranks(make_task(), replace(config, trainer=TrainerConfig(devices="auto")), CPU)
    with pytest.raises(UserError, match=r"trainer.devices=2: small nodes is one graph"):
        check_ranks(make_node_task(), two, CPU)
