"""Every form of input is taken or refused in words, every bad entry is named, and rows come back as they were given."""

import math
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from small_tasks import NETWORKS, awaken, choices, make_graphs, make_node_task, make_spec, make_task
from test_predict import SMILES, make_config, saved, to_data
from torch.utils.data import Dataset
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import DataLoader

from gnn_distill.data.assembly import molecules_ogb
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.task import Features
from gnn_distill.errors import UserError
from gnn_distill.models import build_student
from gnn_distill.models.predictor import Predictor
from gnn_distill.predict import SETTINGS, load, save_student
from gnn_distill.storage.checksums import read_json, write_json


@pytest.fixture(scope="module")
def chemist(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("chemist")
    spec = make_spec(node_features=ATOM_FEATURES, edge_features=BOND_FEATURES, molecules=True)
    saved(folder, spec, make_config("transformer", "walk"))
    return load(folder)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Reads graphs with two columns of node categories and three numbers an edge."""
    folder = tmp_path_factory.mktemp("reader")
    saved(folder, make_spec(nodes="categorical", edges="continuous"))
    return load(folder)


def path(size: int = 3, **changes: object) -> Data:
    """A path of nodes, with features that the reader takes."""
    ends = torch.arange(size - 1)
    edges = torch.cat([torch.stack([ends, ends + 1]), torch.stack([ends + 1, ends])], dim=1)
    x = torch.stack([torch.arange(size) % 4, torch.arange(size) % 2], dim=1)
    return Data(**{"x": x, "edge_index": edges, "edge_attr": torch.ones(edges.size(1), 3)} | changes)


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


FORMS = {
    "a tuple": tuple,
    "a generator": iter,
    "an array": np.array,
    "a Series": lambda smiles: pd.Series(smiles, index=range(10, 10 + len(smiles))),
    "RDKit molecules": lambda smiles: [Chem.MolFromSmiles(text) for text in smiles],
    "both": lambda smiles: [smiles[0], *map(Chem.MolFromSmiles, smiles[1:])],
    "molecules with their hydrogens": lambda smiles: [Chem.AddHs(Chem.MolFromSmiles(text)) for text in smiles],
}


@pytest.mark.parametrize("form", FORMS)
def test_molecules_in_every_form(form: str, chemist: Predictor) -> None:
    close(chemist.predict(FORMS[form](SMILES)), chemist.predict(SMILES))


@pytest.mark.parametrize("chirality", ["tags", "cip"])
def test_stereocentres_of_molecules_are_those_of_their_smiles(chirality: str, tmp_path: Path) -> None:
    spec = make_spec(node_features=ATOM_FEATURES, edge_features=BOND_FEATURES, molecules=True)
    saved(tmp_path, spec, make_config("transformer", "walk"), InputPipeline(smiles="pyg", chirality=chirality))
    written = ["OC(=O)[C@@H](N)C", "N[C@@H](C)C(=O)O", "F/C=C\\Cl"]
    chemist = load(tmp_path)
    close(chemist.predict(list(map(Chem.MolFromSmiles, written))), chemist.predict(written))


def test_molecules_that_cannot_be(chemist: Predictor) -> None:
    bad = [Chem.MolFromSmiles("CN(C)(C)(C)C", sanitize=False), Chem.Mol()]
    with pytest.raises(UserError, match=r"Input 1 \(<rdkit.* 2 \(<rdkit.*\): not a readable molecule"):
        chemist.predict(["C", *bad])


def test_a_table_comes_back_with_columns_added(chemist: Predictor, reader: Predictor) -> None:
    table = pd.DataFrame({"Drug": ["CCO", None, "C"], "code": ["x1", "x2", "x3"]}, index=[7, 7, 9])
    with pytest.warns(UserWarning, match=r"1 of 3 rows cannot be predicted\. Input 1: missing"):
        found = chemist.predict(table, on_invalid="nan")
    assert [*found.columns] == ["Drug", "code", "a_predicted", "a_probability_1", "error", "warning"]
    assert found.index.tolist() == [7, 7, 9]
    assert [text[:7] for text in found["error"]] == ["", "missing", ""]
    probabilities = chemist.predict(["CCO", "C"])[:, 0]
    close(torch.tensor(found["a_probability_1"].iloc[[0, 2]].tolist()), probabilities)
    assert found["a_predicted"].iloc[[0, 2]].tolist() == [str(int(p > 0.5)) for p in probabilities]
    assert [*table.columns] == ["Drug", "code"]
    with pytest.raises(UserError, match="has a column 'a_predicted'"):
        chemist.predict(found)
    assert found["a_probability_1"].isna().tolist() == [False, True, False]
    with pytest.raises(UserError, match="not on molecules: it cannot read a table"):
        reader.predict(table)


@pytest.mark.parametrize(
    ("given", "message"),
    [("hello", r"\('hello'\): not a readable SMILES"), (" ", "an empty text, not a SMILES"), ([None], "missing")],
)
def test_what_is_no_molecule_is_told(given: object, message: str, chemist: Predictor) -> None:
    with pytest.raises(UserError, match=f"1 of 1 input cannot be predicted.*{message}"):
        chemist.predict(given)


def test_one_string_is_one_molecule(chemist: Predictor) -> None:
    assert chemist.predict("CCO").shape == (1, 1)
    close(chemist.predict("CCO"), chemist.predict(["CCO"]))
    close(chemist.predict(Chem.MolFromSmiles("CCO")), chemist.predict(["CCO"]))


def test_graphs_in_every_form(reader: Predictor) -> None:
    graphs = [path(2), path(5), path(3)]
    expected = reader.predict(graphs)
    close(reader.predict(graphs[1]), expected[1:2])
    for form in (Batch.from_data_list(graphs), DataLoader(graphs, batch_size=2), iter(DataLoader(graphs, 2))):
        close(reader.predict(form), expected)
    close(reader.predict(Endless()), reader.predict([path(2)] * 4))


class Endless(Dataset):
    """A data set as PyTorch has them: its length alone says where it ends."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Data:
        return path(2)


REFUSED = {
    "a table": (
        pd.DataFrame({"id": [1], "number": ["2"]}),
        r"no column holds SMILES\. Rename to smiles one of id, number",
    ),
    "a dict": ({"smiles": ["C"]}, "was given a dict; it takes a SMILES, a PyG Data"),
    "a set": ({"C"}, "was given a set"),
    "bytes": (b"CCO", "was given a bytes"),
    "nothing": (None, "was given None, a missing value; it takes a SMILES"),
    "a number": (math.nan, "was given nan, a missing value"),
    "a tensor": (torch.ones(2, 2), "was given a Tensor"),
    "a graph of kinds": (HeteroData(), "was given a HeteroData"),
    "a generator of nothing": (iter([]), "the list_iterator is empty"),
    "a loader that shuffles": (DataLoader([path()], shuffle=True), "DataLoader does not return its data in order"),
    "a batch by hand": (Batch(x=torch.ones(1, 2), batch=torch.zeros(1)), "This Batch cannot be split into its graphs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_forms_are_refused(name: str, chemist: Predictor) -> None:
    given, message = REFUSED[name]
    for on_invalid in ("error", "nan"):
        with pytest.raises(UserError, match=message):
            chemist.predict(given, on_invalid=on_invalid)


def test_the_word_for_bad_inputs_has_two_choices(chemist: Predictor) -> None:
    with pytest.raises(UserError, match="on_invalid='skip': choose error or nan"):
        chemist.predict("C", on_invalid="skip")


def test_every_bad_molecule_is_named_and_rows_are_kept(chemist: Predictor) -> None:
    given = ["CCO", "C1CC", None, float("nan"), pd.NA, "", 7, "\ud800", "C" * 20_001, "CCN"]
    with pytest.raises(UserError) as caught:
        chemist.predict(given)
    told = str(caught.value)
    assert told.startswith("8 of 10 inputs cannot be predicted. ")
    assert "Input 1 ('C1CC'), 7 ('\\ud800'), 8 ('CCC" in told
    assert (
        "Input 2 (None), 3 (nan), 4 (<NA>): missing. Input 5 (''): an empty text, not a SMILES. Input 6 (7): " in told
    )
    assert len(told) < 500
    with pytest.warns(UserWarning, match=r"8 of 10 inputs cannot .* Their rows are NaN") as caught:
        rows = chemist.predict(given, on_invalid="nan")
    assert caught[0].filename == __file__
    assert rows.isnan().all(dim=1).tolist() == [False, *[True] * 8, False]
    close(rows[[0, 9]], chemist.predict(["CCO", "CCN"]))
    with pytest.warns(UserWarning, match="2 of 2"):
        assert chemist.predict(["", None], on_invalid="nan").isnan().tolist() == [[True], [True]]


ONES, TWO = torch.ones(4, 3), torch.tensor([[0, 1], [1, 2]])
BAD = {
    "an edge out of the graph": (
        path(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 3, 1]])),
        "edges to nodes outside",
    ),
    "a negative edge": (path(edge_index=torch.tensor([[0, 1, -1, 2], [1, 0, 2, 1]])), "edges to nodes outside"),
    "NaN at an edge": (path(edge_attr=ONES / torch.tensor([1.0, 1.0, 0.0])), "edge features that are NaN or infinite"),
    "no nodes": (path(1, x=torch.empty(0, 2)), "no nodes"),
    "no edge_index": (path(edge_index=None), "edge_index must be a tensor"),
    "adjacency as lists": (path(edge_index=[[0], [1]]), "edge_index must be a tensor"),
    "a sparse adjacency": (path(edge_index=torch.eye(2).to_sparse()), "edge_index must be a tensor"),
    "another number of nodes": (path(num_nodes=5), r"\(5, 3 rows\): num_nodes is not the number of rows of x"),
    "edges of floats": (path(edge_index=TWO.float(), edge_attr=ONES[:2]), "edge_index must contain whole numbers"),
    "edges turned": (path(edge_index=torch.zeros(4, 3)), "edge_index must be a tensor"),
    "too few rows of edge_attr": (path(edge_attr=ONES[:3]), r"\(3 rows, 4 edges\): edge_attr needs one row"),
    "features as an array": (path(x=np.ones((3, 2))), "x must be a tensor of numbers, one row per node"),
    "fewer features": (path(x=torch.zeros(3, dtype=torch.long)), "1 node features; graphs of .* have 2"),
    "a category beyond": (
        path(x=torch.tensor([[0, 0], [4, 0], [0, 0]])),
        r"\(4\): node feature 0 is not one of .* 0 to 3",
    ),
    "another kind of graph": (nx.path_graph(3), "neither a graph nor a SMILES"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_graph_is_named_and_changes_no_other(name: str, reader: Predictor) -> None:
    bad, message = BAD[name]
    with pytest.raises(UserError, match=rf"1 of 3 inputs cannot be predicted\. Input 1.*{message}"):
        reader.predict([path(4), bad, path(5)])
    with pytest.warns(UserWarning, match=message):
        rows = reader.predict([path(4), bad, path(5)], on_invalid="nan")
    assert rows.isnan().flatten().tolist() == [False, True, False]
    close(rows[[0, 2]], reader.predict([path(4), path(5)]))


def test_each_bad_graph_shows_its_own_value(reader: Predictor) -> None:
    bad = [path(2, x=torch.tensor([[0, 0], [value, 0]])) for value in (7, -3)]
    with pytest.raises(UserError, match=r"Input 0 \(7\), 2 \(-3\): node feature 0 is not one of"):
        reader.predict([bad[0], path(3), bad[1]])
    large = [path(size) for size in (50, 3, 60)]
    with pytest.raises(
        UserError, match=r"Input 0 \(50 nodes\), 2 \(60 nodes\): more pairs of nodes than max_pairs=2000"
    ):
        reader.predict(large)


def test_rows_of_one_bad_graph_are_named(tmp_path: Path) -> None:
    task = make_node_task()
    saved(tmp_path, task.spec, make_config("sgformer", "none"))
    predictor, whole = load(tmp_path), to_data(task.graphs)[0]
    broken = whole.clone()
    broken.x[[4, 7, 8, 9]] = torch.tensor([math.nan, math.inf, 0.0])
    with pytest.raises(UserError, match=r"Input 0 \(nodes 4, 7, 8, \.\.\. \(4 in all\)\): node features that are NaN"):
        predictor.predict(broken)
    with pytest.warns(UserWarning, match="Input 1: node features that are NaN"):
        rows = predictor.predict([whole, broken, whole], on_invalid="nan")
    assert rows.isnan().any(dim=1).tolist() == [False] * 40 + [True] * 40 + [False] * 40
    for unknown in (None, Data(edge_index=torch.tensor([[0], [10**12]]))):
        with pytest.raises(UserError, match="The number of rows for input 1 is unknown"):
            predictor.predict([whole, unknown], on_invalid="nan")


def test_negative_features_that_would_be_normalised(tmp_path: Path) -> None:
    spec, config = make_spec(), make_config("transformer", "none")
    student = build_student(config.student, config.encoding, spec)
    save_student(tmp_path, student, spec, config, InputPipeline(normalize_features=True))
    edges = torch.empty(2, 0, dtype=torch.long)
    with pytest.raises(UserError, match="Input 1: negative node features, which cannot be divided"):
        load(tmp_path).predict([Data(torch.ones(2, 3), edges), Data(torch.tensor([[1.0, -1.0, 1.0]]), edges)])


def test_packed_graphs_are_checked_too(reader: Predictor) -> None:
    graphs = make_graphs(reader.spec)
    expected = reader.predict(graphs)
    graphs.edge_index[0, int(graphs.edge_ptr[5])] = 99
    with pytest.raises(UserError, match="Input 5: edges to nodes outside the graph"):
        reader.predict(graphs)
    with pytest.warns(UserWarning, match="Their rows are NaN"):
        rows = reader.predict(graphs, on_invalid="nan")
    assert rows.isnan().flatten().nonzero().flatten().tolist() == [5]
    close(rows[6:], expected[6:])


def test_graphs_on_other_types_are_read(reader: Predictor) -> None:
    usual = path(4)
    other = path(4, x=usual.x.int(), edge_index=usual.edge_index.int(), edge_attr=usual.edge_attr.double())
    sparse = path(4, x=usual.x.to_sparse())
    close(reader.predict([other, sparse]), reader.predict([usual, usual]))


COMPANY = [(student, encoding) for student in choices("student") if student != "none" for encoding in ("walk", "all")]


@pytest.mark.parametrize(("name", "encoding"), COMPANY)
def test_a_prediction_does_not_depend_on_its_company(name: str, encoding: str, tmp_path: Path) -> None:
    spec, config = make_spec("multiclass", nodes="categorical", edges="continuous"), make_config(name, encoding)
    config.encoding.lap_pe = 0  # the basis of an eigenspace is the encoding's own affair
    save_student(tmp_path, awaken(build_student(config.student, config.encoding, spec)), spec, config)
    predictor, graphs = load(tmp_path), to_data(make_graphs(spec, NETWORKS))
    alone = torch.cat([predictor.logits(graph) for graph in graphs])
    close(predictor.logits(graphs), alone)
    close(predictor.logits([*graphs[::-1], *graphs[3:5]]), torch.cat([alone.flip(0), alone[3:5]]))


CODES = {
    "pyg": (ATOM_FEATURES, BOND_FEATURES),
    "ogb": (molecules_ogb.ATOM_FEATURES, molecules_ogb.BOND_FEATURES),
}


def trained_on_ethanol(folder: Path, coding: str) -> Predictor:
    pipeline = InputPipeline(smiles=coding)
    data = pipeline.read_smiles("CCO")
    atoms, bonds = CODES[coding]
    task = make_task("binary", nodes="categorical", edges="categorical")
    task.graphs = type(task.graphs).from_data_list([data] * 24, 1)
    task.spec = make_spec(node_features=atoms, edge_features=bonds, molecules=True)
    config = make_config("transformer", "none")
    student = build_student(config.student, config.encoding, task.spec)
    save_student(folder, student, task.spec, config, pipeline, Seen.in_training(task))
    return load(folder)


@pytest.mark.parametrize("coding", CODES)
def test_elements_that_training_never_held_are_told(coding: str, tmp_path: Path) -> None:
    predictor = trained_on_ethanol(tmp_path, coding)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(["CCO", "OCC"])
    with pytest.warns(UserWarning, match="Predictions for values that no training graph had are guesses") as caught:
        rows = predictor.predict(["CCO", "CC[SiH3]", "OC", "[SiH3]CC[NH3+]", "O"])
    told = str(caught[0].message)
    assert "Input 1, 3: element Si." in told
    assert "Input 3: element N." in told
    assert "Input 3: formal_charge 1." in told
    assert rows.isfinite().all()
    assert caught[0].filename == __file__


def test_edges_as_training_never_had_them_are_told(tmp_path: Path) -> None:
    task, config = make_task(), make_config("transformer", "none")
    task.graphs = make_graphs(task.spec, (nx.path_graph(4),) * 24)
    student = build_student(config.student, config.encoding, task.spec)
    save_student(tmp_path, student, task.spec, config, seen=Seen.in_training(task))
    predictor, usual = load(tmp_path), to_data(task.graphs)[0]
    others = [usual.clone() for _ in range(3)]
    others[0].edge_index = usual.edge_index[:, usual.edge_index[0] < usual.edge_index[1]]
    others[1].edge_index = usual.edge_index.repeat(1, 2)
    others[2].edge_index = torch.cat([usual.edge_index, torch.tensor([[2], [2]])], dim=1)
    with pytest.warns(UserWarning, match="guesses") as caught:
        predictor.predict([usual, *others])
    told = str(caught[0].message)
    for place, kind in enumerate(("edges in one direction only", "parallel edges", "edges from a node to itself"), 1):
        assert f"Input {place}: {kind}." in told
    directed = Seen.in_training(make_task())  # whose training part has a directed path
    assert directed.kinds == ["edges in one direction only"]


def test_degrees_that_training_never_had_are_told(tmp_path: Path) -> None:
    spec, config = make_spec(node_features=Features("categorical", (9,)), degree_features=True), make_config()
    student = build_student(config.student, config.encoding, spec)
    save_student(tmp_path, student, spec, config, InputPipeline(max_degree=8), Seen(nodes=[[1, 2]]))
    star = nx.star_graph(5).to_directed()
    edges = torch.tensor(list(star.edges)).T
    with pytest.warns(UserWarning, match="Input 0: degree 5"):
        load(tmp_path).predict(Data(edge_index=edges, num_nodes=6))


def test_older_students_are_read(tmp_path: Path) -> None:
    saved(tmp_path, make_spec())
    older = {key: value for key, value in read_json(tmp_path / SETTINGS).items() if key not in ("input", "seen")}
    write_json(tmp_path / SETTINGS, older)
    with pytest.warns(UserWarning, match="an older version did not record how raw graphs are prepared"):
        predictor = load(tmp_path)
    assert predictor.pipeline == InputPipeline()
    atoms, bonds = CODES["ogb"]
    saved(tmp_path, make_spec(node_features=atoms, edge_features=bonds, molecules=True))
    write_json(tmp_path / SETTINGS, {k: v for k, v in read_json(tmp_path / SETTINGS).items() if k != "input"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(tmp_path).pipeline == InputPipeline(smiles="ogb")


WRONG = {
    "no spec": lambda settings: settings.pop("spec"),
    "a spec of words": lambda settings: settings.update(spec="binary"),
    "no kind of task": lambda settings: settings["spec"].update(kind="ranking"),
    "another level": lambda settings: settings["spec"].update(level="edge"),
    "more outputs": lambda settings: settings["spec"].update(num_outputs=7),
    "features of no kind": lambda settings: settings["spec"]["node_features"].pop("kind"),
    "other features": lambda settings: settings["spec"]["node_features"].update(sizes=[10**9]),
    "keys of nobody": lambda settings: settings["spec"].update(more=1),
    "a student of another width": lambda settings: settings["student"].update(hidden_channels=2**40),
    "endless layers": lambda settings: settings["student"].update(num_layers=10**15),
    "endless hops": lambda settings: settings["student"].update(hops=10**15),
    "layers of words": lambda settings: settings["student"].update(num_layers="2"),
    "no such student": lambda settings: settings["student"].update(name="nobody"),
    "a student's name of numbers": lambda settings: settings["student"].update(name=3),
    "encodings as a list": lambda settings: settings.update(encoding=[1]),
    "encodings of truth": lambda settings: settings["encoding"].update(rwse=True),
    "pairs in words": lambda settings: settings.update(max_pairs="many"),
    "no pairs": lambda settings: settings.update(max_pairs=0),
    "an input of no coding": lambda settings: settings["input"].update(smiles="morse"),
    "an input of no type": lambda settings: settings["input"].update(undirected="yes"),
    "an input of nobody's keys": lambda settings: settings["input"].update(more=1),
    "an input as a list": lambda settings: settings.update(input=[]),
    "seen as a word": lambda settings: settings.update(seen={"nodes": "all"}),
    "seen of words": lambda settings: settings.update(seen={"nodes": [["a"], [0]]}),
    "a head of nobody": lambda settings: settings.update(reuse_head={"projection": "linear"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_make_no_sense_are_told(name: str, tmp_path: Path) -> None:
    saved(tmp_path, make_spec(nodes="categorical"), make_config("transformer", "walk"))
    settings = read_json(tmp_path / SETTINGS)
    WRONG[name](settings)
    write_json(tmp_path / SETTINGS, settings)
    with pytest.raises(UserError, match=SETTINGS):
        load(tmp_path)


def test_loading_leaves_the_random_numbers_of_its_caller(tmp_path: Path) -> None:
    saved(tmp_path, make_spec())
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load(tmp_path)
    assert torch.equal(torch.rand(2), expected)
