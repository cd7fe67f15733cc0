"""Whole runs: what lies in their folders, what they share, and that what they leave can be trusted."""

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file
from small_tasks import make_graphs, make_spec

import gnn_distill as package
from gnn_distill.config.schema.data import PathsConfig, TUDatasetConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError
from gnn_distill.pipeline import evaluate
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.training.metrics import Metrics

QUICK = ("trainer.threads=1", "trainer.accelerator=cpu", "tracker=none", "hydra.run.dir=run")
MUTAG = ("train", "dataset=mutag", "trainer.max_epochs=3", "pretrain.max_epochs=3", "seed=5", *QUICK)
GENERATED = (
    *("train", "dataset=typed_edges"),
    *("dataset.num_train=32", "dataset.num_val=16", "dataset.num_test=16", "trainer.max_epochs=2"),
    *("pretrain.max_epochs=2", *QUICK),
    *("teacher.hidden_channels=16", "student.hidden_channels=16", "student.num_layers=2"),
)
FIVE = Features("continuous", (5,))
TERMS = ("task", "soft", "micro_relation", "macro_graph_relation", "align_node", "align_subgraph", "align_graph")


def summary_of(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "summary.json").read_text())


def weights_equal(one: Path, other: Path) -> bool:
    ours, theirs = (load_file(folder / "student.safetensors") for folder in (one, other))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.fixture(scope="module")
def mutag(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a shell trained on MUTAG: run/, data/ and store/."""
    folder = tmp_path_factory.mktemp("mutag")
    words = [*MUTAG, f"paths.mirror={mirror}", "paths.data=data", "paths.store=store"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "gnn_distill", *words]
    answer = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr
    (folder / "told").write_text(answer.stdout)
    return folder


@pytest.fixture
def on_mutag(gnn_distill: Callable, mirror: Path, mutag: Path) -> Callable[..., str]:
    """Train on MUTAG in this process, into run/; gives what it told."""

    def train(*words: str, store: Path) -> str:
        places = (f"paths.mirror={mirror}", f"paths.data={mutag / 'data'}", f"paths.store={store}")
        status, out, err = gnn_distill(*MUTAG, *places, *words)
        assert (status, err) == (0, "")
        return out

    return train


@pytest.fixture(scope="module")
def mutag_task(mirror: Path, mutag: Path) -> GraphTask:
    paths = PathsConfig(data=str(mutag / "data"), mirror=str(mirror))
    return load_task(TUDatasetConfig(name="MUTAG", metric="accuracy"), paths)


def test_a_run_leaves_a_folder_that_tells_all(mutag: Path) -> None:
    run = mutag / "run"
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files >= {
        *("summary.json", "metrics.csv", "student.safetensors", "student.json"),
        *(f"checkpoints/{name}.safetensors" for name in ("last", "teacher")),
        *(f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides")),
    }
    assert any(name.startswith("figures/") and name.endswith(".png") for name in files)
    assert not any(Path(name).name.startswith(".") for name in files)  # nothing half-written

    summary = summary_of(run)
    for role in ("teacher", "student"):
        assert list(summary[role]) == ["train", "val", "test"]
        for scores in summary[role].values():
            assert list(scores) == ["accuracy", "roc_auc", "average_precision", "macro_f1", "balanced_accuracy"]
            assert all(0 <= value <= 1 for value in scores.values())
    assert summary["split"]["sizes"] == {"train": 152, "val": 17, "test": 19}
    assert (summary["seed"], summary["epochs"]) == (5, 3)
    assert summary["best_epoch"] in (1, 2, 3)
    assert summary["reused"] == {"teacher": False, "signals": False, "encodings": False}
    assert set(summary["seconds"]) >= {"data", "teacher", "signals", "encodings", "student", "evaluation"}
    assert len(summary["config_hash"]) >= 8
    assert {"python", "platform", "device", "threads"} <= summary["environment"].keys()
    saved = load_file(run / "student.safetensors")
    assert summary["parameters"]["student"] == sum(value.numel() for value in saved.values())


def test_metrics_tell_every_epoch_of_both_stages(mutag: Path) -> None:
    with open(mutag / "run" / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        (stage, str(epoch)) for stage in ("teacher", "student") for epoch in (1, 2, 3)
    ]
    stages = read_metrics(mutag / "run")
    summary = summary_of(mutag / "run")
    for name in TERMS:
        assert all(map(math.isfinite, stages["student"][f"train/{name}"] + stages["student"][f"train/{name}.weighted"]))
    best = summary["best_epoch"] - 1
    for name, value in summary["student"]["val"].items():
        assert stages["student"][f"val/{name}"][best] == pytest.approx(value, abs=1e-6)
    assert stages["student"]["val/accuracy"][best] == max(stages["student"]["val/accuracy"])


def test_the_terminal_shows_the_result(mutag: Path) -> None:
    told, summary = (mutag / "told").read_text(), summary_of(mutag / "run")
    assert "152 train, 17 val, 19 test graphs" in told
    assert all(f"{100 * summary[role]['test']['accuracy']:.1f}" in told for role in ("teacher", "student"))
    assert "Files: " in told
    assert "\x1b" not in told


def test_another_weight_finds_teacher_and_signals(mutag: Path, on_mutag: Callable, tmp_path: Path) -> None:
    told = on_mutag("loss.weights.micro=0.5", store=mutag / "store")
    assert next(line for line in told.splitlines() if line.startswith("Found in")).endswith(
        "teacher, signals, encodings"
    )
    first, second = summary_of(mutag / "run"), summary_of(tmp_path / "run")
    assert all(second["reused"].values())
    assert second["teacher"] == first["teacher"]
    assert second["config_hash"] != first["config_hash"]
    assert not weights_equal(mutag / "run", tmp_path / "run")
    assert read_metrics(tmp_path / "run")["teacher"] == read_metrics(mutag / "run")["teacher"]
    for kind in ("teachers", "signals", "encodings"):
        assert len([path for path in (mutag / "store" / kind).iterdir() if path.is_dir()]) == 1


def test_equal_seeds_and_separate_stores_give_equal_results(mutag: Path, on_mutag: Callable, tmp_path: Path) -> None:
    on_mutag(store=tmp_path / "store")
    first, second = summary_of(mutag / "run"), summary_of(tmp_path / "run")
    assert not any(second["reused"].values())
    for key in ("teacher", "student", "best_epoch", "data", "parameters"):
        assert first[key] == second[key], key
    assert weights_equal(mutag / "run", tmp_path / "run")


def test_the_student_of_a_run_gives_its_test_metric(mutag: Path, mutag_task: GraphTask) -> None:
    from torch_geometric.datasets import TUDataset

    summary, ids = summary_of(mutag / "run"), mutag_task.splits.test
    predictor = package.load(mutag / "run")
    graphs = TUDataset(mutag / "data" / "TUDataset", "MUTAG", use_node_attr=True, use_edge_attr=True)
    packed = mutag_task.graphs.select(ids)
    for some in (packed, [graphs[int(graph)] for graph in ids]):
        metrics = Metrics(mutag_task.spec)
        metrics.update(predictor.logits(some), packed.y)
        assert metrics.compute() == pytest.approx(summary["student"]["test"], abs=1e-6)
        right = (predictor.predict(some) > 0.5) == packed.y.bool()
        assert float(right.double().mean()) == pytest.approx(summary["student"]["test"]["accuracy"])


@pytest.fixture
def generated(gnn_distill: Callable) -> Callable[..., tuple[int, str, str]]:
    return lambda *words: gnn_distill(*GENERATED, *words)


def test_without_a_teacher(generated: Callable, tmp_path: Path) -> None:
    status, told, err = generated("teacher=none")
    assert (status, err) == (0, "")
    summary = summary_of(tmp_path / "run")
    assert "teacher" not in summary
    assert list(summary["reused"]) == ["encodings"]
    assert list(summary["parameters"]) == ["student"]
    assert list(read_metrics(tmp_path / "run")) == ["student"]
    assert not (tmp_path / "run" / "checkpoints" / "teacher.safetensors").exists()
    assert "ahead of teacher" not in told
    assert "level with teacher" not in told


def test_the_run_of_no_words_compares_three_models_and_shows_what_reaches_a_node(
    gnn_distill: Callable, tmp_path: Path
) -> None:
    """Its data, teacher and student alone come with the preset; smaller here."""
    smaller = (word for word in GENERATED[1:] if word != "dataset=typed_edges")
    status, told, err = gnn_distill("train", *smaller, "probe.profile_graphs=8", "probe.samples=2")
    assert (status, err) == (0, "")
    run = tmp_path / "run"
    summary = summary_of(run)
    assert summary["dataset"] == "far_motif_small"
    roles = {"teacher": "teacher", "alone": "student alone", "student": "student"}
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if line.startswith("│")]
    shown = {role: [f"{100 * summary[role][part]['accuracy']:.1f}" for part in ("val", "test")] for role in roles}
    assert rows[2:5] == [[name, *shown[role]] for role, name in roles.items()]  # below what costs nothing
    assert rows[-1][0] == "gain by its teacher"
    profile = read_json(run / "profile.json")
    assert list(profile["models"]) == list(profile["errors"]["models"]) == list(roles)
    right = sum(one["value"] * one["examples"] for one in profile["errors"]["models"]["alone"])
    assert right / 16 == pytest.approx(summary["alone"]["test"]["accuracy"], abs=1e-5)
    assert not (run / "probe.json").exists()
    assert told.splitlines()[-1].startswith("What reaches a node, from how far: gnn-distill report ")
    assert gnn_distill("report", "run")[0] == 0
    page = (run / "report.html").read_text()
    assert "What reaches a node" in page
    assert "student alone, reach" in page


def test_a_run_keeps_what_it_told_and_how_it_was_split(generated: Callable, tmp_path: Path) -> None:
    status, told, err = generated("teacher=none", "student=transformer", "trainer.max_epochs=1")
    assert (status, err) == (0, "")
    run = tmp_path / "run"
    assert (run / "console.log").read_text().split() == told.split()
    summary = summary_of(run)
    assert summary["split"] == {
        **{"kind": "generated", "asked": "auto", "fold": 0, "split_seed": 0},
        "sizes": {"train": 32, "val": 16, "test": 16},
    }
    ids = load_file(run / "split.safetensors")
    assert {part: len(ids[part]) for part in ids} == summary["split"]["sizes"]
    assert torch.cat([ids[part] for part in ("train", "val", "test")]).tolist() == list(range(64))
    assert "split.safetensors" in json.loads((run / "manifest.json").read_text())["files"]


def test_why_a_run_failed_is_kept_until_it_goes_on(
    generated: Callable, gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("gnn_distill.pipeline.run.train_student", Mock(side_effect=UserError("Lower the learning rate.")))
        assert generated("student=transformer")[0] == 1
    failed = json.loads((run / "failed.json").read_text())
    assert "Lower the learning rate" in failed["error"]
    assert "traceback" not in failed
    assert (run / "console.log").read_text().splitlines()[-1] == f"Failed: {failed['error']}"

    assert gnn_distill("train", "resume=run")[0] == 0
    assert not (run / "failed.json").exists()


def test_a_run_is_that_of_the_file_it_has_read(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "own.csv"
    table.write_text("smiles,y\n" + "".join(f"{'C' * n},{n / 2}\n" for n in range(1, 31)))
    plain = evaluate.evaluate_splits

    def write_anew(*given: Any, **more: Any) -> Any:
        table.write_text(table.read_text() + "CCO,3\n")
        return plain(*given, **more)

    monkeypatch.setattr(evaluate, "evaluate_splits", write_anew)
    words = ("train", "dataset=smiles", "dataset.path=own.csv", "teacher=none", "trainer.max_epochs=1", *QUICK)
    assert gnn_distill(*words)[0] == 0
    began_as = json.loads((tmp_path / "run" / "run.json").read_text())["config_hash"]
    assert summary_of(tmp_path / "run")["config_hash"] == began_as


def test_a_job_that_is_refused_keeps_why(gnn_distill: Callable, tmp_path: Path) -> None:
    status, _, err = gnn_distill("train", "-m", "hydra.sweep.dir=sweep", "tracker=none", "optim.lr=-1,-2")
    assert status == 1
    failed = json.loads((tmp_path / "sweep" / "0" / "failed.json").read_text())["error"]
    assert failed.startswith("optim.lr=-1")
    assert failed in err


def test_a_training_outlives_its_reader(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ("teacher=none", "student=transformer", "trainer.max_epochs=1")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        status, _, err = gnn_distill(*GENERATED, *words)
    assert status == 0
    assert err.count("output is discarded from here on (Broken pipe)") == 1
    assert "student" in (tmp_path / "run" / "console.log").read_text()
    assert (tmp_path / "run" / "summary.json").is_file()


def test_a_run_returns_its_validation_metric(
    generated: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gnn_distill.cli import train

    returned, main = [], train.main
    monkeypatch.setattr(train, "main", lambda cfg: returned.append(main(cfg)))
    assert generated("loss=kd", "trainer.test=false", "dataset.metric=roc_auc")[0] == 0
    summary = summary_of(tmp_path / "run")
    assert returned == pytest.approx([summary["student"]["val"]["roc_auc"]], abs=1e-6)
    for role in ("teacher", "student"):
        assert list(summary[role]) == ["train", "val"]
        assert next(iter(summary[role]["val"])) == "roc_auc"


def test_half_precision_runs(generated: Callable, tmp_path: Path) -> None:
    """With the gradients of single terms, too, for which the rule on 16-mixed recommends it."""
    words = ("loss.balance=gradient", "debug.gradients=true")
    status, _, err = generated("trainer.precision=bf16-mixed", "student=transformer", *words)
    assert (status, err) == (0, "")
    seen = read_metrics(tmp_path / "run")["student"]
    assert all(0 < norm < math.inf for norm in seen["train/align_node.grad_norm"] + seen["train/task.grad_norm"])
    assert package.load(tmp_path / "run").predict(make_graphs(make_spec(node_features=FIVE))).isfinite().all()


def test_a_loss_that_explodes_is_one_message(generated: Callable, tmp_path: Path) -> None:
    status, _, err = generated("pretrain.optim.lr=1e30", "trainer.max_epochs=5", "pretrain.max_epochs=5")
    assert status == 1
    assert len(err.splitlines()) == 1
    assert "Lower the learning rate" in err
    assert not (tmp_path / "run" / "summary.json").exists()
    assert not list(tmp_path.rglob("teacher.safetensors"))


def test_a_folder_with_a_finished_run_is_not_written_over(generated: Callable, tmp_path: Path) -> None:
    assert generated("teacher=none")[0] == 0
    before = (tmp_path / "run" / "summary.json").read_text()
    status, _, err = generated("teacher=none")
    assert status == 1
    assert "holds a finished run" in err
    assert (tmp_path / "run" / "summary.json").read_text() == before


SMILES = (
    *("C", "CC", "CCC", "CCO", "CCN", "CCCl", "c1ccccc1", "Cc1ccccc1", "Oc1ccccc1", "CC(=O)O"),
    *("CC(C)C", "C1CCCCC1", "CC=O", "CC#N", "COC", "C1CC", "OCCO", "not a molecule", "CCS", "FC(F)F"),
)


def test_molecules_of_a_table_with_broken_lines(gnn_distill: Callable, tmp_path: Path) -> None:
    table = tmp_path / "my.csv"
    lines = [f"{smiles},{10 * len(smiles)},{number % 2}" for number, smiles in enumerate(SMILES)]
    table.write_text("\n".join(["molecule,weight,toxic", *lines]) + "\n")
    status, told, err = gnn_distill(
        *("train", "dataset=smiles", "dataset.path=my.csv", "dataset.smiles_column=molecule", "dataset.name=mine"),
        *("dataset.target_columns=[weight]", "trainer.max_epochs=2", "pretrain.max_epochs=2", *QUICK),
    )
    assert (status, err) == (0, "")
    assert "2 of 20" in told
    assert all(text in told for text in ("C1CC", "not a molecule"))
    summary = summary_of(tmp_path / "run")
    assert sum(summary["split"]["sizes"].values()) == 18
    assert summary["notices"] == [line for line in told.splitlines() if line.startswith(("Note: ", "Warning: "))] != []
    assert json.loads((tmp_path / "run" / "run.json").read_text())["notices"] == summary["notices"]
    predictor = package.load(tmp_path / "run")
    dataset = SmilesConfig(
        name="mine", path=str(table), smiles_column="molecule", target_columns=["weight"], metric=None
    )
    task = load_task(dataset, PathsConfig())
    assert task.fingerprint == summary["data"]
    assert summary["shared_molecules"] == task.shared
    assert summary["shared_graphs"] == task.shared_graphs
    assert set(task.shared) == {"train_val", "train_test", "val_test"}
    good = [smiles for smiles in SMILES if smiles not in ("C1CC", "not a molecule")]
    values = predictor.predict([good[graph] for graph in task.splits.test])
    error = (values - task.graphs.y[task.splits.test]).square().mean().sqrt()
    assert float(error) == pytest.approx(summary["student"]["test"]["rmse"], rel=1e-4)
    with pytest.raises(package.errors.UserError, match=r"Input 1 .*not a readable SMILES"):
        predictor.predict(["CCO", "C1CC"])
