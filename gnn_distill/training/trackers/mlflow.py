"""MLflow: a database file below outputs/, or the server that `tracker.uri` or MLFLOW_TRACKING_URI names."""

import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from filelock import FileLock

from gnn_distill.training.tracker import TrackedRun, Tracker, flat, scores_of

TITLE = "MLflow"
URI = "sqlite:///outputs/mlflow/mlflow.db"
SQLITE = "sqlite:///"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own patience with a server that is not there is minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Where the user has not set them."""
ID = "gnn_distill.run"
"""Tag by which a resumed run finds its run."""
BETWEEN_WRITES = 1.0
"""Seconds; epochs that are shorter are sent together."""
UNKNOWN = re.compile(r"[^\w\-. :/]")
"""What a name may not have."""
LONGEST_NAME, LONGEST_VALUE = 250, 6000
MOST_PARAMS, MOST_METRICS = 100, 1000
"""Of a request."""


class MlflowTracker(Tracker):
    """A run of MLflow's; the step of every metric is its epoch."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._id = client, run_id
        self._waiting: list[Any] = []
        self._written = 0.0

    def log(self, stage: str, row: Mapping[str, float]) -> None:
        """A metric each, as in student/val/accuracy."""
        self._add(stage, int(row["epoch"]), {key: value for key, value in row.items() if key != "epoch"})
        if time.monotonic() - self._written > BETWEEN_WRITES:
            self._write()

    def restore(self, stage: str, rows: Sequence[Mapping[str, float]]) -> None:
        """Those values that MLflow lacks: what it is told twice it holds twice."""
        known: dict[str, set[int]] = {}
        for row in rows:
            for key in row.keys() - known.keys():
                history = self._client.get_metric_history(self._id, name_of(f"{stage}/{key}"))
                known[key] = {point.step for point in history}
            step = int(row["epoch"])
            missing = {key: value for key, value in row.items() if key != "epoch" and step not in known[key]}
            self._add(stage, step, missing)
        self._write()

    def summary(self, values: Mapping[str, Any]) -> None:
        """The metrics of all models, and the whole as an artifact."""
        self._add("summary", 0, scores_of(values))
        self._client.log_dict(self._id, dict(values), "summary.json")

    def image(self, key: str, path: str) -> None:
        """An artifact below figures/."""
        self._client.log_artifact(self._id, path, "figures")

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table of MLflow's."""
        data = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else {name: [] for name in columns}
        self._client.log_table(self._id, {name: list(cells) for name, cells in data.items()}, f"tables/{key}.json")

    def artifact(self, key: str, kind: str, files: Sequence[str]) -> None:
        """Artifacts in a folder."""
        for path in files:
            self._client.log_artifact(self._id, path, key)

    def finish(self, completed: bool = True) -> None:
        """A run that has not come to its end counts as killed until it is resumed."""
        self._write()
        self._client.set_terminated(self._id, "FINISHED" if completed else "KILLED")

    def settings(self, values: Mapping[str, Any]) -> None:
        """Parameters as in optim.lr, as far as MLflow lacks them: it changes none. Whole, they are an artifact."""
        from mlflow.entities import Param

        known = self._client.get_run(self._id).data.params
        params = {name_of(key): str(value)[:LONGEST_VALUE] for key, value in flat(values, ".").items()}
        lacking = [Param(key, value) for key, value in params.items() if key not in known]
        for at in range(0, len(lacking), MOST_PARAMS):
            self._client.log_batch(self._id, params=lacking[at : at + MOST_PARAMS])
        self._client.log_dict(self._id, dict(values), "config.json")

    def _add(self, prefix: str, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._waiting += [Metric(name_of(f"{prefix}/{key}"), value, now, step) for key, value in values.items()]

    def _write(self) -> None:
        self._written = time.monotonic()
        while self._waiting:  # what cannot be sent now is sent with the next
            self._client.log_batch(self._id, metrics=self._waiting[:MOST_METRICS])
            del self._waiting[:MOST_METRICS]


def start(config: SimpleNamespace, run: TrackedRun) -> MlflowTracker:
    """A new run of the experiment `tracker.project`, or the one that is resumed."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    uri, place, lock = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or URI, None, nullcontext()
    if uri.startswith(SQLITE):
        file = Path(uri.removeprefix(SQLITE)).resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        place = (file.parent / "artifacts").as_uri()
        # MLflow makes a new database table by table: two runs that do so at once are in each other's way.
        lock = FileLock(file.with_name(f"{file.name}.lock"))
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    with lock:
        client = MlflowClient(tracking_uri=uri)
        if (found := client.get_experiment_by_name(config.project)) is None:
            with suppress(MlflowException):  # another run may have made it this moment
                client.create_experiment(config.project, artifact_location=place)
            found = client.get_experiment_by_name(config.project)
    experiment = found.experiment_id
    known = client.search_runs([experiment], f"tags.`{ID}` = '{run.id}'") if run.resumed else []
    if known:
        run_id = known[0].info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        tags = {ID: run.id, "group": run.group} | dict.fromkeys(run.tags, "")
        tags = {key: value for key, value in tags.items() if value is not None}
        run_id = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
    tracker = MlflowTracker(client, run_id)
    tracker.settings(run.config)
    tracker.where = ui(uri) if uri.startswith(SQLITE) else uri
    return tracker


def ui(uri: str) -> str:
    """The command that shows a database; it comes with the whole of MLflow, not with mlflow-skinny."""
    return shlex.join(["mlflow", "ui", "--backend-store-uri", uri])


def name_of(key: str) -> str:
    """A key as MLflow takes it."""
    return UNKNOWN.sub("_", key)[:LONGEST_NAME]
