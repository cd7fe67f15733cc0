"""A saved student predicts as it was left, on graphs and SMILES, and refuses what it was not trained on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from damage import assert_noticed
from small_tasks import awaken, encode, make_graphs, make_spec, preset
from torch_geometric.data import Data

import gnn_distill
from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.run import TrainConfig, TrainerConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.assembly import molecules_ogb
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES, smiles_to_data
from gnn_distill.data.batching import collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.models import build_student
from gnn_distill.predict import SETTINGS, WEIGHTS, Predictor, load, save_student
from gnn_distill.storage.checksums import read_json

SMILES = ["CCO", "C", "c1ccccc1", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O"]


def make_config(name: str = "graphormer", encoding: str = "all") -> TrainConfig:
    return TrainConfig(
        dataset=DatasetConfig(),
        teacher=TeacherConfig(name="none"),
        student=preset("student", name, hidden_channels=8, num_layers=2, num_heads=2, dropout=0.5),
        encoding=preset("encoding", encoding, max_spd=3),
        trainer=TrainerConfig(max_pairs=2000),
    )


def saved(
    folder: Path, spec: TaskSpec, config: TrainConfig | None = None, pipeline: InputPipeline | None = None
) -> torch.nn.Module:
    """A student with random weights, saved as a run leaves it."""
    config = config or make_config()
    torch.manual_seed(0)
    student = awaken(build_student(config.student, config.encoding, spec))
    save_student(folder, student, spec, config, pipeline)
    return student


def to_data(graphs: PackedGraphs) -> list[Data]:
    data_list = []
    for graph in range(len(graphs)):
        nodes, edges = (slice(ptr[graph], ptr[graph + 1]) for ptr in (graphs.node_ptr, graphs.edge_ptr))
        attributes = None if graphs.edge_attr is None else graphs.edge_attr[edges]
        data_list.append(Data(x=graphs.x[nodes], edge_index=graphs.edge_index[:, edges], edge_attr=attributes))
    return data_list


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("model", [("graphormer", "all"), ("transformer", "walk"), ("graphvit", "walk")])
def test_a_saved_student_predicts_as_it_was_left(kind: str, model: tuple[str, str], tmp_path: Path) -> None:
    spec, config = make_spec(kind, nodes="categorical", edges="continuous"), make_config(*model)
    student = saved(tmp_path, spec, config)
    graphs = make_graphs(spec)
    with torch.no_grad():
        batch = collate(graphs, encode(graphs, config.encoding, config.student), torch.arange(len(graphs)))
        expected = student(batch).logits
    predictor = gnn_distill.load(tmp_path)
    assert isinstance(predictor, Predictor)
    assert predictor.spec == spec
    for some in (graphs, to_data(graphs)):
        torch.testing.assert_close(predictor.logits(some), expected, rtol=1e-4, atol=1e-5)
    outputs = {
        "multiclass": lambda logits: logits.softmax(1),
        "regression": lambda logits: logits.double() * torch.tensor([2.0, 0.5]) + torch.tensor([3.0, -5.0]),
    }
    expected = outputs.get(kind, torch.sigmoid)(expected)
    torch.testing.assert_close(predictor.predict(graphs), expected, rtol=1e-4, atol=1e-5)


def test_what_is_saved_is_the_student_alone(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    student = saved(tmp_path, make_spec())
    assert set(load_file(tmp_path / WEIGHTS)) == set(student.state_dict())
    assert set(read_json(tmp_path / SETTINGS)) == {"spec", "student", "encoding", "max_pairs", "input", "seen"}


@pytest.mark.parametrize("name", [WEIGHTS, SETTINGS])
def test_damage_is_noticed(tmp_path: Path, name: str) -> None:
    saved(tmp_path, make_spec())
    assert_noticed(tmp_path / name, lambda: load(tmp_path))


def test_order_is_that_of_the_graphs(tmp_path: Path) -> None:
    saved(tmp_path, make_spec())
    graphs, predictor = make_graphs(make_spec()), load(tmp_path)
    flipped = graphs.select(torch.arange(len(graphs)).flip(0))
    torch.testing.assert_close(predictor.logits(flipped), predictor.logits(graphs).flip(0), rtol=1e-4, atol=1e-5)


@pytest.fixture
def chemist(tmp_path: Path) -> Predictor:
    spec = make_spec("regression", node_features=ATOM_FEATURES, edge_features=BOND_FEATURES, molecules=True)
    saved(tmp_path, spec)
    return load(tmp_path)


def test_smiles_are_read(chemist: Predictor) -> None:
    together = chemist.predict(SMILES)
    assert together.shape == (len(SMILES), 2)
    torch.testing.assert_close(together, chemist.predict([smiles_to_data(s) for s in SMILES]))
    for row, text in zip(together, SMILES, strict=True):
        torch.testing.assert_close(chemist.predict([text])[0], row, rtol=1e-4, atol=1e-4)


def test_smiles_are_read_in_the_code_of_the_training_data(tmp_path: Path) -> None:
    atoms, bonds = molecules_ogb.ATOM_FEATURES, molecules_ogb.BOND_FEATURES
    saved(tmp_path, make_spec("regression", node_features=atoms, edge_features=bonds, molecules=True))
    chemist = load(tmp_path)
    told = chemist.predict(SMILES[:2])
    torch.testing.assert_close(told, chemist.predict([molecules_ogb.smiles_to_ogb_data(s) for s in SMILES[:2]]))


def test_a_molecule_is_predicted_alike_however_it_is_written(tmp_path: Path) -> None:
    features = {"node_features": ATOM_FEATURES, "edge_features": BOND_FEATURES, "molecules": True}
    spec, config = make_spec("regression", **features), make_config(encoding="walk")
    saved(tmp_path, spec, config, InputPipeline(smiles="pyg", chirality="cip"))
    chemist = load(tmp_path)
    left, again, right = chemist.predict(["C[C@H](N)C(=O)O", "OC(=O)[C@@H](N)C", "C[C@@H](N)C(=O)O"])
    torch.testing.assert_close(left, again, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(left, right, rtol=1e-4, atol=1e-4)


def test_smiles_that_do_not_parse_are_named(chemist: Predictor) -> None:
    with pytest.raises(UserError, match=r"1 of 2 inputs .* Input 1 \('C1CC'\): not a readable SMILES"):
        chemist.predict(["CCO", "C1CC"])


def test_degrees_are_features_where_they_were(tmp_path: Path) -> None:
    spec = make_spec(node_features=Features("categorical", (4,)), degree_features=True)
    saved(tmp_path, spec)
    predictor = load(tmp_path)
    star = torch.tensor([[0, 0, 0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 0, 0, 0, 0]])
    by_degree = PackedGraphs.from_data_list([Data(x=torch.tensor([[3], [1], [1], [1], [1]]), edge_index=star)], 1)
    torch.testing.assert_close(
        predictor.logits([Data(edge_index=star, num_nodes=5)]), predictor.logits(by_degree), rtol=1e-5, atol=1e-6
    )


def graph(x: torch.Tensor, edge_attr: torch.Tensor | None) -> Data:
    return Data(x=x, edge_index=torch.tensor([[0, 1], [1, 0]]), edge_attr=edge_attr)


NODES, EDGES = torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 3)
WRONG = {
    "an empty list": ([], "There is nothing to predict: the list is empty"),
    "SMILES": (["CCO"], "not on molecules"),
    "no node features": ([graph(None, EDGES)], "no node features; graphs of small have 2"),
    "too many node features": ([graph(torch.zeros(2, 3, dtype=torch.long), EDGES)], "3 node features.* have 2"),
    "unknown categories": (
        [graph(NODES, EDGES), graph(NODES + 2, EDGES)],
        r"Input 1 \(2\): node feature 1 is not one of the categories 0 to 1",
    ),
    "negative categories": (
        [graph(NODES - 1, EDGES)],
        r"Input 0 \(-1\): node feature 0 is not one of the categories 0 to 3",
    ),
    "numbers for categories": (
        [graph(torch.full((2, 2), 0.5), EDGES)],
        "node features are categories, and must be whole numbers",
    ),
    "no edge features": ([graph(NODES, None)], "no edge features"),
    "too few edge features": ([graph(NODES, EDGES[:, :2])], "2 edge features.* have 3"),
    "a huge graph": (
        [
            Data(
                x=torch.zeros(50, 2, dtype=torch.long),
                edge_index=torch.zeros(2, 1, dtype=torch.long),
                edge_attr=EDGES[:1],
            )
        ],
        "50 nodes",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_graphs_that_do_not_fit_are_refused(name: str, tmp_path: Path) -> None:
    saved(tmp_path, make_spec(nodes="categorical", edges="continuous"))
    graphs, message = WRONG[name]
    with pytest.raises(UserError, match=message):
        load(tmp_path).predict(graphs)


def test_edge_features_are_wanted_only_where_they_are_read(tmp_path: Path) -> None:
    saved(tmp_path, make_spec(nodes="categorical", edges="continuous"), make_config("transformer", "walk"))
    assert load(tmp_path).predict([graph(NODES, None)]).shape == (1, 1)


def test_whole_numbers_do_for_continuous_features(tmp_path: Path) -> None:
    saved(tmp_path, make_spec())
    ones = torch.ones(2, 3)
    predictor = load(tmp_path)
    assert torch.equal(predictor.predict([graph(ones.long(), None)]), predictor.predict([graph(ones, None)]))


def test_folders_without_a_run_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run found here"):
        load(tmp_path)
    saved(tmp_path, replace(make_spec(), note="a caveat"))
    assert load(str(tmp_path)).spec.note == "a caveat"
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:50])
    with pytest.raises(UserError, match=WEIGHTS):
        load(tmp_path)


def test_nodes_are_answered_some_at_a_time_by_a_student_that_gains_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("multiclass", level="node")
    for name in ("nagphormer", "sgformer"):
        (tmp_path / name).mkdir()
        saved(tmp_path / name, spec, make_config(name, "none"))
        student = load(tmp_path / name)
        graphs = to_data(make_graphs(spec))
        whole = student.predict(graphs)
        rows: list[int] = []
        student.student.register_forward_hook(lambda module, given, out, rows=rows: rows.append(len(out.logits)))
        monkeypatch.setattr("gnn_distill.models.predictor.BATCH_NODES", 7)
        torch.testing.assert_close(student.predict(graphs), whole, rtol=1e-5, atol=1e-6)
        assert sum(rows) == sum(graph.num_nodes for graph in graphs)
        assert (max(rows) <= 7) == (name == "nagphormer")
        monkeypatch.undo()
