from pathlib import Path

import pytest
from raw_files import write_zinc

from gnn_distill.config.schema.data import PathsConfig, ZINCConfig
from gnn_distill.data.sources import zinc
from gnn_distill.errors import UserError


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    write_zinc(tmp_path)
    return PathsConfig(data=str(tmp_path))


def test_own_split_and_categorical_features(tiny: PathsConfig) -> None:
    task = zinc.load(ZINCConfig(), tiny)
    assert [ids.tolist() for ids in (task.splits.train, task.splits.val, task.splits.test)] == [
        [0, 1, 2, 3],
        [4, 5],
        [6, 7, 8],
    ]
    assert task.graphs.y[:, 0].tolist() == [0, 1, 2, 3, 10, 11, 20, 21, 22]
    assert task.graphs.x[:3, 0].tolist() == [0, 27, 0]
    assert task.graphs.edge_attr[:4, 0].tolist() == [1, 1, 3, 3]
    assert (task.spec.node_features.sizes, task.spec.edge_features.sizes) == ((28,), (4,))
    assert (task.spec.kind, task.spec.metric, task.spec.target_mean) == ("regression", "mae", (1.5,))


def test_rebuilt_labels_are_noted_and_published_ones_are_not(
    tiny: PathsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = zinc.load(ZINCConfig(), tiny)
    assert task.spec.note == "rebuilt labels"
    assert "count as rebuilt" in task.notices[0]
    monkeypatch.setattr(zinc, "PUBLISHED_BYTES", 100)
    published = zinc.load(ZINCConfig(), tiny)
    assert published.spec.note == ""
    assert not any("rebuilt" in notice for notice in published.notices)


@pytest.mark.parametrize("change", [{"fold": 1}, {"split": "random"}])
def test_there_is_one_split(tiny: PathsConfig, change: dict) -> None:
    with pytest.raises(UserError, match=r"ZINC (has one fold|offers auto, published)"):
        zinc.load(ZINCConfig(**change), tiny)


@pytest.mark.slow
def test_mirrored_files(mirror: Path, tmp_path: Path) -> None:
    task = zinc.load(ZINCConfig(), PathsConfig(data=str(tmp_path), mirror=str(mirror)))
    assert [len(ids) for ids in (task.splits.train, task.splits.val, task.splits.test)] == [10000, 1000, 1000]
    assert task.graphs.num_nodes.double().mean().item() == pytest.approx(23.16, abs=0.01)
    assert task.graphs.num_edges.double().mean().item() == pytest.approx(49.83, abs=0.005)
    assert task.spec.note == "rebuilt labels"
