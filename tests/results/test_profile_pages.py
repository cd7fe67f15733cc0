"""Profiles by distance in figures and pages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import EVIL, make_run, page_of

from gnn_distill.results.profile_figures import draw_errors, draw_influence, draw_layers, draw_lift
from gnn_distill.results.profile_page import profile_section, section_of
from gnn_distill.storage.bounded import Damaged
from gnn_distill.storage.checksums import write_json

BINS = 6
"""Hops 0 to 3, beyond, unreachable."""


def banded(values: list[float | None]) -> dict[str, Any]:
    low, high = ([None if value is None else factor * value for value in values] for factor in (0.9, 1.1))
    return {"value": values, "low": low, "high": high}


def number(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def influence(per_node: list[float | None]) -> dict[str, Any]:
    whole = {"per_node": banded(per_node), "share": banded(per_node), "reach": number(1.5), "far_share": number(0.25)}
    layers = [{"per_node": per_node, "share": per_node, "reach": 1.5, "far_share": 0.25}] * 2
    return {**whole, "absolute": whole, "layers": layers}


def profile(**models: dict[str, Any]) -> dict[str, Any]:
    bins = [
        {"nearest": 3, "farthest": 3, "examples": 40, "value": 0.5, "low": 0.4, "high": 0.6},
        {"nearest": 4, "farthest": 9, "examples": 1200, "value": 0.75, "low": 0.7, "high": 0.8},
    ]
    return {
        "settings": {"far": [2, 3], "roots": 256}, "graphs": 1000, "units": "graphs", "metric": "accuracy",
        "models": models or {"teacher": TEACHER, "student": STUDENT},
        "errors": {"part": "test", "distance": "label", "models": {"teacher": bins, "student": bins}},
    }  # fmt: skip


TEACHER = {
    "influence": influence([1.0, 0.5, 0.0, 0.0, 0.0, None]),
    "swap": influence([1.0, 0.5, 0.0, 0.0, 0.0, None]),
    "attention": None,
}
HEADS = {"distance": [1.0, 2.5], "entropy": [0.5, 0.5], "overlap": [0.25, None], "far_lift": [1.0, None]}
STUDENT = {
    "influence": influence([1.0, 0.1, 0.01, 0.001, 0.0005, None]),
    "swap": influence([1.0, 0.1, 0.01, 0.001, 0.0005, None]),
    "attention": {
        "layers": [{"layer": 1, "lift": banded([2.0, 1.5, 1.0, 0.5, 0.2, None]), "heads": HEADS}],
        "uniform": {"mass": [0.2] * BINS, "distance": 2.25},
    },
}


def lines(axes: Any) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_influence_is_one_line_per_model_without_the_unreachable() -> None:
    figure = draw_influence(profile()["models"])
    (axes,) = figure.axes
    assert lines(axes) == {
        "teacher, reach 1.50": [1.0, 0.5, 0.0, 0.0, 0.0], "student, reach 1.50": [1.0, 0.1, 0.01, 0.001, 0.0005],
    }  # fmt: skip
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] == pytest.approx(0.00025)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2", "3", ">3"]
    bands = [area.get_paths()[0].get_extents().intervaly.tolist() for area in axes.collections]
    assert bands[1] == pytest.approx([0.00045, 1.1])


def test_hops_that_occur_in_no_graph_are_not_drawn() -> None:
    figure = draw_influence({"student": {"influence": influence([1.0, 0.1, 0.01, None, None, None])}})
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "1", "2"]


def test_layers_by_hop_leave_exact_zeros_empty() -> None:
    teacher, student, _ = draw_layers(profile()["models"]).axes
    assert (teacher.get_title(), student.get_title()) == ("teacher", "student")
    shown = teacher.get_images()[0].get_array()
    assert shown.shape == (2, 5)
    assert np.isnan(np.ma.filled(shown, np.nan)[:, 2:]).all()
    assert student.get_images()[0].get_array().min() == 0.0005


def test_attention_is_drawn_of_those_that_have_it() -> None:
    (axes,) = draw_lift(profile()["models"]).axes
    assert lines(axes)["student"] == [2.0, 1.5, 1.0, 0.5, 0.2]
    assert "teacher" not in lines(axes)
    assert draw_lift({"teacher": TEACHER}) is None
    assert draw_influence({"own": {"influence": None}}) is None
    assert draw_layers({"own": {"influence": None}}) is None


def test_errors_by_distance() -> None:
    (axes,) = draw_errors(profile()["errors"], "accuracy").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3\n40", "4–9\n1,200"]
    assert list(axes.get_lines()[0].get_ydata()) == [50, 75]
    assert axes.get_ylabel() == "accuracy (%)"


def test_section() -> None:
    section = section_of(profile())
    assert len(section["figures"]) == 4
    (teacher, colour, of_teacher), (student, other, of_student) = section["rows"]
    assert (teacher, student) == (colour, other) == ("teacher", "student")
    assert of_teacher == ["1.50 [1.40, 1.60]", "25.0 [15.0, 35.0]", "1.50 [1.40, 1.60]", "–", "–", "–"]
    assert of_student[3:] == ["1.0 to 2.5", "0.50", "0.25"]
    assert "uniform: 2.2 hops" in section["notes"][1]


def test_a_module_of_the_users_has_swaps_alone() -> None:
    section = section_of(profile(own={"influence": None, "swap": STUDENT["swap"], "attention": None}))
    assert "takes other features" in section["figures"][0].caption
    assert section["rows"][0][2][:3] == ["–", "–", "1.50 [1.40, 1.60]"]
    assert section["notes"][-1].startswith("The own encodes features in its own way")


def test_run_page_shows_the_profile_of_its_folder(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert profile_section(tmp_path) is None
    before = page_of(tmp_path)
    assert "What reaches a node" not in before.text
    write_json(tmp_path / "profile.json", profile(**{"teacher": TEACHER, EVIL: STUDENT}))
    page = page_of(tmp_path)
    assert page.tags["svg"] == before.tags["svg"] + 4
    for text in ("What reaches a node, from how far", "reach (hops)", "0.50", EVIL):
        assert text in page.text
    (tmp_path / "profile.json").write_bytes((tmp_path / "profile.json").read_bytes().replace(b"0.25", b"0.75"))
    with pytest.raises(Damaged, match=r"profile\.json"):
        profile_section(tmp_path)
