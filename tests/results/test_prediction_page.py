"""The part of a run's page that is made from predictions.csv and the table of molecules."""

from pathlib import Path

import yaml
from pages import make_run, page_of

from gnn_distill.storage.provenance import file_hash

SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "CCCl", "not a molecule"]
LABELS, SAID = [0, 1, 1, 0, 1, 0], [0.1, 0.8, 0.05, 0.3, 0.9, 0.95]


def make(folder: Path, table: Path, **changes: object) -> Path:
    summary = {"kind": "binary", "targets": ["hit"], "classes": ["inactive", "active"], "scores": {}}
    summary["table"] = {"smiles": "drug", "target": "hit", "sha256": file_hash(str(table))}
    run = make_run(folder, **(summary | changes))
    (run / "manifest.json").unlink()  # the files below are not those that it lists
    config = yaml.safe_load((run / ".hydra" / "config.yaml").read_text())
    config["dataset"]["path"] = str(table)
    (run / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [f"test,{line},{label},{said}" for line, (label, said) in enumerate(zip(LABELS, SAID, strict=True), 2)]
    header = "split,id,label:hit,student:hit"
    (run / "predictions.csv").write_text("\n".join([header, "val,9,1,0.5", *rows]) + "\n")
    return run


def test_confusion_and_worst_examples_are_those_of_the_test_part(tmp_path: Path) -> None:
    table = tmp_path / "lab.csv"
    table.write_text("\n".join(["drug,hit", *map(",".join, zip(SMILES, map(str, LABELS), strict=True))]) + "\n")
    page = page_of(make(tmp_path / "run", table))
    assert "inactive\n2\n1\nactive\n1\n2" in page.text
    shown = [text for text in page.texts if text.startswith("line ")]
    assert {*shown[:2]} == {"line 7", "line 4"}
    assert shown[2:4] == ["line 5", "line 3"]
    assert "active, predicted inactive (95 %)" in page.text
    assert page.html.count('aria-label="molecule"') == 5  # of one line RDKit makes no molecule
    table.write_text(table.read_text() + "CCCC,1\n")
    assert 'aria-label="molecule"' not in page_of(tmp_path / "run").html


def test_a_run_of_an_earlier_version_has_no_such_part(tmp_path: Path) -> None:
    assert "Predictions of the" not in page_of(make_run(tmp_path / "run")).text
