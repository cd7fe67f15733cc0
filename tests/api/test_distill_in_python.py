"""gnn_distill.distill: modules and graphs of Python's, without files."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from small_api import MODELS, PlainGNN, rings
from torch_geometric.data import Batch, Data

from gnn_distill import Run, distill
from gnn_distill.api.given_graphs import kind_of
from gnn_distill.errors import UserError

ALONE = {key: value for key, value in MODELS.items() if not key.startswith("student.")}
SPLITS = {"train": range(24), "val": range(24, 32), "test": [33, 32, *range(34, 40)]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_trained_teacher_is_what_it_was_and_an_own_student_is_loaded_again() -> None:
    graphs = rings()
    targets = torch.stack([graph.x[:, 0].sum() for graph in graphs]) > 0
    teacher, student = PlainGNN(), PlainGNN()
    before = deepcopy([teacher.state_dict(), student.state_dict()])
    run = distill(teacher, student, graphs, targets.numpy(), splits=SPLITS, overrides=ALONE, progress=False)
    for module, weights in zip((teacher, student), before, strict=True):
        assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    assert "It comes from PlainGNN; it is not trained." in (run.folder / "console.log").read_text()
    assert run.summary["split"]["sizes"] == {"train": 24, "val": 8, "test": 8}
    kept = run.predictions.query("split == 'test'")
    assert kept["id"].tolist() == list(range(32, 40))
    assert kept["label:target"].tolist() == targets[32:].int().tolist()
    batch = Batch.from_data_list([graphs[number] for number in kept["id"]])
    said = teacher(batch.x, batch.edge_index, batch.batch)[:, 0].sigmoid()
    assert kept["teacher:target"].to_numpy() == pytest.approx(said.detach().numpy(), abs=1e-6)
    assert "teacher" not in {*run.metrics["stage"]}
    own = run.predict(graphs[32:])
    assert kept["student:target"].to_numpy() == pytest.approx(own[:, 0].numpy(), abs=1e-6)
    again = Run.load(run.folder, student=PlainGNN()).predict(graphs[32:])
    assert torch.equal(again, own)
    with pytest.warns(UserWarning, match="Their rows are NaN") as caught:
        run.predict([graphs[32], Data()], on_invalid="nan")
    assert caught[0].filename == __file__
    with pytest.raises(UserError, match=r"with student=module where that is one of your own"):
        Run.load(run.folder).predict(graphs)


def test_another_teacher_with_the_same_weights_is_another_teacher() -> None:
    class Doubled(PlainGNN):
        def forward(self, x, edge_index, batch):
            return 2 * super().forward(x, edge_index, batch)

    graphs, targets = rings(), torch.linspace(-1, 1, 40)
    torch.manual_seed(1)
    one, other = PlainGNN(), Doubled()
    other.load_state_dict(one.state_dict())
    said = [
        distill(teacher, "graphormer", graphs, targets, splits=SPLITS, overrides=MODELS, progress=False).predictions
        for teacher in (one, other)
    ]
    mean, std = targets[:24].mean().item(), targets[:24].std(correction=0).item()
    once, twice = ((table["teacher:target"] - mean) / std for table in said)
    assert (2 * once).to_numpy() == pytest.approx(twice.to_numpy(), abs=1e-5)


def test_nodes_of_one_graph_with_a_teacher_that_is_trained_here() -> None:
    random = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.nn.functional.one_hot(y, 3) + 0.3 * torch.randn(60, 3, generator=random)
    graph = Data(x=x, edge_index=torch.randint(60, (2, 200), generator=random))
    splits = {"train": torch.arange(60) < 30, "val": range(30, 45), "test": range(45, 60)}
    teacher = PlainGNN(outputs=3, pooled=False)
    overrides = {**MODELS, "pretrain.max_epochs": 40, "pretrain.optim.lr": 0.05}
    run = distill(teacher, "sgformer", graph, y, splits=splits, train_teacher=True, overrides=overrides, progress=False)
    assert run.summary["level"] == "node"
    assert run.scores.loc["teacher", "test"] > run.scores.loc["constant", "test"]
    assert run.predict(graph).shape == (60, 3)
    assert "student" in {*run.metrics["stage"]}


def test_graphs_without_features_and_kinds_of_targets() -> None:
    graphs = [Data(edge_index=graph.edge_index, num_nodes=6) for graph in rings(20)]
    run = distill(None, "gps", graphs, torch.arange(20) % 3, overrides=MODELS, progress=False)
    assert run.summary["classes"] == ["0", "1", "2"]
    assert run.predict(graphs[:2]).shape == (2, 3)
    kinds = {"binary": [[0], [1]], "multiclass": [[0], [2]], "regression": [[0.0], [2.0]], "multilabel": [[0, 1]]}
    assert all(kind_of(torch.tensor(values)) == kind for kind, values in kinds.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": [1.0, 2.0]}, "targets: 2 rows for 40 graphs. Give one for each."),
        ({"targets": None}, "targets: are missing, and so is y of the graphs."),
        ({"splits": {"train": [1]}}, "splits: has train. Give ids of train, val, test."),
        ({"graphs": "rings"}, "graphs: must be one PyG Data, or a list of them."),
        ({"teacher": PlainGNN(outputs=7)}, r"teacher PlainGNN: returns outputs \[2, 7\]"),
        ({"student": "graphormr"}, "student=graphormr: unknown choice."),
        ({"splits": {"train": [0, 1], "val": [1, 2], "test": [3, 4]}}, "given: .*train"),
    ],
    ids=str,
)
def test_mistakes_are_named_in_words_of_the_call(changes: dict, message: str) -> None:
    call = {"teacher": PlainGNN(), "student": "graphormer", "graphs": rings(), "targets": torch.linspace(0, 1, 40)}
    with pytest.raises(UserError, match=message):
        distill(**call | changes, overrides=MODELS, progress=False)
