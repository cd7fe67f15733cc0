"""Pages of fabricated runs, tables and sweeps: what they say, that they say it safely, and that they load nothing."""

import json
import os
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from gnn_distill.errors import UserError
from gnn_distill.results.comparison import make_table
from gnn_distill.results.rendering import to_json
from gnn_distill.results.report import render, write_report
from gnn_distill.results.table_files import read_table
from gnn_distill.run_directory import RunDirectory
from gnn_distill.schema.report import ReportConfig

EVIL = "<script>alert(1)</script>\"'&$x$"
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Elements, addresses, identifiers and texts of a page; fails where an element is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.addresses, self.ids, self.texts, self.open = Counter(), [], [], [], []
        self.html = html
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.open += [tag] if tag not in VOID else []
        for name, value in attributes:
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts += [data.strip()] if data.strip() and self.open[-1] != "style" else []

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def page_of(folder: Path, **config: str) -> Page:
    """The page of a folder, once it is sure that it is safe."""
    page = Page(render(folder, ReportConfig(path=str(folder), output=str(folder / "page.html"), **config)))
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert page.html.count("url(") == page.html.count("url(#")
    assert "@import" not in page.html
    assert len(page.ids) == len(set(page.ids))
    assert 'content="width=device-width' in page.html
    assert "prefers-color-scheme: dark" in page.html
    return page


def make_run(
    folder: Path,
    *overrides: str,
    test: float | None = 0.75,
    metric: str = "accuracy",
    epochs: int = 0,
    **changes: object,
) -> Path:
    """A finished run as train leaves it; with the curves of so many `epochs`."""
    (folder / ".hydra").mkdir(parents=True)
    config = {
        "dataset": {"name": "TOY", "fold": 0},
        "teacher": {"name": "gin"},
        "student": {"name": "graphormer"},
        "loss": {"weights": {"micro": 0.1}},
        "seed": 0,
    }
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    run = RunDirectory(folder)
    for stage in ("teacher", "student"):
        for epoch in range(1, epochs + 1):
            terms = {"train/task": 0.5 / epoch, "train/task.weighted": 0.5 / epoch}
            terms |= {"train/soft": 2.0 / epoch, "train/soft.weighted": 0.2 / epoch} if stage == "student" else {}
            row = {"stage": stage, "epoch": epoch, "train/loss": 1 / epoch, "val/loss": 0.5, f"val/{metric}": 0.5}
            run.append_metrics(row | terms)
    splits = {"train": 0.9, "val": 0.8125} | ({"test": test} if test is not None else {})
    summary = {
        "teacher": {split: {"macro_f1": 0.25, metric: value - 0.125} for split, value in splits.items()},
        "student": {split: {"macro_f1": 0.3, metric: value} for split, value in splits.items()},
        "name": "graphormer<-gin toy s0",
        "metric": metric,
        "config_hash": "57afeca22e0c3a61",
        "seed": 0,
        "split": {"kind": "auto", "fold": 0, "split_seed": 0, "sizes": {"train": 1000, "val": 20, "test": 30}},
        "reused": {"teacher": True},
        "best_epoch": 1,
        "epochs": 2,
        "seconds": {"data": 1.0, "student": 64.0},
        "parameters": {"teacher": 1234, "student": 5678},
        "environment": {"code": {"version": "0.1.0", "commit": "abcdef0123456789"}, "device": "cpu (Abacus)"},
    }
    run.write_summary(summary | changes)
    return folder


def test_a_run(tmp_path):
    page = page_of(make_run(tmp_path / "run", "dataset=toy", "dataset.name=a b", epochs=2))
    for text in (
        *("graphormer ← gin", "TOY", "75.0", "62.5", "12.5", "student ahead by"),
        *("1,000 train, 20 val, 30 test", "graphormer, 5,678 parameters", "epoch 1 of 2, on validation", "1 min 5 s"),
        *("cpu (Abacus)", "abcdef0123456789", "57afeca22e0c3a61"),
        "Found in the store, made by an earlier run: teacher.",
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
        ({"metric": "rmse"}, "student behind by"),  # a higher error is worse
        ({"note": "one of many"}, "one of many"),
        ({"control": {"name": "shuffled"}}, "teacher.control=shuffled"),
        ({"environment": {"code": {"dirty": True}}}, "changes that were not committed"),
    ],
)
def test_what_a_reader_must_know_is_said(tmp_path, changes, said):
    assert said not in page_of(make_run(tmp_path / "plain")).text
    assert said in page_of(make_run(tmp_path / "run", **changes)).text


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
    page = page_of(run)
    assert page.text.count("<script>alert(1)") >= 6
    assert f"validation {EVIL}" in page.text  # in a figure too, and not as a formula

    sweep = tmp_path / EVIL.replace("/", "")
    for index, value in enumerate((EVIL, "plain")):
        make_run(sweep / str(index), f"+{EVIL.split('=')[0]}={value}", f"other={index}", metric=EVIL)
    assert "<script>alert(1)" in page_of(sweep).text


def sweep_of(folder: Path, **changes) -> Path:
    """micro x macro x seed, and one run that did not finish."""
    for index, (micro, macro, seed) in enumerate((i, j, s) for i in (10, 2) for j in (0, 1, 0.5) for s in (0, 1)):
        words = (f"loss.weights.micro={micro}", f"++loss.weights.macro={macro}", f"seed={seed}", "tracker=none")
        run = make_run(folder / str(index), *words, test=(micro + macro + seed) / 20, **changes)
    (run / "summary.json").unlink()
    multirun = {"hydra": {"overrides": {"task": ["loss.weights.micro=10,2", "seed=0,1"]}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(multirun))
    return folder


def test_a_sweep_is_a_map_of_the_keys_that_vary_most(tmp_path):
    page = page_of(sweep_of(tmp_path / "sweep"))
    assert "Sweep of loss.weights.macro and loss.weights.micro" in page.text
    assert "11\nfinished, 1 not" in page.text
    assert "Runs without a result: 11." in page.text
    assert "mean over seed" in page.text
    assert "loss.weights.macro: 0, 0.5, 1; loss.weights.micro: 2, 10" in page.text  # numbers in their order
    assert "gnn-distill train -m loss.weights.micro=10,2 seed=0,1" in page.text
    assert "10\n1\n" not in page.text  # keys in the order of the map: macro, micro
    assert "1\n10\n81.2 ± 0.0\n57.5 ± 3.5\n2" in page.text
    assert page.tags["svg"] == 2
    for name in ("heatmap.png", "heatmap_test.png"):
        assert (tmp_path / "sweep" / name).read_bytes().startswith(b"\x89PNG")


def test_axes_and_metric_of_a_sweep_can_be_chosen(tmp_path):
    sweep = sweep_of(tmp_path / "sweep")
    assert "Sweep of seed and loss.weights.macro" in page_of(sweep, x="seed").text
    assert "Sweep of loss.weights.micro and seed" in page_of(sweep, y="seed", x="loss.weights.micro").text
    assert "macro F1 (%) on validation; mean over seed." in page_of(sweep, metric="macro_f1").text
    for config, message in (
        ({"x": "loss.weights.mikro"}, "report.x=loss.weights.mikro.*Did you mean 'loss.weights.micro'"),
        ({"x": "seed", "y": "seed"}, "report.y=seed: is along the map already"),
        ({"metric": "acuracy"}, "report.metric=acuracy.*Choices: macro_f1, accuracy.*Did you mean 'accuracy'"),
    ):
        with pytest.raises(UserError, match=message):
            page_of(sweep, **config)


def test_sweeps_of_one_key_of_seeds_and_of_nothing_finished(tmp_path):
    for index, lr in enumerate(("0.1", "0.01", "default")):
        make_run(tmp_path / "one" / str(index), *([f"optim.lr={lr}"] if lr != "default" else []), test=None)
    page = page_of(tmp_path / "one")
    assert "optim.lr: 0.01, 0.1, default" in page.text
    assert page.tags["svg"] == 1
    for seed in (0, 1):
        make_run(tmp_path / "seeds" / str(seed), f"seed={seed}")
    assert "nothing but seeds" in page_of(tmp_path / "seeds").text
    (make_run(tmp_path / "begun" / "0", "seed=0") / "summary.json").unlink()
    assert "0\nfinished, 1 not" in page_of(tmp_path / "begun").text


def test_lower_errors_are_better_in_a_sweep(tmp_path):
    for index, micro in enumerate((0, 1)):
        run = make_run(tmp_path / str(index), f"loss.weights.micro={micro}", metric="rmse")
        summary = json.loads((run / "summary.json").read_text())
        summary["student"]["val"]["rmse"] = 0.5 + micro
        (run / "summary.json").write_text(json.dumps(summary))
    assert "loss.weights.micro=0\n" in page_of(tmp_path).text


@pytest.fixture
def table_folder(tmp_path):
    names = {"teacher": "teacher", "alone": "alone", "kd": EVIL, "full": "full method"}
    config = SimpleNamespace(
        name="main",
        title="Main results",
        rows={
            row: SimpleNamespace(label=name, role="teacher" if row == name else "student")
            for row, name in names.items()
        },
        columns={
            key: SimpleNamespace(label=label, pairs={"seed": [0, 1, 2, 3]})
            for key, label in (("nci1", "NCI1"), ("odd", EVIL))
        },
        **{"reference": "kd", "alone": "alone", "teacher": "teacher", "test": "auto", "alpha": 0.05},
    )  # fmt: skip
    lines = [
        {
            **{"row": row, "column": column, "seed": seed, "value": value + 0.01 * (seed * place % 3)},
            **{"metric": "accuracy", "higher_is_better": True, "n_train": 9, "n_test": 9, "stale": seed == 3},
        }
        for column in ("nci1", "odd")
        for place, (row, value) in enumerate(zip(names, (0.8, 0.5, 0.6, 0.7), strict=True))
        for seed in range(4 - place % 2)
    ]
    folder = tmp_path / "main"
    folder.mkdir()
    table = make_table(config, pd.DataFrame(lines), ["A remark."])
    (folder / "table.json").write_text(to_json(table))
    return folder, table


def test_a_table_is_read_back_as_it_was(table_folder):
    folder, table = table_folder
    again = read_table(folder)
    pd.testing.assert_frame_equal(again.frame(), table.frame())
    assert to_json(again) == to_json(table)
    assert (again.wins, again.teachers, again.columns) == (table.wins, table.teachers, table.columns)


def test_a_table(table_folder):
    folder, table = table_folder
    run = make_run(folder.parent / "run", epochs=2)
    runs = [{"row": "full", "column": "nci1", "path": run}, {"row": "kd", "column": "nci1", "path": folder / "gone"}]
    pd.DataFrame(runs).to_csv(folder / "scores.csv", index=False)
    page = page_of(folder)
    for text in ("Main results", "gnn-distill table table=main", "A remark.", *table.notes, *table.footnotes):
        assert text in page.text, text
    assert "70.0" in page.text
    assert page.tags["svg"] == 5  # boxes and differences of two columns, curves of one
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "boxes.png",
        "differences.png",
        "curves_of_nci1.png",
    }
    (folder / "figures" / "mine.png").write_bytes(b"\x89PNG")
    assert page_of(folder).tags["img"] == 1  # figures of others are shown too


def test_a_table_that_cannot_be_read(table_folder):
    folder, _ = table_folder
    (folder / "table.json").write_text('{"rows": {}}')
    with pytest.raises(UserError, match="cannot be read as a table"):
        render(folder, ReportConfig())


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
    with pytest.raises(UserError, match=r"report.path=.*gone: there is no such folder"):
        write_report(tmp_path / "gone")
    run = make_run(tmp_path / "run")
    with pytest.raises(UserError, match=r"cannot be written.*report.output="):
        write_report(run, ReportConfig(output=str(tmp_path / "gone" / "page.html")))
    assert os.listdir(tmp_path / "empty") == []
