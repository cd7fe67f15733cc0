"""A student whose tokens are patches, from its training to its predictions, probes and profiles."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from small_runs import CONFIG
from small_tasks import make_node_task, preset

from gnn_distill import load
from gnn_distill.analysis import levels
from gnn_distill.errors import UserError
from gnn_distill.pipeline.student import check_student

pytestmark = pytest.mark.usefixtures("no_figures")

SMALL = (
    *(f"{model}.{key}" for model in ("teacher", "student") for key in ("hidden_channels=8", "num_layers=2")),
    *("student.num_heads=2", "student.gnn_layers=2", "trainer.max_epochs=2", "pretrain.max_epochs=1"),
    *("tracker=none", "trainer.threads=1", "trainer.accelerator=cpu", "hydra.run.dir=run"),
)
SIZES = ("num_train=40", "num_val=10", "num_test=10", "min_nodes=6", "max_nodes=10")
GRAPHS = ("dataset=typed_edges", *(f"dataset.{size}" for size in SIZES))
SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "CCO", "C", "CCN(CC)C(=O)c1ccccc1", "OC(=O)CCc1ccccc1", "CCOC(=O)CC", "[Na+].[Cl-]"]


def test_a_run_teaches_what_such_a_student_can_hear(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "FEWEST_GRAPHS", 20)
    words = ("probe.at_end=true", "probe.untrained=1", "probe.resamples=100", "probe.pairs=0", "probe.profile_graphs=4")
    words += ("probe.samples=1", "probe.layers=last", "probe.types=2", "dataset.num_test=20")
    status, _, err = gnn_distill("train", "student=graphvit", *SMALL, *GRAPHS, *words)
    assert (status, err) == (0, "")
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    terms = {name.removeprefix("train/") for name in rows if name.endswith(".weighted")}
    weighted = {"task", "soft", "macro_graph_relation", "align_subgraph", "align_graph"}
    assert terms == {f"{term}.weighted" for term in weighted}
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(summary["store"]["patches"])
    probes = json.loads((tmp_path / "run" / "probe.json").read_text())
    what = "its graph state alone is probed, and its indices are means over fewer families of targets"
    assert f"The student has no states of nodes: {what}." in probes["notices"]
    of_student, of_teacher = (probes["models"][role]["states"]["last"]["targets"] for role in ("student", "teacher"))
    assert {*of_student} < {*of_teacher}
    assert {*probes["models"]["student"]["states"]} == {"last"}
    profile = json.loads((tmp_path / "run" / "profile.json").read_text())
    assert profile["models"]["student"] == {"influence": None, "swap": None, "attention": None}
    assert profile["models"]["teacher"]["swap"] is not None
    status, _, err = gnn_distill("report", "run")
    assert (status, err) == (0, "")
    assert "no states of nodes" in next((tmp_path / "run").glob("*.html")).read_text()


def test_it_learns_from_its_twin(gnn_distill: Callable, tmp_path: Path) -> None:
    words = (
        "student=graphvit",
        "experiment=self_distillation",
        "loss=kd",
        "alignment.weights.graph=1",
        "signals.give=graphs",
    )
    status, _, err = gnn_distill("train", *words, "student.patches=bisection", *SMALL, *GRAPHS)
    assert (status, err) == (0, "")
    assert (tmp_path / "run" / "summary.json").exists()


def test_molecules_are_cut_as_in_training(gnn_distill: Callable, tmp_path: Path) -> None:
    table = pd.DataFrame({"smiles": SMILES * 6, "y": torch.arange(42.0).tolist()})
    table.to_csv(tmp_path / "own.csv", index=False)
    words = ("dataset=smiles", "dataset.path=own.csv", "dataset.smiles_column=smiles", "dataset.target_columns=[y]")
    status, _, err = gnn_distill("train", "student=graphvit", *words, "student.patches=brics", *SMALL)
    assert (status, err) == (0, "")
    student = load(tmp_path / "run")
    assert student.patching.source == "brics"
    together = student.predict(SMILES)
    torch.testing.assert_close(together, torch.cat([student.predict(one) for one in SMILES]), rtol=1e-4, atol=1e-4)
    other = student.predict(["O=C(O)c1ccccc1OC(C)=O", "OCC"])  # the same molecules, written in another order
    torch.testing.assert_close(other, together[:2], rtol=1e-4, atol=1e-4)


def test_labels_of_nodes_are_refused() -> None:
    with pytest.raises(UserError, match=r"student\.name=graphvit: it has no states of nodes, whose labels small nodes"):
        check_student(make_node_task(), replace(CONFIG, student=preset("student", "graphvit")))
