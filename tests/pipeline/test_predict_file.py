"""A file's predictions: a row for each input, in order, whatever it is; means, spreads and regions of several runs."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from saved_runs import keep, save_run
from small_tasks import make_spec, make_task
from test_predict import SMILES
from torch_geometric.data import Data

import gnn_distill
from gnn_distill.analysis.conformal import threshold
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecule_overlap import MoleculeTask
from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES, smiles_to_data
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.task import Features
from gnn_distill.errors import UserError
from gnn_distill.models.predictor import Predictor
from gnn_distill.pipeline.predict_file import Counts, check_output, open_source, predict_file, training_molecules
from gnn_distill.pipeline.student_ensemble import Ensemble

MOLECULES = {"node_features": ATOM_FEATURES, "edge_features": BOND_FEATURES, "molecules": True}
REGRESSION = make_spec("regression", **MOLECULES)
SUBSTANCES = [*SMILES, "C1CC", "", "CC[SiH3]", "N(C)(C)(C)(C)C", "not a molecule"]
BROKEN = {"C1CC", "", "N(C)(C)(C)(C)C", "not a molecule"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs of one regression, of molecules without silicon."""
    folder = tmp_path_factory.mktemp("runs")
    graphs = [smiles_to_data(text) for text in SMILES]
    known = Seen(nodes=[torch.cat([g.x for g in graphs])[:, column].unique().tolist() for column in range(9)])
    return [save_run(folder / str(seed), REGRESSION, seed, seen=known) for seed in range(3)]


def predicted(places: list[Path], source: Path, chunk: int = 1000, **options: object) -> tuple[pd.DataFrame, Counts]:
    """What is written for `source`, every cell as a text."""
    ensemble, output = Ensemble(places), source.with_name("out.csv")
    if coverage := options.pop("coverage", None):
        ensemble.calibrate(coverage)
    opened = open_source(source, ensemble, options.pop("smiles_column", None), print)
    counts = predict_file(ensemble, opened, output, chunk, **options)
    return pd.read_csv(output, dtype=str, keep_default_na=False), counts


def test_every_line_is_answered_in_its_place(runs: list[Path], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    smiles = [SUBSTANCES[number] for number in random.integers(0, len(SUBSTANCES), 230)]
    table = pd.DataFrame({"name": [f"=m {number}, a" for number in range(230)], "smiles": smiles, "a": "-1.5"})
    table.to_csv(tmp_path / "in.csv", index=False)
    found, counts = predicted(runs[:1], tmp_path / "in.csv", chunk=7)
    assert found[["name", "smiles", "a"]].equals(table)  # as they are, and in their order
    assert [*found.columns[3:]] == ["a_predicted", "b_predicted", "error", "warning"]
    bad = np.array([text in BROKEN for text in smiles])
    assert (found["error"] != "").tolist() == bad.tolist()
    assert {*found["error"][found["smiles"] == "C1CC"]} == {"not a readable SMILES"}
    assert {*found["error"][found["smiles"] == ""]} == {"no SMILES"}
    assert (found.loc[bad, "a_predicted"] == "").all()
    silicon = found["smiles"] == "CC[SiH3]"
    assert {*found["warning"][silicon]} == {"not in the training data: element Si"}
    assert (found["warning"][~silicon] == "").all()
    assert (counts.inputs, counts.errors, counts.warnings) == (230, bad.sum(), silicon.sum())
    with pytest.warns(UserWarning, match="guesses"):
        expected = gnn_distill.load(runs[0]).predict(list(np.array(smiles)[~bad])).numpy()
    np.testing.assert_allclose(found.loc[~bad, ["a_predicted", "b_predicted"]].astype(float), expected, atol=1e-6)
    first = (tmp_path / "out.csv").read_bytes()
    (tmp_path / "out.csv").unlink()
    again, _ = predicted(runs[:1], tmp_path / "in.csv")
    columns = ["a_predicted", "b_predicted"]
    np.testing.assert_allclose(
        again.loc[~bad, columns].astype(float), found.loc[~bad, columns].astype(float), atol=1e-6
    )
    assert len(first.splitlines()) == 231


def test_an_ensemble_is_the_mean_of_its_runs(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_text("\n".join([f"{text} named {text}" for text in SMILES] + ["C1CC bad"]) + "\n")
    found, _ = predicted([runs[0].parent], tmp_path / "in.smi")
    assert found["name"].tolist() == [f"named {text}" for text in SMILES] + ["bad"]
    single = torch.stack([gnn_distill.load(run).predict(SMILES) for run in runs])
    for place, target in enumerate("ab"):
        mean, spread = (found[f"{target}_{what}"][:5].astype(float) for what in ("predicted", "std"))
        np.testing.assert_allclose(mean, single.mean(0)[:, place], atol=1e-6)
        np.testing.assert_allclose(spread, single.std(0, correction=1)[:, place], atol=1e-6)
    assert found.loc[5].tolist()[3:] == ["", "", "", "", "not a readable SMILES", ""]
    assert single.std(0).min() > 1e-4  # they do differ


def test_an_ensemble_prepares_graphs_once_unless_its_runs_prepare_otherwise(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    prepared = Predictor.prepared
    monkeypatch.setattr(Predictor, "prepared", lambda one, given: calls.append(len(given)) or prepared(one, given))
    ensemble = Ensemble(runs)
    calls.clear()
    together = ensemble.answer(SUBSTANCES)
    assert calls == [len(SUBSTANCES)]
    ensemble.members[1].max_pairs = 30  # refuses what is larger than five atoms
    calls.clear()
    small = ensemble.answer(SUBSTANCES)
    assert calls == [len(SUBSTANCES)] * 2
    assert len(small.errors) > len(together.errors)
    np.testing.assert_allclose(small.each[0], together.each[0][[place in small.rows for place in together.rows]])


def test_intervals_of_an_ensemble_are_those_of_its_mean(runs: list[Path], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels, outputs = random.normal(size=(30, 2)), random.normal(size=(3, 30, 2))
    for run, said in zip(runs, outputs, strict=True):
        keep(run, REGRESSION, labels, said)
    (tmp_path / "in.txt").write_text("CCO\nC1CC\nC\n")
    found, _ = predicted(runs, tmp_path / "in.txt", coverage=0.8)
    for place, target in enumerate("ab"):
        width = threshold(abs(labels - outputs.mean(0))[:, place], 0.8)
        mean, low, high = (found[f"{target}_{what}"][[0, 2]].astype(float) for what in ("predicted", "low", "high"))
        np.testing.assert_allclose(high - mean, width, rtol=1e-6)
        np.testing.assert_allclose(mean - low, width, rtol=1e-6)
    told = calibrated(runs).describe_calibration(0.8)
    assert "calibrated on at least 30 validation labels for each target." in told
    assert found["a_low"][1] == ""


def test_folds_calibrate_each_other_but_no_example_twice(tmp_path: Path) -> None:
    random, runs, kept = np.random.default_rng(0), [], []
    for fold in range(3):
        labels = random.normal(size=(10, 2))
        said = [random.normal(size=(10, 2)) for _ in range(2)]
        kept.append((labels, np.mean(said, axis=0)))
        for seed, outputs in enumerate(said):
            run = save_run(tmp_path / f"{fold}{seed}", REGRESSION, 2 * fold + seed, data=f"fold {fold}")
            keep(run, REGRESSION, labels, outputs, split="test")
            table = pd.read_csv(run / "predictions.csv")[:10]
            table.assign(id=table["id"] + 10 * fold).to_csv(run / "predictions.csv", index=False)
            (run / ".hydra").mkdir()
            (run / ".hydra" / "config.yaml").write_text(f"dataset: {{path: mine.csv, split_seed: 0, fold: {fold}}}")
            runs.append(run)
    (tmp_path / "in.txt").write_text("CCO\nC1CC\nC\n")
    found, _ = predicted(runs, tmp_path / "in.txt", coverage=0.8)
    each = [predicted(runs[2 * fold : 2 * fold + 2], tmp_path / "in.txt")[0]["a_predicted"] for fold in range(3)]
    for row in (0, 2):
        reach = [float(said[row]) + abs(y - own)[:, 0] for said, (y, own) in zip(each, kept, strict=True)]
        rank = math.ceil(31 * 0.8)
        assert float(found["a_high"][row]) == pytest.approx(np.sort(np.concatenate(reach))[rank - 1], rel=1e-6)
    assert "at least 30 labels of test folds for each target, each by" in (
        ensemble := calibrated(runs)
    ).describe_calibration(0.8)
    assert len(ensemble.members) == 6
    table = pd.read_csv(runs[4] / "predictions.csv")
    for run in runs[4:]:
        table.assign(id=range(10)).to_csv(run / "predictions.csv", index=False)
    with pytest.raises(UserError, match=r"are tested on the same examples \(0\), so that they are no folds"):
        calibrated(runs)
    (runs[5] / ".hydra" / "config.yaml").write_text("dataset: {path: mine.csv, split_seed: 1, fold: 2}")
    with pytest.raises(UserError, match="have other data or another split: one may have trained"):
        calibrated(runs)


def calibrated(runs: list[Path]) -> Ensemble:
    ensemble = Ensemble(runs)
    ensemble.calibrate(0.8)
    return ensemble


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_classes_are_named_as_in_the_training_data(kind: str, tmp_path: Path) -> None:
    names = ("-1", "good", "=bad()") if kind == "multiclass" else ("inert", "toxic")
    spec = make_spec(kind, **MOLECULES, class_names=names)
    run = save_run(tmp_path / "run", spec)
    (tmp_path / "run" / ".hydra").mkdir()
    (tmp_path / "run" / ".hydra" / "config.yaml").write_text("dataset: {smiles_column: drug, target_columns: [effect]}")
    width = spec.num_outputs
    labels = np.tile([[0.0], [1.0]], (10, spec.num_targets))
    keep(run, spec, labels, np.full((20, width), 1 / width if width > 1 else 0.4))
    pd.DataFrame({"smiles": "x", "drug": SMILES}).to_csv(tmp_path / "in.csv", index=False)
    found, _ = predicted([run], tmp_path / "in.csv", coverage=0.5)
    values = gnn_distill.load(run).predict(SMILES).numpy()
    if kind == "multiclass":
        shown, cells = ["-1", "good", "=bad()"], ["-1", "good", "'=bad()"]
        columns = [f"effect_probability_{name}" for name in shown]
        np.testing.assert_allclose(found[columns].astype(float), values, atol=1e-6)
        assert found["effect_predicted"].tolist() == [cells[number] for number in values.argmax(1)]
        inside = [[name for name, p in zip(shown, row, strict=True) if 1 - p <= 2 / 3 + 1e-9] for row in values]
        assert found["effect_set"].tolist() == [f"{{{'|'.join(names)}}}" for names in inside]
        return
    for place, target in enumerate(spec.target_names):
        p = found[f"{target}_probability_toxic"].astype(float)
        np.testing.assert_allclose(p, values[:, place], atol=1e-6)
        assert found[f"{target}_predicted"].tolist() == [names[int(value > 0.5)] for value in p]
        assert {*found[f"{target}_set"]} <= {"{}", "{inert}", "{toxic}", "{inert|toxic}"}


NODES, EDGES = Features("continuous", (4,)), Features("continuous", (2,))
TU = {
    "A": "1,2\n2,1\n3,4\n4,3\n",
    "graph_indicator": "1\n1\n2\n2\n3\n",
    "node_labels": "2\n1\n4\n9\n3\n",
    "edge_labels": "0\n0\n1\n1\n",
}
CODING = {"node_labels": [[1, 4]], "edge_labels": [[0, 1]], "node_attr": True, "edge_attr": True}


def write_tu(folder: Path) -> Path:
    folder.mkdir()
    for part, text in TU.items():
        (folder / f"NEW_{part}.txt").write_text(text)
    return folder


def test_folders_in_tu_format_and_saved_graphs_are_read_alike(tmp_path: Path) -> None:
    spec = make_spec(node_features=NODES, edge_features=EDGES)
    run = save_run(tmp_path / "run", spec, pipeline=InputPipeline(tu_files=CODING), student="graphormer")
    found, counts = predicted([run], write_tu(tmp_path / "new"))
    assert found["graph"].tolist() == ["1", "2", "3"]
    assert found["error"].tolist() == ["", "node label 9 is not among those of the training files, 1 to 4", ""]
    assert counts.errors == 1
    both = torch.tensor([[0, 1], [1, 0]])
    first = Data(torch.eye(4)[[1, 0]], both, torch.tensor([[1.0, 0.0]] * 2))
    last = Data(torch.eye(4)[[2]], torch.empty(2, 0, dtype=torch.long))
    expected = gnn_distill.load(run).predict([first, last])[:, 0]
    np.testing.assert_allclose(found["a_probability_1"][[0, 2]].astype(float), expected, atol=1e-6)
    torch.save([first, "a word", last], tmp_path / "new.pt")
    found, _ = predicted([run], tmp_path / "new.pt")
    assert found["graph"].tolist() == ["0", "1", "2"]
    assert found["error"][1] == "not a PyG graph ('a word')"
    np.testing.assert_allclose(found["a_probability_1"][[0, 2]].astype(float), expected, atol=1e-6)


def test_nodes_of_graphs_have_a_row_each(tmp_path: Path) -> None:
    spec = make_spec("multiclass", level="node", node_features=NODES)
    run = save_run(tmp_path / "run", spec, pipeline=InputPipeline(tu_files=CODING), student="sgformer")
    found, _ = predicted([run], write_tu(tmp_path / "new"))
    assert found[["graph", "node"]].to_numpy().tolist() == [["1", "0"], ["1", "1"], ["2", ""], ["3", "0"]]
    graphs = [Data(torch.rand(size, 4), torch.tensor([[0, 1], [1, 0]])) for size in (3, 2, 5)]
    torch.save(graphs, tmp_path / "g.pt")
    found, _ = predicted([run], tmp_path / "g.pt", chunk=2)
    columns = [f"class_probability_{name}" for name in "abc"]
    together = torch.cat([gnn_distill.load(run).predict(graph) for graph in graphs])
    np.testing.assert_allclose(found[columns].astype(float), together, atol=1e-6)
    with pytest.raises(UserError, match=r"coverage=0\.9: labels of nodes that share a graph are not exchangeable"):
        Ensemble([run]).calibrate(0.9)


def test_older_runs_count_labels_from_the_smallest_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = save_run(tmp_path / "run", make_spec(node_features=Features("continuous", (9,))))
    found, _ = predicted([run], write_tu(tmp_path / "new"))
    assert "labels are counted from the smallest one here" in capsys.readouterr().out
    assert found["error"].tolist() == ["", "", ""]


def test_distances_to_the_nearest_training_molecule(runs: list[Path], tmp_path: Path) -> None:
    task = make_task("regression")
    smiles = ["CCCCCCO"] * len(task.graphs)
    smiles[int(task.splits.test[0])] = "c1ccccc1"
    known = training_molecules([MoleculeTask(task.spec, task.graphs, task.splits, smiles=tuple(smiles))])
    (tmp_path / "in.smi").write_text("OCCCCCC\nC1CC\nc1ccccc1\n")
    found, _ = predicted(runs[:1], tmp_path / "in.smi", nearest=known)
    assert found["nearest_distance"].tolist() == ["0", "", "1"]  # the test part is none of them
    assert len(known) == 1
    with pytest.raises(UserError, match="nearest=true: small has no SMILES to compare with"):
        training_molecules([task])


def test_inputs_of_other_kinds_are_refused(runs: list[Path], tmp_path: Path) -> None:
    ensemble = Ensemble(runs[:1])
    (tmp_path / "in.xlsx").touch()
    (tmp_path / "in.smi").write_text("C\n")
    graphs = Ensemble([save_run(tmp_path / "graphs", make_spec())])
    for which, path, column, message in (
        (ensemble, "nothing.csv", None, r"nothing\.csv: no such file or folder"),
        (ensemble, "in.xlsx", None, r"in\.xlsx: files of this kind are not read. Give a \.csv with"),
        (ensemble, "in.smi", "smiles", "smiles_column=smiles: in.smi has no columns"),
        (graphs, "in.smi", None, "trained on small, not on molecules"),
    ):
        with pytest.raises(UserError, match=message):
            open_source(tmp_path / path, which, column, print)


def test_outputs_that_would_lose_something_are_refused(runs: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text("smiles,error\nC,x\n")
    for output, overwrite, message in (
        (tmp_path / "out.parquet", True, "predictions are written as CSV"),
        (tmp_path / "no" / "out.csv", True, "its folder does not exist"),
        (table, True, "this is the input"),
        (table.with_name("old.csv"), False, "exists already. Choose another name, or set overwrite=true"),
    ):
        table.with_name("old.csv").touch()
        with pytest.raises(UserError, match=message):
            check_output(output, table, overwrite)
    check_output(table.with_name("old.csv"), table, True)
    for text, message in (("smiles,error\nC,x\n", "has a column 'error'"), ("smiles\n", "the input has no rows")):
        table.write_text(text)
        with pytest.raises(UserError, match=message):
            predicted(runs[:1], table)
    assert not (tmp_path / "out.csv").exists()
    assert not list(tmp_path.glob(".*"))


def test_runs_that_do_not_go_together_are_told(runs: list[Path], tmp_path: Path) -> None:
    other = save_run(tmp_path / "other", make_spec("regression", **MOLECULES, target_names=("a", "c")), data="e")
    with pytest.raises(UserError, match=r"do not predict the same: target names \(a, b\) and \(a, c\)"):
        Ensemble([runs[0], other])
    same = save_run(tmp_path / "same", REGRESSION, data="e")
    with pytest.raises(UserError, match="have other data or another split: one may have trained"):
        Ensemble([runs[0], same]).calibrate(0.9)
    with pytest.raises(UserError, match=r"predictions\.csv: is missing, .* repeat the run, or leave out coverage"):
        Ensemble([same]).calibrate(0.9)
    keep(same, REGRESSION, np.ones((30, 2)), np.ones((30, 2)), split="train")
    with pytest.raises(UserError, match="has no rows of the validation part"):
        Ensemble([same]).calibrate(0.9)
    (same / "student.safetensors").unlink()
    with pytest.raises(UserError, match="this run trained no student"):
        Ensemble([same])
    with pytest.raises(UserError, match="runs is empty: name folders of runs, as in gnn-distill predict RUN"):
        Ensemble([])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match=r"runs=.*no finished run is here"):
        Ensemble([tmp_path / "nothing"])


def test_devices_that_are_not_here_are_named(runs: list[Path]) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    with pytest.raises(UserError, match=r"accelerator=cuda: not available on this machine\. Choices here: auto, cpu"):
        Ensemble(runs, "cuda")
    for device in ("cuda", "nonsense"):
        with pytest.raises(UserError, match=f"device={device}: cannot be used here"):
            gnn_distill.load(runs[0], device=device)
