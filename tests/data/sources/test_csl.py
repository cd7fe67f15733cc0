from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gnn_distill.config.schema.data import CSLConfig, PathsConfig
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.sources.csl import FOLDS, SKIPS, load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError


@pytest.fixture(scope="module")
def paths(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


@pytest.fixture(scope="module")
def task(paths: PathsConfig) -> GraphTask:
    return load(CSLConfig(), paths)


def test_published_counts(task: GraphTask) -> None:
    graphs, spec = task.graphs, task.spec
    assert (graphs.num_nodes.tolist(), graphs.num_edges.tolist()) == ([41] * 150, [164] * 150)
    assert graphs.y[:, 0].long().bincount().tolist() == [15] * 10
    assert (spec.kind, spec.metric, spec.num_outputs, spec.degree_features) == ("multiclass", "accuracy", 10, True)
    assert graphs.x.unique().tolist() == [4]
    assert (graphs.x < spec.node_features.sizes[0]).all()


def adjacency(graphs: PackedGraphs, index: int) -> torch.Tensor:
    source, target = graphs.select(torch.tensor([index])).edge_index
    matrix = torch.zeros(41, 41, dtype=torch.double)
    matrix[source, target] = 1
    return matrix


def test_a_graph_is_a_circle_with_the_skip_links_of_its_class(task: GraphTask) -> None:
    steps = torch.arange(41)
    spectra = []
    for skip in SKIPS:
        circle = torch.zeros(41, 41, dtype=torch.double)
        for step in (1, -1, skip, -skip):
            circle[steps, (steps + step) % 41] = 1
        spectra.append(torch.linalg.eigvalsh(circle))
    # Graphs are relabelled at random; the spectrum knows nothing of that.
    for index in range(0, 150, 7):
        spectrum = torch.linalg.eigvalsh(adjacency(task.graphs, index))
        distances = [float((spectrum - other).abs().max()) for other in spectra]
        assert min(distances) < 1e-6
        assert task.spec.target_names[int(task.graphs.y[index])] == f"skip {SKIPS[distances.index(min(distances))]}"


def test_five_published_folds(paths: PathsConfig, mirror: Path) -> None:
    tests = []
    for fold in range(5):
        splits = load(CSLConfig(fold=fold), paths).splits
        assert [len(ids) for ids in (splits.train, splits.val, splits.test)] == [90, 30, 30]
        assert torch.cat([splits.train, splits.val, splits.test]).unique().numel() == 150
        tests += splits.test.tolist()
    assert sorted(tests) == list(range(150))
    second = (mirror / "GNNBenchmarkDataset/CSL/CSL_val.index").read_text().splitlines()[1]
    assert load(CSLConfig(fold=1), paths).splits.val.tolist() == sorted(map(int, second.split(",")))
    with pytest.raises(UserError, match=r"dataset\.fold=5: the published split of CSL has folds 0 to 4"):
        load(CSLConfig(fold=5), paths)


def test_seeded_split_instead(paths: PathsConfig) -> None:
    splits = load(CSLConfig(split="stratified", folds=3, fold=2), paths).splits
    assert len(splits.test) == 50


def test_folds_are_needed(paths: PathsConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=FOLDS[2]):
        load(CSLConfig(), replace(paths, data=str(tmp_path / "data"), mirror=str(tmp_path)))
