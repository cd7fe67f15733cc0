"""A stage that is stopped, after whatever epoch, ends with the numbers of one that was not."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_runs
import torch
from small_tasks import make_node_task, make_runtime, make_separate_task, make_task, preset

from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    BaselineConfig,
    LossConfig,
    LossWeights,
    Ramp,
    ScheduleConfig,
)
from gnn_distill.config.schema.run import PretrainConfig, TrainConfig, TrainerConfig
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.interruption import Interrupted
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.teacher import RUNNING, train_teacher
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.storage import checkpoint, code_hash
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.training import loop as training
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult

CONFIG = replace(
    small_runs.CONFIG,
    teacher=preset("teacher", "gin", hidden_channels=8, num_layers=2, dropout=0.2),
    student=preset("student", "graphormer", hidden_channels=8, num_layers=2, num_heads=2, dropout=0.1),
    pretrain=PretrainConfig(max_epochs=4, batch_size=4),
    trainer=TrainerConfig(max_epochs=4, batch_size=4),
)
GPS = preset("student", "gps", hidden_channels=8, num_layers=2, num_heads=2, dropout=0.1)


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checkpointer, "SHARE", math.inf)


def run(folder: Path, task: GraphTask, config: TrainConfig, resume: bool = False) -> tuple[Runtime, Any, FitResult]:
    runtime = make_runtime(folder, resume=resume, precision=config.trainer.precision)
    if not resume:
        runtime.directory.remember(resumed=0)
    return runtime, *small_runs.run_stages(runtime, task, config)


@contextmanager
def stopped_after(stage: str, epoch: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A signal comes while that epoch is being recorded."""
    record = Runtime.record

    def record_and_ask(runtime: Runtime, kind: str, *rows: dict[str, float]) -> None:
        record(runtime, kind, *rows)
        if kind == stage and epoch in {row["epoch"] for row in rows}:
            runtime.interruption.asked = "SIGTERM"

    with monkeypatch.context() as patch:
        patch.setattr(Runtime, "record", record_and_ask)
        with pytest.raises(Interrupted, match="SIGTERM"):
            yield


def rows_of(runtime: Runtime) -> dict[str, dict[str, list[str]]]:
    """All numbers but seconds, to the last digit, as text: a term that does not count yet is NaN."""
    rows = read_metrics(runtime.directory.path)
    return {
        stage: {name: [*map(repr, values)] for name, values in columns.items() if name != "seconds"}
        for stage, columns in rows.items()
    }


@pytest.mark.parametrize(
    ("task", "config"),
    [
        (make_task("regression", edges="categorical"), CONFIG),
        (make_task(), replace(CONFIG, loss=replace(CONFIG.loss, balance="gradient", balance_every=2))),
        (make_task(), replace(CONFIG, student=GPS, loss=LossConfig(baseline=BaselineConfig(crd=1.0, lsp=1.0)))),
        (make_node_task(), replace(CONFIG, student=GPS, loss=LossConfig(baseline=BaselineConfig(gcrd=1.0)))),
        (make_separate_task("regression"), CONFIG),
        (
            make_node_task(),
            replace(
                CONFIG,
                student=preset("student", "nagphormer", hidden_channels=8, num_heads=2),
                trainer=TrainerConfig(max_epochs=4, batch_nodes=5),
            ),
        ),
        (
            make_task(),
            replace(
                CONFIG,
                loss=replace(CONFIG.loss, schedule=ScheduleConfig(soft=Ramp([0.2, 0.8]), align=Ramp(leave=[0.2, 0.8]))),
                alignment=replace(CONFIG.alignment, measure="infonce"),
                trainer=replace(CONFIG.trainer, patience=2),
            ),
        ),
        (
            make_task(),
            replace(
                CONFIG,
                loss=LossConfig(weights=LossWeights(task=0.0)),
                alignment=AlignmentConfig(weights=AlignmentWeights(node=1.0), reuse_head=True),
                trainer=replace(CONFIG.trainer, precision="bf16-mixed"),
            ),
        ),
        (
            make_task(),
            replace(
                CONFIG,
                teacher=replace(CONFIG.teacher, norm="batch", ensemble=2),
                student=replace(GPS, norm="batch"),
                pretrain=replace(CONFIG.pretrain, select="average"),
                trainer=replace(CONFIG.trainer, select="average"),
            ),
        ),
    ],
    ids=[
        *("full", "balance", "batch norm, sampled negatives", "nodes", "nodes of many graphs", "mini-batches of nodes"),
        *("schedule, patience, InfoNCE", "reused head, bf16", "two teachers, mean weights"),
    ],
)
def test_a_stage_that_goes_on_is_the_same_to_the_last_bit(
    task: GraphTask, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, student, fitted = run(tmp_path / "whole", task, config)
    for stage, epoch in (("teacher", 2), ("student", 1), ("student", 3)):
        with stopped_after(stage, epoch, monkeypatch):
            run(tmp_path / "parts", task, config, resume=(tmp_path / "parts").exists())
    torch.manual_seed(99)
    runtime, same, other = run(tmp_path / "parts", task, config, resume=True)
    assert other.resumed == 3
    assert runtime.directory.recorded >= {("teacher", 2), ("student", 3)}
    for name, value in student.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
    assert (other.best, other.best_epoch, other.epochs) == (fitted.best, fitted.best_epoch, 4)
    assert other.selected == fitted.selected
    assert rows_of(runtime) == rows_of(whole)


def test_a_teacher_that_was_stopped_is_finished_by_whoever_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task()
    task_loss, plan = make_task_loss(task, CONFIG.task), plan_teacher(CONFIG, task)
    expected, entry = train_teacher(make_runtime(tmp_path / "whole"), task, None, task_loss, plan)
    with stopped_after("teacher", 3, monkeypatch):
        train_teacher(make_runtime(tmp_path / "one", tmp_path / "store"), task, None, task_loss, plan)
    trained = []
    monkeypatch.setattr(training, "rate_factor", lambda *_: trained.append(1) or 0.0)
    teacher, entry = train_teacher(make_runtime(tmp_path / "two", tmp_path / "store"), task, None, task_loss, plan)
    assert len(trained) == 3, "of 4 epochs of 3 steps only the last was left"
    assert not entry.found
    assert not (entry.path / RUNNING).exists()
    assert {*teacher.state_dict()} == {*expected.state_dict()}


def test_a_stage_that_had_ended_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task()
    _, student, fitted = run(tmp_path, task, CONFIG)
    monkeypatch.setattr(training, "rate_factor", lambda *_: pytest.fail("trained again"))
    _, same, other = run(tmp_path, task, CONFIG, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), same.parameters(), strict=True))
    assert (other.best, other.resumed, other.earlier > 0) == (fitted.best, 4, True)


def test_a_damaged_state_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stopped_after("student", 2, monkeypatch):
        run(tmp_path, make_task(), CONFIG)
    last = tmp_path / "run" / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"last\.safetensors"):
        run(tmp_path, make_task(), CONFIG, resume=True)


def test_memory_that_runs_out_halves_batches_and_loses_no_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task, sizes, step = make_task(), [], torch.optim.AdamW.step

    def run_out(optimizer: torch.optim.Optimizer, *args: object, **kwargs: object) -> object:
        sizes.append(1)
        if len(sizes) in (17, 18):  # in the second epoch of the student, after 12 steps of the teacher, and again
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(optimizer, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", run_out)
    runtime, _, fitted = run(tmp_path, task, CONFIG)
    assert (fitted.parts, fitted.epochs, fitted.resumed) == (4, 4, 1)
    assert rows_of(runtime)["student"]["epoch"] == ["1.0", "2.0", "3.0", "4.0"]
    assert len(sizes) == 12 + 3 + 2 + 1 + 3 * 12
    assert checkpoint.load(runtime.directory.last)["parts"] == 4
    assert "batches of 1/4 of their size" in capsys.readouterr().out


def test_memory_that_runs_out_ends_a_run_that_wants_it_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    alone = replace(CONFIG, trainer=replace(CONFIG.trainer, out_of_memory="stop"))
    task = make_task()
    train_teacher(make_runtime(tmp_path), task, None, make_task_loss(task, CONFIG.task), plan_teacher(CONFIG, task))
    monkeypatch.setattr(torch.optim.AdamW, "step", run_out)
    with pytest.raises(UserError, match=r"1/1 of their size.*Lower trainer\.batch_size"):
        run(tmp_path, task, alone, resume=False)


def test_a_run_goes_on_with_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task, config = make_task(), replace(CONFIG, alignment=replace(CONFIG.alignment, source="walk"))
    whole, student, _ = run(tmp_path / "whole", task, config)
    with stopped_after("student", 2, monkeypatch):
        run(tmp_path, task, config)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr("gnn_distill.storage.code_hash.version_of", lambda package: "another")
    monkeypatch.setattr("gnn_distill.storage.code_hash._known", code_hash._code_of)
    runtime, same, _ = run(tmp_path, task, config, resume=True)
    assert "keeps the gin teacher of small that it started with" in capsys.readouterr().out
    assert {kind for kind, keys in runtime.store.used.items() if keys != whole.store.used[kind]} == set()
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), same.parameters(), strict=True))
    assert rows_of(runtime) == rows_of(whole)
    shutil.rmtree(tmp_path / "store" / "teachers")
    runtime, *_ = run(tmp_path, task, config, resume=True)
    assert "gin teacher of small that this run started with is gone from the store" in capsys.readouterr().out
    assert runtime.store.used["teachers"] != whole.store.used["teachers"]
