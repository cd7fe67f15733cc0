"""Every loss, ablation, baseline, schedule and control runs by its one word, on graphs and on nodes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_tasks import choices
from test_combinations import few

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline import run as train
from gnn_distill.storage.run_directory import read_metrics

GROUPS = ("loss", "alignment", "schedule", "experiment")
PRESETS = [f"{group}={name}" for group in GROUPS for name in choices(group) if name != "zinc"]  # a data set of its own


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the data and the store of all runs; few examples, loaded once; no figures, which take longest."""
    tasks: dict[str, GraphTask] = {}

    def load_few(dataset: DatasetConfig, paths: PathsConfig) -> GraphTask:
        if dataset.name not in tasks:
            tasks[dataset.name] = few(load_task(dataset, paths))
        return tasks[dataset.name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "load_task", load_few)
        patch.setattr(train, "learning_curves", lambda *_: [])
        yield tmp_path_factory.mktemp("presets")


@pytest.mark.parametrize("dataset", ["mutag", "cora"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs(
    preset: str, dataset: str, gnn_distill: Callable, mirror: Path, shared: Path, tmp_path: Path
) -> None:
    small = [f"{model}.{key}" for model in ("teacher", "student") for key in ("hidden_channels=8", "num_layers=2")]
    status, _, err = gnn_distill(
        *("train", f"dataset={dataset}", preset, *small, "student.num_heads=2", "trainer.max_epochs=2"),
        "pretrain.max_epochs=2",
        *("tracker=none", "trainer.threads=1", "trainer.accelerator=cpu", f"paths.mirror={mirror}"),
        *(f"paths.data={shared / 'data'}", f"paths.store={shared / 'store'}", "hydra.run.dir=run"),
    )
    assert (status, err) == (0, ""), err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert 0 <= summary["student"]["test"]["accuracy"] <= 1
    rows = read_metrics(tmp_path / "run")["student"]
    assert rows["epoch"] == [1, 2]
    group, name = preset.split("=")
    terms = [column.removeprefix("train/") for column in rows if column.startswith("train/")]
    assert group != "loss" or any(term.startswith(TELLING.get(name, f"baseline_{name}")) for term in terms)


TELLING = {
    "kd": "soft",
    "simkd": "baseline_fitnet",
    "micro_only": "micro_",
    "macro_only": "macro_",
    "task": "align_",
    "micro_macro": "align_",
    "micro_macro_nodes": "align_",
    "without_soft": "micro_",
    "without_micro": "macro_",
    "without_macro": "micro_",
}
"""A term that shows the preset at work; of other presets the baseline of its name."""
