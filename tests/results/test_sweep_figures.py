import math
import subprocess
import sys

import pandas as pd
import pytest

from gnn_distill.results.sweep_figures import draw_curve, draw_heat_map

INDEX, COLUMNS = pd.Index(["0", "$1$"], name="macro"), pd.Index(["0", "0.1"], name="micro")
MEANS = pd.DataFrame([[0.7, 0.6], [0.8, math.nan]], index=INDEX, columns=COLUMNS)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def outlined(axes):
    """Places (x, y) of the cells with a frame."""
    return [patch.get_center().tolist() for patch in axes.patches if not patch.get_fill()]


@pytest.mark.parametrize(("lower_is_better", "place"), [(False, [0, 1]), (True, [1, 0])])
def test_a_map_outlines_the_best_and_leaves_out_what_is_missing(lower_is_better, place):
    axes, bar = draw_heat_map(MEANS, "accuracy", lower_is_better).axes
    assert texts(axes) == ["70.0", "60.0", "80.0", "–"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("micro", "macro")
    assert outlined(axes) == [pytest.approx(place)]
    assert len(axes.patches) == 4
    assert bar.get_ylabel() == "accuracy (%)"
    assert bar.get_ylim() == pytest.approx((60, 80))  # in the units of the cells


def test_a_map_outlines_the_cell_that_was_chosen_elsewhere():
    assert outlined(draw_heat_map(MEANS, "accuracy", False, ("0", "0.1")).axes[0]) == [pytest.approx([1, 0])]
    assert outlined(draw_heat_map(MEANS, "accuracy", False, ("2", "0")).axes[0]) == []


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_darker_is_better(lower_is_better):
    axes = draw_heat_map(MEANS, "accuracy", lower_is_better).axes[0]
    light = {text: sum(patch.get_facecolor()[:3]) for text, patch in zip("76", axes.patches[:2], strict=True)}
    assert (light["7"] < light["6"]) is not lower_is_better


def test_maps_of_equal_values_and_of_nothing_have_no_colour_bar():
    for value in (0.5, math.nan):
        (axes,) = draw_heat_map(pd.DataFrame([[value, value]]), "mae", True).axes
        assert len(texts(axes)) == 2


def test_long_names_below_a_map_are_turned():
    for name, turned in (("0.1", 0), ("random walks", 35)):
        axes = draw_heat_map(MEANS.rename(columns={"0.1": name}), "mae", True).axes[0]
        assert {label.get_rotation() for label in axes.get_xticklabels()} == {turned}


def series(values, kinds):
    return pd.Series(pd.Categorical(values, categories=kinds, ordered=True), name="weight")


def test_numbers_are_joined_at_their_means_and_the_chosen_one_is_marked():
    settings, values = series(["0", "10", "0"], ["0", "10"]), pd.Series([0.5, 0.7, 0.6])
    (axes,) = draw_curve(settings, values, "accuracy", "10").axes
    *dots, line = [list(line.get_ydata()) for line in axes.get_lines()]
    assert dots == [pytest.approx([50, 60]), pytest.approx([70])]
    assert line == pytest.approx([55, 70])
    assert texts(axes) == ["chosen"]
    assert axes.patches[0].get_x() == pytest.approx(0.7)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("weight", "accuracy (%)")


def test_words_are_not_joined():
    (axes,) = draw_curve(series(["a", "b"], ["a", "b"]), pd.Series([0.5, 0.7]), "rmse").axes
    assert len(axes.get_lines()) == 2  # dots alone
    (bars,) = axes.collections
    assert [float(bar[0][1]) for bar in bars.get_segments()] == pytest.approx([0.5, 0.7])
    assert texts(axes) == []


def test_of_seeds_the_mean_of_all_is_shown():
    (axes,) = draw_curve(series(["0", "1"], ["0", "1"]), pd.Series([0.5, 0.7]), "rmse", joined=False).axes
    *dots, mean = [list(line.get_ydata()) for line in axes.get_lines()]
    assert dots == [[0.5], [0.7]]
    assert mean == pytest.approx([0.6, 0.6])
    assert not axes.collections


def test_import_costs_no_matplotlib():
    code = "import sys, gnn_distill.results.sweep_figures; sys.exit(bool({'matplotlib', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
