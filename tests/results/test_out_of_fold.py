"""out_of_fold.csv: the test rows of the runs of all folds, each example once per seed."""

from pathlib import Path

import pandas as pd
from finished_runs import make_run

from gnn_distill.results.out_of_fold import write_out_of_fold
from gnn_distill.storage.checksums import read_json, write_json


def run_of(folder: Path, fold: int, seed: int, tested: list[int]) -> Path:
    """A run whose model says of example i: i + fold / 10 + seed / 100; example 99 is its validation part."""
    summary = read_json(make_run(folder, seed) / "summary.json")
    write_json(folder / "summary.json", summary | {"split": summary["split"] | {"fold": fold}})
    rows = [f"test,{i},{-i},{i + fold / 10 + seed / 100}" for i in tested]
    (folder / "predictions.csv").write_text("\n".join(["split,id,label:y,student:y", "val,99,1,2", *rows]) + "\n")
    return folder


def test_each_example_is_there_once_per_seed_as_its_fold_predicts_it(tmp_path: Path) -> None:
    parts = {0: [2, 11], 1: [1, 30], 2: [4]}
    runs = [run_of(tmp_path / f"{f}{s}", f, s, ids) for s in (1, 0) for f, ids in parts.items()]
    (told,) = write_out_of_fold(tmp_path / "page", runs)
    assert told == "out_of_fold.csv: 5 examples, predicted by models that have not seen them, each for 2 seeds."
    table = pd.read_csv(tmp_path / "page" / "out_of_fold.csv")
    assert list(table) == ["seed", "fold", "split_seed", "id", "label:y", "student:y"]
    assert table["id"].tolist() == [1, 2, 4, 11, 30] * 2
    assert table["seed"].tolist() == [0] * 5 + [1] * 5
    assert (table["label:y"] == -table["id"]).all()
    assert table["student:y"].round(6).equals((table["id"] + table["fold"] / 10 + table["seed"] / 100).round(6))


def test_folds_that_overlap_and_runs_without_predictions_are_told(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "a", 0, 0, [1, 2]), run_of(tmp_path / "b", 1, 0, [2, 3]), make_run(tmp_path / "c")]
    left, _, twice = write_out_of_fold(tmp_path, runs)
    assert left.startswith(f"Left out of out_of_fold.csv: {tmp_path / 'c' / 'predictions.csv'}: is missing.")
    assert twice.startswith("Folds overlap: 1 row of out_of_fold.csv is of")
    assert write_out_of_fold(tmp_path / "none", runs[2:]) == []
    assert not (tmp_path / "none").exists()


def test_a_file_that_no_run_has_written_is_left_out_by_name(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "a", 0, 0, [1, 2]), run_of(tmp_path / "b", 1, 0, [3])]
    (tmp_path / "b" / "predictions.csv").write_text("id,split,label:y,student:y\n3,test,1,2\n")
    left, _ = write_out_of_fold(tmp_path, runs)
    assert f"{runs[1] / 'predictions.csv'}: is damaged: its first columns are not split and id." in left
