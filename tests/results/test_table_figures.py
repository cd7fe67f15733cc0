import math
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from gnn_distill.config.schema.table import ColumnConfig, RowConfig
from gnn_distill.results.comparison import make_table
from gnn_distill.results.figures import COLOURS
from gnn_distill.results.panels import FLOOR
from gnn_distill.results.table_figures import (
    distinct_colours,
    draw_boxes,
    draw_cell_curves,
    draw_differences,
    means_of,
)

ROWS = {"teacher": "teacher", "alone": "student alone", "kd": "soft $t$argets", "full": "full method"}


@pytest.fixture
def table():
    config = SimpleNamespace(
        name="main",
        title="Main",
        rows={row: RowConfig(label) for row, label in ROWS.items()},
        columns={
            "nci1": ColumnConfig(label="NCI1", pairs={"seed": [0, 1, 2, 3, 4]}),
            "esol": ColumnConfig(label="ESOL", pairs={"seed": [0, 1, 2]}),
            "none": ColumnConfig(label="not begun", pairs={"seed": [0, 1, 2]}),
        },
        **{"reference": "kd", "alone": "alone", "teacher": "teacher", "test": "auto", "alpha": 0.05},
    )
    known = {"n_train": 100, "n_test": 50, "stale": False, "fold": 0, "constant": math.nan}
    lines = [
        {"row": row, "column": column, "seed": seed, "value": value + 0.001 * seed * (place + 1), **of, **known}
        for column, seeds, of, values in (
            ("nci1", 5, {"metric": "accuracy", "higher_is_better": True}, (0.8, 0.7, 0.71, 0.8)),
            ("esol", 3, {"metric": "rmse", "higher_is_better": False}, (0.8, 1.2, 1.1, 0.9)),
        )
        for place, (row, value) in enumerate(zip(ROWS, values, strict=True))
        for seed in range(seeds)
    ]
    return make_table(config, pd.DataFrame(lines))


def test_boxes_hold_every_value_in_a_panel_a_column(table):
    nci1, esol = draw_boxes(table).axes
    assert [nci1.get_title(), esol.get_title()] == ["NCI1", "ESOL"]  # nothing of what has no runs
    assert [nci1.get_xlabel(), esol.get_xlabel()] == ["accuracy (%)", "RMSE"]
    dots = [line for line in nci1.get_lines() if line.get_marker() == "o"]
    assert [sorted(dot.get_xdata()) for dot in dots][3] == pytest.approx([80, 80.4, 80.8, 81.2, 81.6])
    bar = nci1.patches[3]  # of one standard deviation each way
    assert (bar.get_x(), bar.get_width()) == pytest.approx((80.8 - 0.4 * 2.5**0.5, 0.8 * 2.5**0.5))
    assert len(nci1.patches) == len(esol.patches) == 4
    assert nci1.yaxis_inverted()
    assert nci1.get_yticklabels()[2].get_text() == r"soft \$t\$argets"  # no formula
    assert len(draw_boxes(table, ["esol"]).axes) == 1
    assert draw_boxes(table, ["none"]) is None


def test_differences_are_those_of_the_table(table):
    nci1, esol = draw_differences(table).axes
    labels = [label.get_text() for label in nci1.get_yticklabels()]
    assert labels == ["teacher", "student alone", "full method"]
    for axes, key, scale in ((nci1, "nci1", 100), (esol, "esol", 1)):
        made = [table.cells[row, key].comparison for row in ("teacher", "alone", "full")]
        assert [bar.get_width() for bar in axes.patches] == pytest.approx([scale * one.effect.mean for one in made])
        assert [bar.get_alpha() == 0.9 for bar in axes.patches] == [bool(one.mark) for one in made]
        ends = [list(line.get_xdata()) for line in axes.get_lines()[:3]]
        assert ends == [pytest.approx([scale * one.effect.low, scale * one.effect.high]) for one in made]
    assert esol.patches[2].get_width() > 0  # a lower error is better
    assert [nci1.get_xlabel(), esol.get_xlabel()] == ["better by (points)", "better by (RMSE)"]


def test_floors_have_a_colour_and_no_differences(table):
    made = replace(table, floors=frozenset({"full"}))
    labels = [label.get_text() for label in draw_differences(made).axes[0].get_yticklabels()]
    assert labels == ["teacher", "student alone"]
    for one, colour in ((made, FLOOR), (table, COLOURS["student"])):
        colours = [patch.get_facecolor()[:3] for patch in draw_boxes(one).axes[0].patches]
        assert colours[3] == to_rgb(colour)
    assert distinct_colours(made)["full"] == FLOOR
    assert len({*map(to_rgb, distinct_colours(made).values())}) == 4


def test_means_of_a_table(table):
    means = means_of(table)
    assert list(means.index) == list(ROWS.values())
    assert means.loc["full method", "ESOL"] == pytest.approx(0.9 + 0.004)
    assert means["not begun"].isna().all()


def test_curves_of_cells_are_means_with_bands():
    runs = [{"val/accuracy": [0.5, 0.6, 0.9]}, {"val/accuracy": [0.7, 0.8]}]  # the second stopped early
    figure = draw_cell_curves({"kd": runs, "none": [{"val/loss": [1.0]}]}, "accuracy", "NCI1", {"kd": "#123456"})
    (axes,) = figure.axes
    (line,) = axes.get_lines()
    assert line.get_color() == "#123456"
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == pytest.approx([60, 70, 90])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(70 + 100 * np.std([0.6, 0.8], ddof=1))
    assert draw_cell_curves({"kd": runs}, "mae") is None


def test_import_costs_no_matplotlib():
    code = "import sys, gnn_distill.results.table_figures; sys.exit(bool({'matplotlib', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
