import json
import os

import pytest
import yaml
from damage import assert_noticed
from pages import EVIL, make_run, page_of

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.errors import UserError
from gnn_distill.results.report import render, write_report
from gnn_distill.storage.run_directory import RunDirectory, write_failure


def test_a_run(tmp_path):
    page = page_of(make_run(tmp_path / "run", "dataset=toy", "dataset.name=a b", epochs=2))
    for text in (
        *("graphormer ← gin", "TOY", "75.0", "62.5", "12.5", "student ahead by"),
        *("1,000 train, 20 val, 30 test", "graphormer, 5,678 parameters", "epoch 1 of 2, on validation", "1 min 5 s"),
        *("cpu (Abacus)", "abcdef0123456789", "57afeca22e0c3a61"),
        "Reused from the store, made by an earlier run: teacher.",
        "gnn-distill train dataset=toy 'dataset.name=a b'",
    ):
        assert text in page.text, text
    assert page.texts.index("accuracy (%)") < page.texts.index("macro F1 (%)")  # the primary metric first
    assert page.tags["svg"] == 5
    assert page.tags["details"] == 3
    assert "not read" not in page.text
    assert "micro: 0.1" in page.text  # the whole config


@pytest.mark.parametrize(
    ("best", "told"),  # first epoch, selected epoch, times weight, share
    [
        (1, "task\n0.500\n0.500\n0.500\n71\nsoft\n2.00\n2.00\n0.200\n29"),
        (2, "task\n0.500\n0.250\n0.250\n71\nsoft\n2.00\n1.00\n0.100\n29"),
    ],
)
def test_terms_are_those_of_the_selected_epoch(tmp_path, best, told):
    assert told in page_of(make_run(tmp_path / "run", epochs=2, best_epoch=best)).text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": None}, "The test split was not read"),
        ({"metric": "rmse"}, "teacher ahead by"),  # a higher error is worse
        ({"note": "one of many"}, "one of many"),
        ({"control": {"name": "shuffled"}}, "teacher.control=shuffled"),
        ({"environment": {"code": {"dirty": True}}}, "changes that were not committed"),
    ],
)
def test_what_a_reader_must_know_is_said(tmp_path, changes, said):
    assert said not in page_of(make_run(tmp_path / "plain")).text
    assert said in page_of(make_run(tmp_path / "run", **changes)).text


def test_which_class_is_which(tmp_path):
    run = make_run(tmp_path / "run", classes=["inactive", "active"], dataset="screen")
    assert "0 = inactive, 1 = active" in page_of(run).text
    assert "screen" in page_of(run).text
    assert "0 = 0" not in page_of(make_run(tmp_path / "plain", classes=["0", "1"])).text
    many = page_of(make_run(tmp_path / "many", classes=[f"c{i}" for i in range(12)])).text
    assert "9 = c9 and 2 more" in many


def test_a_run_that_has_not_finished_or_has_failed(tmp_path):
    run = make_run(tmp_path / "run", epochs=1)
    (run / "summary.json").unlink()
    page = page_of(run)
    assert "not finished" in page.text
    assert page.tags["svg"] == 5
    (run / "metrics.csv").unlink()
    (run / "failed.json").write_text(json.dumps({"error": "out of <memory>", "traceback": "line 1"}))
    assert "failed" in page_of(run).text
    assert "out of <memory>\nline 1" in page_of(run).text
    (run / ".hydra" / "overrides.yaml").unlink()
    assert page_of(run).tags["svg"] == 0


def test_why_a_run_failed_is_told(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "summary.json").unlink()
    write_failure(run, UserError("Training diverged in epoch 3."))
    assert "failed\n" in page_of(run).text
    assert "Training diverged in epoch 3." in page_of(run).text
    try:
        raise KeyError("gone")
    except KeyError as error:
        write_failure(run, error)
    assert "KeyError: 'gone'\nTraceback (most recent call last):" in page_of(run).text
    assert str(tmp_path) not in page_of(run).html


def test_notices_of_a_run_are_told(tmp_path):
    run = make_run(tmp_path / "run", notices=["Note: 3 of 12 labels left out", "Warning: careful"])
    assert "Note: 3 of 12 labels left out\nWarning: careful\n" in page_of(run).text
    (run / "summary.json").unlink()
    assert "careful" not in page_of(run).text
    RunDirectory(run).remember(notices=["Note: under way"])
    assert "Note: under way" in page_of(run).text


def test_no_page_tells_where_things_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("seed=0", "paths.mirror=/scratch/me/data", "dataset.path=/home/alice/set.csv")
    make_run(tmp_path / "sweep" / "0", *words, note=f"see {tmp_path}/notes/a.txt and /srv/b/c.txt")
    make_run(tmp_path / "sweep" / "1", "seed=1", *words[1:])
    (tmp_path / "sweep" / "1" / "summary.json").unlink()
    (tmp_path / "sweep" / "multirun.yaml").write_text(yaml.safe_dump({"hydra": {"overrides": {"task": list(words)}}}))
    for folder in ("sweep/0", "sweep/1", "sweep"):
        html = page_of(tmp_path / folder).html
        assert not [place for place in (str(tmp_path), "/scratch", "alice", "/srv") if place in html]
    text = page_of(tmp_path / "sweep" / "0").text
    assert "see notes/a.txt and …/c.txt" in text
    assert 'gnn-distill train seed=0 dataset.path="$HOME"/set.csv' in text
    assert "Folder\nsweep/0" in text


@pytest.mark.parametrize("name", ["summary.json", "metrics.csv", "manifest.json", ".hydra/config.yaml"])
def test_a_damaged_run_is_refused_by_the_name_of_the_file(tmp_path, name):
    file = make_run(tmp_path / "run", epochs=2) / name
    assert_noticed(file, lambda: render(tmp_path / "run", ReportConfig()))


def test_a_lone_summary_is_enough(tmp_path):
    run = make_run(tmp_path / "run")
    summary = (run / "summary.json").read_text()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "summary.json").write_text(summary)
    page = page_of(tmp_path / "copy")
    assert "75.0" in page.text
    assert "Run it again" not in page.text


def test_nothing_that_is_shown_can_become_an_element(tmp_path):
    changes = {"name": EVIL, "note": EVIL, "control": {"name": EVIL}, "environment": {"device": EVIL, EVIL: EVIL}}
    run = make_run(tmp_path / "run", f"dataset.name={EVIL}", metric=EVIL, epochs=1, **changes)
    config = yaml.safe_load((run / ".hydra" / "config.yaml").read_text())
    config["dataset"]["name"] = config["teacher"]["name"] = EVIL
    (run / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "manifest.json").unlink()
    page = page_of(run)
    assert page.text.count("<script>alert(1)") >= 6
    assert f"validation {EVIL}" in page.text  # in a figure too, and not as a formula

    sweep = tmp_path / EVIL.replace("/", "")
    for index, value in enumerate((EVIL, "plain")):
        make_run(sweep / str(index), f"+{EVIL.split('=')[0]}={value}", f"other={index}", metric=EVIL)
    assert "<script>alert(1)" in page_of(sweep).text


def test_the_page_is_replaced_whole(tmp_path):
    run = make_run(tmp_path / "run", epochs=1, best_epoch=None)
    assert write_report(run) == run / "report.html"
    first = (run / "report.html").read_text()
    assert write_report(run, ReportConfig(output=str(tmp_path / "mine.html"))).read_text() == first  # and alike
    assert not [path for path in run.iterdir() if path.name.startswith(".report")]


def test_what_cannot_be_reported(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"report.path=.*empty: nothing to report"):
        write_report(tmp_path / "empty")
    with pytest.raises(UserError, match=r"report.path=.*gone: no such folder"):
        write_report(tmp_path / "gone")
    run = make_run(tmp_path / "run")
    with pytest.raises(UserError, match=r"cannot be written.*report.output="):
        write_report(run, ReportConfig(output=str(tmp_path / "gone" / "page.html")))
    assert os.listdir(tmp_path / "empty") == []
