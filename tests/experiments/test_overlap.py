"""Test examples of other splits that tuning has read."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig
from gnn_distill.data.task import Splits
from gnn_distill.experiments import overlap
from gnn_distill.experiments.overlap import Overlaps

FOLDS = {
    0: ([2, 3, 4, 5], [6, 7], [0, 1]),
    1: ([0, 1, 4, 5], [6, 7], [2, 3]),
    2: ([0, 1, 2, 3], [5], [4, 6, 7]),
}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Folds of eight graphs, drawn anew by dataset.split_seed; what was loaded is noted."""
    folds: list[tuple[int, int]] = []

    def load(dataset: DatasetConfig, paths: PathsConfig) -> SimpleNamespace:
        folds.append((dataset.fold, dataset.split_seed))
        graphs = SimpleNamespace(node_ptr=torch.arange(9), edge_index=torch.full((2, 1), dataset.split_seed))
        return SimpleNamespace(own_graphs=graphs, splits=Splits(*map(torch.tensor, FOLDS[dataset.fold])))

    monkeypatch.setattr(overlap, "load_task", load)
    return folds


CONFIG = OmegaConf.create(
    {"dataset": OmegaConf.structured(DatasetConfig(source="s", name="n")), "paths": OmegaConf.structured(PathsConfig())}
)


def test_examples_of_other_test_parts_are_counted_and_each_split_is_loaded_once(loaded: list) -> None:
    pairs, counts = [{"dataset.fold": fold} for fold in (0, 1, 2)], Overlaps()
    for _ in range(2):
        assert counts.of(CONFIG, pairs[:1], pairs) == {"dataset.fold=1": (2, 2, 0), "dataset.fold=2": (3, 1, 2)}
    assert loaded == [(0, 0), (1, 0), (2, 0)]
    assert counts.of(CONFIG, pairs[:2], pairs) == {"dataset.fold=2": (3, 1, 2)}


def test_seeds_on_one_split_and_splits_of_other_graphs_share_nothing_that_can_be_counted(loaded: list) -> None:
    assert Overlaps().of(CONFIG, [{"seed": 0}], [{"seed": 0}, {"seed": 1}]) == {}
    assert not loaded
    drawn = [{"dataset.split_seed": seed} for seed in (0, 1)]
    assert Overlaps().of(CONFIG, drawn[:1], drawn) == {}
