"""Every loss, ablation, baseline, schedule and control runs by its one word, on graphs and on nodes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf
from small_tasks import choices
from test_combinations import few

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig
from gnn_distill.config.schema.fields import weights
from gnn_distill.config.schema.objective import BASELINES, MacroConfig, MicroConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline import run as train
from gnn_distill.storage.run_directory import read_metrics

GROUPS = ("loss", "alignment", "schedule", "experiment")
OF_ONE_SET = ("zinc", "few_labels")
PRESETS = [f"{group}={name}" for group in GROUPS for name in choices(group) if name not in OF_ONE_SET]
RUNS = [(preset, data) for preset in PRESETS for data in ("mutag", "cora") if data == "mutag" or "patch" not in preset]
RUNS += [(f"regime={name}", "mutag") for name in choices("regime")]  # some are about graphs alone
NEEDS = {"alignment=patch": ("student=graphvit",), "loss=patches": ("student=graphvit",)}
"""Patches are taught to a student that has no states of nodes, and so learns no labels of nodes."""


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


@pytest.mark.parametrize(("preset", "dataset"), RUNS)
def test_every_preset_runs(
    preset: str, dataset: str, gnn_distill: Callable, mirror: Path, shared: Path, tmp_path: Path
) -> None:
    small = [f"{model}.{key}" for model in ("teacher", "student") for key in ("hidden_channels=8", "num_layers=2")]
    status, _, err = gnn_distill(
        *("train", f"dataset={dataset}", preset, *small, "student.num_heads=2", "trainer.max_epochs=2"),
        *("pretrain.max_epochs=2", "floors=none", *NEEDS.get(preset, ())),
        *("tracker=none", "trainer.threads=1", "trainer.accelerator=cpu", f"paths.mirror={mirror}"),
        *(f"paths.data={shared / 'data'}", f"paths.store={shared / 'store'}", "hydra.run.dir=run"),
    )
    assert (status, err) == (0, ""), err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert 0 <= summary["student"]["test"]["accuracy"] <= 1
    rows = read_metrics(tmp_path / "run")["student"]
    assert rows["epoch"] == [1, 2]
    group, name = preset.split("=")
    if group in ("loss", "regime"):
        terms = {column[6:-9] for column in rows if column.startswith("train/") and column.endswith(".weighted")}
        assert terms == terms_of(OmegaConf.load(tmp_path / "run" / ".hydra" / "config.yaml"))
        assert terms - {"task"}
        assert name not in BASELINES or f"baseline_{name}" in terms


def terms_of(cfg: DictConfig) -> set[str]:
    """The terms whose weights in a config are not 0."""
    loss, align = cfg.loss, cfg.alignment
    own = {name for name in ("task", "soft") if loss.weights[name]}
    micro = {f"micro_{name}" for name in weights(MicroConfig) if loss.weights.micro * loss.micro[name]}
    macro = {f"macro_{name}" for name in weights(MacroConfig) if loss.weights.macro * loss.macro[name]}
    baseline = {f"baseline_{name}" for name in BASELINES if loss.baseline[name]}
    return own | micro | macro | baseline | {f"align_{scale}" for scale, weight in align.weights.items() if weight}
