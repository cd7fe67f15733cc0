"""Profiles of several runs as one."""

from copy import deepcopy

import numpy as np
import pytest
from test_profile_pages import STUDENT, TEACHER, profile

from gnn_distill.results.profile_groups import grouped, joined
from gnn_distill.results.profile_page import section_of


def scaled(factor: float) -> dict:
    """The student's profile with other influence beyond its own node."""
    model = deepcopy(STUDENT)
    curve = model["influence"]["per_node"]["value"]
    model["influence"]["per_node"]["value"] = [curve[0], *(v if v is None else factor * v for v in curve[1:])]
    model["influence"]["reach"]["value"] = factor
    return model


def test_means_and_intervals_over_runs() -> None:
    found = joined([scaled(factor) for factor in (1.0, 2.0, 3.0)])
    influence = found["influence"]
    assert influence["per_node"]["value"] == pytest.approx([1, 0.2, 0.02, 0.002, 0.001, None])
    half = 4.302653 / np.sqrt(3)  # t with two degrees of freedom, standard deviation 1
    assert influence["reach"]["value"] == 2
    assert (influence["reach"]["low"], influence["reach"]["high"]) == pytest.approx((0.0, 2 + half))
    assert influence["per_node"]["high"][1] == pytest.approx(0.2 + 0.1 * half)
    assert influence["per_node"]["low"][0] is None  # all runs have 1 there
    assert found["attention"]["layers"][0]["heads"]["distance"] == [1.0, 2.5] * 3


def test_a_single_run_keeps_its_bounds() -> None:
    assert joined([TEACHER]) == TEACHER


def test_methods_in_one_picture() -> None:
    runs = [profile() for _ in range(3)]
    alone = profile(student=STUDENT)
    alone["errors"]["models"].pop("teacher")
    found = grouped({
        "teacher": [(run, "teacher") for run in runs], "student alone": [(alone, "student")],
        "full": [(run, "student") for run in runs], "nobody": [(alone, "teacher")],
    })  # fmt: skip
    assert list(found["models"]) == ["teacher", "student alone", "full"]
    assert found["runs"] == 3
    assert list(found["errors"]["models"]) == ["teacher", "student alone", "full"]
    assert found["errors"]["models"]["full"][0]["value"] == 0.5
    section = section_of(found)
    assert len(section["figures"]) == 4
    assert "up to 3 runs" in section["figures"][0].caption
    rows = [(label, colour) for label, colour, _ in section["rows"]]
    assert rows == [("teacher", "teacher"), ("student alone", ""), ("full", "student")]
    assert grouped({"nobody": [(alone, "teacher")]}) is None


def test_errors_in_other_bins_are_not_averaged() -> None:
    one, other = profile(), profile()
    other["errors"] = deepcopy(other["errors"])
    other["errors"]["models"]["student"][1]["farthest"] = 8
    assert grouped({"full": [(one, "student"), (other, "student")]})["errors"] is None
