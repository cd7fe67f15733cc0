"""Runs side by side, and the part of a run's page that says how far to trust it."""

from pathlib import Path

import pytest
from pages import make_run, page_of

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.errors import UserError
from gnn_distill.results.report import render, write_report

UNCERTAIN = {
    "split": "test",
    "unit": "graph",
    "intervals": {
        "student": {"value": 0.75, "low": 0.5, "high": 0.9, "n": 19, "method": "Wilson"},
        "floor": {"value": 0.5, "low": None, "high": None, "n": 19, "method": "bootstrap"},
    },
    "differences": [
        {
            **{"first": "student", "second": "teacher", "value": 0.105, "low": -0.05, "high": 0.26, "p": 0.5},
            **{"n": 19, "test": "McNemar", "first_only": 2, "second_only": 0},
        }
    ],
}
FLOORS = {
    "floor": {"name": "bag_forest", "val": {"accuracy": 0.4}, "test": {"accuracy": 0.51}},
    "floors": {
        "constant": {"val": {"accuracy": 0.3}, "test": {"accuracy": 0.31}},
        "bag_forest": {"val": {"accuracy": 0.4}, "test": {"accuracy": 0.51}},
    },
}


def test_a_page_says_how_far_to_trust_a_run(tmp_path: Path) -> None:
    text = page_of(make_run(tmp_path / "run", uncertainty=UNCERTAIN, **FLOORS)).text
    for part in (
        *("[50.0, 90.0]", "Wilson, 19 test graphs", "random forest on a bag of features (best on validation)", "51.0"),
        "student ahead of teacher by 10.5 [−5.0, 26.0], 2 of 19 graphs (2 right that it has wrong, 0 the reverse), "
        "p 0.500: no difference shown (McNemar's exact test)",
        "2 of 19 graphs (2 right that it has wrong, 0 the reverse), p 0.500: no difference shown",
    ):
        assert part in text, part
    assert "How far to trust it" not in page_of(make_run(tmp_path / "old")).text


def test_runs_stand_side_by_side_with_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = make_run(tmp_path / "one", uncertainty=UNCERTAIN, data="a", dataset="TOY", **FLOORS)
    second = make_run(tmp_path / "two", test=0.5, data="a", dataset="TOY")
    third = make_run(tmp_path / "three", data="b", dataset="TOY")
    (third / "manifest.json").unlink()  # so that another student may be written
    config = third / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("graphormer", "gps"))
    page = page_of(first, beside=[str(second)])
    assert page.tags["th"] > 10
    for part in ("2 runs side by side", "one", "two", "75.0 [50.0, 90.0]", "50.0", "62.5", "51.0"):
        assert part in page.text, part
    assert "Settings that differ" not in page.text
    assert "cannot be compared one to one" not in page.text
    config.write_text(config.read_text() + "alone: true\n")
    page = page_of(first, beside=[str(third)])
    for part in ("Settings that differ", "student.name", "gps", "different data or splits", "alone\n–\ntrue\n"):
        assert part in page.text, part
    assert write_report(first, ReportConfig(path=str(first), beside=[str(second)])) == Path("runs.html")
    with pytest.raises(UserError, match="no finished run is here"):
        render(first, ReportConfig(path=str(first), beside=[str(tmp_path)]))
