"""`gnn-distill predict`: words on the command line, and runs that keep what their models say of both held-out parts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import gnn_distill as package
from gnn_distill.cli.positional import named_files
from gnn_distill.results.runs import read_runs
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.run_directory import verify_run

RINGS = ("c1ccccc1", "C1CCCC1", "O", "N(C)C", "[C@@H](F)Cl")
SMILES = ["C" * (number % 7) + RINGS[number % 5] for number in range(60)]
SMALL = (
    *("train", "dataset=smiles", "dataset.path=in.csv", "student=transformer", "student.hidden_channels=8"),
    *("student.num_layers=1", "student.num_heads=2", "teacher.hidden_channels=8", "teacher.num_layers=2"),
    *("trainer.max_epochs=2", "pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu", "tracker=none"),
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "in.csv", "-o", "out.csv"], ["runs=['run']", "input='in.csv'", "output='out.csv'"]),
        (
            ["-o", "o.csv", "a", "b", "i", "coverage=0.9"],
            ["runs=['a','b']", "input='i'", "output='o.csv'", "coverage=0.9"],
        ),
        (["a", "b", "--output=o.csv", "input=i"], ["runs=['a','b']", "output='o.csv'", "input=i"]),
        (["a", "i", "--cfg", "job"], ["runs=['a']", "input='i'", "--cfg", "job"]),
        (["a", "-o"], ["runs=['a']"]),
        (["runs=[a]", "input=i", "output=o"], ["runs=[a]", "input=i", "output=o"]),
    ],
)
def test_paths_in_front_are_runs_and_the_input(words: list[str], expected: list[str]) -> None:
    assert named_files(words) == expected


def test_what_a_run_keeps_and_what_its_students_say_of_a_file(
    gnn_distill: Callable, no_figures: None, tmp_path: Path
) -> None:
    table = pd.DataFrame({"smiles": SMILES, "y": [len(text) / 3 for text in SMILES], "id": range(100, 160)})
    table.loc[[3, 40], "smiles"] = "C1CC"
    table.to_csv("in.csv", index=False)
    words = (*SMALL, "dataset.target_columns=[y]", "alone=true")
    for seed in range(2):
        assert gnn_distill(*words, f"seed={seed}", f"hydra.run.dir=runs/{seed}")[0] == 0

    # --- predictions.csv: labels and predictions of both parts, by which the scores of the summary are found again ---
    run = tmp_path / "runs" / "0"
    verify_run(run, "predictions.csv")
    kept, summary = pd.read_csv(run / "predictions.csv"), read_json(run / "summary.json")
    assert [*kept.columns] == ["split", "id", "label:y", "teacher:y", "alone:y", "student:y", "floor:y"]
    assert kept["split"].value_counts().to_dict() == {part: summary["split"]["sizes"][part] for part in ("val", "test")}
    np.testing.assert_allclose(kept["label:y"], table["y"][kept["id"] - 2], rtol=1e-9)  # ids are lines of the file
    for role in ("teacher", "alone", "student"):
        for part in ("val", "test"):
            rows = kept[kept["split"] == part]
            rmse = np.sqrt(((rows[f"{role}:y"] - rows["label:y"]) ** 2).mean())
            assert rmse == pytest.approx(summary[role][part]["rmse"], rel=1e-6)
    assert len(read_runs([run])) == 1  # its CSV file is no table of runs

    # --- the command ---
    status, told, err = gnn_distill(
        "predict", "runs", "in.csv", "-o", "out.csv", "coverage=0.5", "nearest=true", "chunk_size=16", "threads=1"
    )
    assert (status, err) == (0, "")
    assert "ensemble of 2 runs, on cpu" in told
    assert "60 inputs: 2 cannot be predicted (column error)" in told
    assert "The validation part also chose the epoch" in " ".join(told.split())
    found = pd.read_csv("out.csv")
    added = ["y_predicted", "y_std", "y_low", "y_high", "nearest_distance", "error", "warning"]
    assert [*found.columns] == ["smiles", "y", "id", *added]
    assert found[["smiles", "y", "id"]].equals(pd.read_csv("in.csv"))
    assert found.index[found["error"].notna()].tolist() == [3, 40]
    members = [package.load(tmp_path / "runs" / str(seed)) for seed in range(2)]
    good = table["smiles"] != "C1CC"
    mean = torch.stack([member.predict(table["smiles"][good]) for member in members]).mean(0)[:, 0]
    np.testing.assert_allclose(found["y_predicted"][good], mean, atol=1e-6)
    assert (found["nearest_distance"][good] == 0).sum() >= summary["split"]["sizes"]["train"]

    # --- the same of a table in Python ---
    with pytest.warns(UserWarning, match=r"2 of 60 rows cannot be predicted\. Input 3, 40: not a readable SMILES"):
        frame = members[0].predict(table.drop(columns="y").set_index("id"), on_invalid="nan")
    assert frame.index.tolist() == table["id"].tolist()
    assert [*frame.columns] == ["smiles", "y_predicted", "error", "warning"]
    np.testing.assert_allclose(frame["y_predicted"][good.to_numpy()], members[0].predict(table["smiles"][good])[:, 0])
    with pytest.raises(package.errors.UserError, match="2 of 60 rows cannot be predicted"):
        members[0].predict(table)

    # --- an output that exists ---
    assert "File: out.csv (replaced)" in gnn_distill("predict", "runs", "in.csv", "-o", "out.csv", "overwrite=true")[1]
    assert [*pd.read_csv("out.csv").columns] == ["smiles", "y", "id", "y_predicted", "y_std", "error", "warning"]

    # --- what is refused ---
    status, _, err = gnn_distill("predict", "runs", "in.csv", "-o", "out.csv")
    assert status == 1
    assert "output=out.csv: exists already" in err
    (run / "predictions.csv").write_text("split,id\n")
    status, _, err = gnn_distill("predict", "runs", "in.csv", "-o", "new.csv", "coverage=0.5")
    assert status == 1
    assert "predictions.csv: is damaged" in err
    (tmp_path / "in.csv").unlink()
    status, _, err = gnn_distill("predict", "runs/1", "out.csv", "-o", "new.csv", "nearest=true")
    assert status == 1
    assert "in.csv" in err
    assert not Path("new.csv").exists()


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom gnn_distill.cli import main as cli\nsys.argv = ['gnn-distill', 'predict', '--help']\n"
        "try:\n    cli.main()\nfinally:\n    print('torch' in sys.modules, 'pandas' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "smiles_column=null" in told
    assert told.endswith("False False\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "input has no value. Give it one: input="),
        (("run", "in.csv"), "output has no value. Give it one: output="),
        (("run", "in.csv", "-o", "o.csv"), "runs=run: no such folder"),
        (("run", "in.csv", "-o", "o.csv", "coverage=90"), "coverage=90.0: must be above 0 and at most 0.999"),
        (("run", "in.csv", "-o", "o.txt"), "output=o.txt: predictions are written as CSV"),
        (("run", "in.csv", "-o", "o.csv", "nearst=true"), "nearst"),
    ],
)
def test_words_that_cannot_be_meant_are_told(words: tuple[str, ...], message: str, gnn_distill: Callable) -> None:
    status, out, err = gnn_distill("predict", *words)
    assert (status, out) == (1, "")
    assert message in err
