"""MLflow's runs, read by MLflow's client."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracked

from gnn_distill.training.tracking import start_tracker

pytest.importorskip("mlflow", reason="the extra .[mlflow] is not installed")
pytestmark = pytest.mark.slow  # a new database alone takes MLflow seconds


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Of the database that runs in an empty folder share."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")

    def open_database() -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/outputs/mlflow/mlflow.db")

    return open_database


def only_run(client: Any) -> Any:
    (run,) = client.search_runs([client.get_experiment_by_name("gnn-distill").experiment_id])
    return run


def points(client: Any, run: Any, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]


@pytest.mark.parametrize("resumed", [False, True])
def test_every_epoch_is_there_once_at_its_step(tmp_path: Path, client: Any, resumed: bool) -> None:
    warnings: list[str] = []
    if resumed:
        tracked.killed(tmp_path, "mlflow", warnings.append)
        run = only_run(client())
        assert run.info.status == "KILLED"
        assert len(points(client(), run, "student/lr")) == 2
    where = tracked.whole(tmp_path, "mlflow", warnings.append, resumed)
    assert warnings == []
    assert where == "MLflow: mlflow ui --backend-store-uri sqlite:///outputs/mlflow/mlflow.db"
    found, run = client(), only_run(client())
    for stage, last in (("teacher", 3), ("student", 5)):
        for key in ("lr", "val/accuracy"):
            kept = sorted(points(found, run, f"{stage}/{key}"))
            np.testing.assert_array_equal(kept, [(row["epoch"], row[key]) for row in tracked.rows(1, last)])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "student<-gin"
    assert run.data.metrics["summary/student/test/accuracy"] == 2 / 3
    assert run.data.params["optim.lr"] == "0.001"
    assert run.data.params["long"] == tracked.LONG[:6000]
    assert (run.data.tags["group"], run.data.tags["a"]) == ("group", "")
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert folder.is_relative_to(tmp_path / "outputs" / "mlflow")
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert kept == {
        *("config.json", "summary.json", "figures/loss.png", "tables/scores.json", "student/student.safetensors")
    }
    assert tracked.LONG in (folder / "config.json").read_text()


def test_runs_that_start_at_once_make_one_database(tmp_path: Path, client: Any) -> None:
    warnings: list[str] = []
    config = tracked.config("mlflow")
    started = [
        start_tracker(config, tmp_path, name, "group", [], warnings.append, name, False) for name in ("first", "second")
    ]
    for run in started:
        run.log("student", tracked.rows(1, 1)[0])
    for run in started:
        run.finish(timeout=240.0)
    assert warnings == []
    found = client()
    runs = found.search_runs([found.get_experiment_by_name("gnn-distill").experiment_id])
    assert {(run.info.run_name, run.info.status) for run in runs} == {("first", "FINISHED"), ("second", "FINISHED")}


def test_a_server_that_is_not_there_costs_one_warning_and_no_time(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert tracked.whole(tmp_path, "mlflow", warnings.append, uri="http://127.0.0.1:9") == ""
    (warning,) = warnings
    assert warning.startswith("MLflow stopped (MlflowException: API request to http://127.0.0.1:9")


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").touch()
    warnings: list[str] = []
    assert tracked.whole(tmp_path, "mlflow", warnings.append) == ""
    (warning,) = warnings
    assert warning.startswith("MLflow stopped (")
    assert not os.path.isdir("outputs")
