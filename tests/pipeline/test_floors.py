"""What costs nothing: fitted to the training part alone, for every kind of task, and found again in the store."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem
from small_runs import CONFIG
from small_tasks import make_node_task, make_runtime, make_separate_task, make_task
from torch_geometric.utils import from_smiles

from gnn_distill.data.assembly.fingerprints import fingerprints
from gnn_distill.data.assembly.molecule_overlap import with_shared_molecules
from gnn_distill.data.assembly.molecules import ATOM_FEATURES
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.models.floors.bags import bags
from gnn_distill.models.floors.forests import forest_predictions, number_of_forests
from gnn_distill.models.floors.linear import smoothing
from gnn_distill.pipeline import floors as floors_of_runs
from gnn_distill.pipeline.floors import best_floor, compute_floors, describe_no_better
from gnn_distill.training.metrics import is_better

TASKS = {
    **{kind: lambda kind=kind: make_task(kind) for kind in ("binary", "multiclass", "multilabel", "regression")},
    "categorical": lambda: make_task("binary", nodes="categorical"),
    "nodes": make_node_task,
    "nodes of a regression": lambda: make_node_task("regression", nodes="categorical"),
    "inductive": lambda: make_node_task(setting="inductive"),
    "separate": lambda: make_separate_task("multilabel"),
}
SMILES = ("CCO", "c1ccccc1O", "CC(=O)[O-]", "C1CC1N", "CC#N", "[NH4+]")


def with_test_labels(task: GraphTask, change: float) -> GraphTask:
    y = task.graphs.y.clone()
    y[task.splits.test] = y[task.splits.test] * 0 + change
    return replace(task, graphs=replace(task.graphs, y=y))


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_of_task_has_floors_that_no_test_label_changes(name: str, tmp_path: Path) -> None:
    task = TASKS[name]()
    if name in ("multilabel", "regression"):
        task.graphs.y[task.splits.train[:3], 0] = torch.nan
    floors = compute_floors(make_runtime(tmp_path / "a"), task, CONFIG)
    names = ["features", "smoothed"] if task.spec.level == "node" else ["bag_forest"]
    assert [floor.name for floor in floors] == ["constant", *names]
    others = compute_floors(make_runtime(tmp_path / "b"), with_test_labels(task, 1.0), CONFIG)
    for floor, other in zip(floors, others, strict=True):
        assert floor.logits.shape == (len(task.splits.val) + len(task.splits.test), task.spec.num_outputs)
        assert floor.logits.isfinite().all()
        assert torch.equal(floor.logits, other.logits)
        assert list(floor.scores) == ["val", "test"]
        assert list(floor.scores["val"]) == list(floors[0].scores["val"])


def test_they_are_found_again_by_data_and_seed(tmp_path: Path) -> None:
    task, store = make_task(), tmp_path / "store"
    keys = []
    for number, seed in enumerate((0, 0, 1)):
        runtime = make_runtime(tmp_path / str(number), store)
        compute_floors(runtime, task, replace(CONFIG, seed=seed))
        keys.append(runtime.store.used["floors"][0])
    assert keys[0] == keys[1] != keys[2]
    assert len([path for path in (store / "floors").iterdir() if path.is_dir()]) == 2


def test_without_reading_the_test_part_they_have_no_test_scores(tmp_path: Path) -> None:
    config = replace(CONFIG, floors="none", trainer=replace(CONFIG.trainer, test=False))
    (floor,) = compute_floors(make_runtime(tmp_path), make_task(), config)
    assert (floor.name, list(floor.scores)) == ("constant", ["val"])


def test_of_a_graph_that_is_too_large_the_constant_is_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors_of_runs, "MOST_EDGES", 10)
    runtime = make_runtime(tmp_path)
    (floor,) = compute_floors(runtime, make_node_task(), CONFIG)
    assert floor.name == "constant"
    assert runtime.console.notices[0].startswith("Note: The only floor is a constant")


def test_a_forest_learns_each_target_from_the_examples_that_have_it() -> None:
    spec = make_task("multilabel").spec
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 4))
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0], axis=1).astype(float)
    y[:50, 1] = np.nan
    y[50:90, 0] = np.nan
    assert number_of_forests(y) == 2
    new = random.normal(size=(300, 4))
    found = forest_predictions(x, y, new, spec, seed=0)
    assert [np.mean((found[:, i] > 0.5) == (new[:, i] > 0)) > 0.9 for i in (0, 1)] == [True, True]
    y[:, 1] = np.nan
    assert (forest_predictions(x, y, new, spec, seed=0)[:, 1] == 0.5).all()
    y[:, 1] = 1.0  # the only class that was seen
    assert (forest_predictions(x, y, new, spec, seed=0)[:, 1] == 1.0).all()


def test_a_bag_counts_nodes_edges_degrees_and_categories() -> None:
    task = make_task(nodes="categorical", count=6)
    graphs, (first, second) = task.graphs, task.spec.node_features.sizes
    found = bags(graphs, task.spec.node_features)
    for graph in range(len(graphs)):
        one = graphs.select(torch.tensor([graph]))
        degree = torch.bincount(one.edge_index[1], minlength=len(one.x))
        expected = [len(one.x), one.edge_index.size(1), *(int((degree == d).sum()) for d in range(16))]
        expected += [int((one.x[:, c] == code).sum()) for c, size in ((0, first), (1, second)) for code in range(size)]
        assert found[graph].tolist() == expected
    task = make_task(count=6)
    one = task.graphs.select(torch.tensor([3]))
    found = bags(task.graphs, task.spec.node_features)[3, 18:]
    torch.testing.assert_close(torch.from_numpy(found), torch.cat([one.x.mean(0), one.x.std(0, correction=0)]).double())


def test_smoothing_is_that_of_a_gcn() -> None:
    from torch_geometric.nn.conv.gcn_conv import gcn_norm
    from torch_geometric.utils import to_dense_adj

    graphs = make_node_task().graphs
    edges, weights = gcn_norm(graphs.edge_index, num_nodes=len(graphs.x))
    expected = to_dense_adj(edges, edge_attr=weights, max_num_nodes=len(graphs.x))[0].T
    torch.testing.assert_close(torch.from_numpy(smoothing(graphs).toarray()), expected, rtol=1e-5, atol=1e-6)


def test_molecules_have_fingerprints_whether_written_or_rebuilt(tmp_path: Path) -> None:
    graphs = [from_smiles(text) for text in SMILES]
    for graph in graphs:
        graph.y = torch.ones(1)
    spec = replace(make_task("binary").spec, node_features=ATOM_FEATURES, molecules=True)
    packed = PackedGraphs.from_data_list(graphs, 1)
    packed.y[:] = torch.tensor([0.0, 1, 0, 1, 0, 1])[:, None]
    task = GraphTask(spec, packed, Splits(torch.arange(2), torch.tensor([2, 3]), torch.tensor([4, 5])))
    ids = torch.arange(6).flip(0)
    rebuilt = fingerprints(task, ids)
    written = fingerprints(with_shared_molecules(task, SMILES), ids)
    assert fingerprints(make_task(), torch.arange(2)) is None
    np.testing.assert_array_equal(rebuilt, written)
    assert rebuilt.any(axis=1).all()
    assert Chem.MolFromSmiles(SMILES[-1]).GetNumAtoms() == 1
    assert compute_floors(make_runtime(tmp_path), task, CONFIG)[1].name == "morgan_forest"


def test_what_is_no_better_than_a_floor_is_told(tmp_path: Path) -> None:
    task = make_task("regression")
    runtime = make_runtime(tmp_path)
    floors = compute_floors(runtime, task, CONFIG)
    constant, forest = (floor.scores["val"][task.spec.metric] for floor in floors)
    best = best_floor(floors, task.spec)
    assert best is floors[1 if is_better(task.spec, forest, constant) else 0]
    describe_no_better(runtime.console, task.spec, "student", min(constant, forest) - 0.1, floors)
    assert runtime.console.notices == []
    for known in (floors[:1], floors):  # before the student is trained, and at the end
        describe_no_better(runtime.console, task.spec, "teacher", constant, known)
    describe_no_better(runtime.console, task.spec, "student", float("nan"), floors)
    assert [notice.partition(" (")[0] for notice in runtime.console.notices] == [
        "Note: The teacher is no better on validation than a constant prediction",
        "Note: The student is no better on validation than a constant prediction",
    ]
    assert runtime.console.notices[0].endswith("There is little to distil.")
