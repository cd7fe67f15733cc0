"""The page of a run without a result: why, how far it came, what to do."""

import json
import shlex
from pathlib import Path

import pytest
from pages import EVIL, make_run, page_of

from gnn_distill.errors import UserError
from gnn_distill.storage.run_directory import write_failure


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that stopped after its third epoch."""
    folder = make_run(tmp_path / "it's a run", epochs=3)
    (folder / "summary.json").unlink()
    (folder / "run.json").write_text(json.dumps({"notices": []}))
    (folder / "console.log").write_text("".join(f"line {number}\n" for number in range(1, 41)) + f"Failed: {EVIL}\n")
    return folder


def test_a_failed_run_tells_why_how_far_and_what_to_do(run: Path) -> None:
    write_failure(run, UserError("Training diverged.\nLower optim.lr."))
    page = page_of(run)
    assert "Run\nfailed\n" in page.text
    assert "Why it failed\nTraining diverged.\nLower optim.lr.\nIt failed after epoch 3 of the student." in page.text
    (resume,) = [line for line in page.texts if line.startswith("gnn-distill train 'resume=")]
    assert shlex.split(resume) == ["gnn-distill", "train", f"resume={run}"]
    last = page.text.partition("Last lines of console.log\n")[2].partition("\nRun it again")[0]
    assert last.splitlines()[0] == "line 27"
    assert EVIL in last
    assert page.text.index("Why it failed") < page.text.index("Last lines") < page.text.index("Learning curves")


def test_the_number_of_planned_epochs_is_that_of_the_stage(run: Path) -> None:
    config = run / ".hydra" / "config.yaml"
    config.write_text(config.read_text() + "pretrain: {max_epochs: null}\ntrainer: {max_epochs: 60}\n")
    assert "What it recorded ends after epoch 3 of at most 60 of the student." in page_of(run).text
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join(lines[:3]) + "\n")
    assert "ends after epoch 2 of at most 60 of the teacher." in page_of(run).text
    config.write_text(config.read_text().replace("max_epochs: null", "max_epochs: 20"))
    assert "ends after epoch 2 of at most 20 of the teacher." in page_of(run).text


def test_notices_of_a_failed_run_stand_with_its_error(run: Path) -> None:
    from gnn_distill.storage.checksums import write_json

    (run / "run.json").unlink()
    write_json(run / "run.json", {"notices": ["Note: few graphs."]})
    write_failure(run, UserError("Training diverged."))
    text = page_of(run).text
    assert text.index("Training diverged.") < text.index("What it noted\nNote: few graphs.") < text.index("Last lines")


def test_a_run_that_saved_nothing_is_started_again(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", "seed=1")
    (folder / "summary.json").unlink()
    text = page_of(folder).text
    assert "What it recorded ends before its first epoch had ended." in text
    assert "start it again, with the command below" in text
    assert "resume=" not in text
    assert "Last lines" not in text
    assert "gnn-distill train seed=1" in text


def test_a_log_outside_the_folder_is_not_read(run: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (run / "console.log").unlink()
    (run / "console.log").symlink_to(tmp_path / "secret")
    assert "secret" not in page_of(run).text


def test_a_finished_run_has_no_such_part(tmp_path: Path) -> None:
    text = page_of(make_run(tmp_path / "run", epochs=1)).text
    assert "Not finished" not in text
    assert "resume=" not in text
