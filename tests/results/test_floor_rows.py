"""A row of floors in a table: shown and named where methods are not ahead of it, never ranked or compared."""

import json
from pathlib import Path

import pandas as pd
from scores_of_runs import NAN, SEEDS, config, runs, scores

from gnn_distill.results.comparison import make_table
from gnn_distill.results.grids import grids
from gnn_distill.results.rendering import to_json
from gnn_distill.results.table_files import FILE, read_table
from gnn_distill.results.tables import Table
from gnn_distill.results.verdicts import verdicts_of

ROWS = {
    "floor": [0.75, 0.75, 0.74, 0.76, 0.75],
    "teacher": [0.85, 0.86, 0.84, 0.88, 0.85],
    "alone": [0.60, 0.62, 0.61, 0.64, 0.60],
    "kd": [0.60, 0.61, 0.62, 0.63, 0.61],
    "full": [0.80, 0.81, 0.82, 0.82, 0.80],
}


def table_of(rows: dict[str, list[float]], **changes: object) -> Table:
    settings = config(rows, {"data": SEEDS}, reference="alone", **changes)
    if "floor" in rows:
        settings.rows["floor"].role = "floor"
    return make_table(settings, scores(*(runs(row, "data", values) for row, values in rows.items())))


def test_it_is_neither_ranked_nor_compared_and_changes_no_test() -> None:
    made, without = table_of(ROWS), table_of({row: values for row, values in ROWS.items() if row != "floor"})
    floor = made.cells["floor", "data"]
    assert (floor.mean, floor.comparison, floor.best, floor.second) == (0.75, None, False, False)
    assert made.comparisons == without.comparisons == 3
    for row in ("teacher", "kd", "full"):
        assert made.cells[row, "data"].comparison == without.cells[row, "data"].comparison
    assert "floor" not in made.wins
    assert pd.isna(made.ranks["floor"])


def test_methods_that_are_not_ahead_of_it_are_named() -> None:
    notes = [note for note in table_of(ROWS).notes if "costs nothing" in note]
    assert notes == ["data: not ahead of floor (75.0), which costs nothing: alone, kd."]
    assert not [note for note in table_of(ROWS | {"floor": [0.5] * 5}).notes if "costs nothing" in note]
    assert not [note for note in table_of(ROWS | {"floor": [NAN] * 5}).notes if "costs nothing" in note]


def test_it_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    made = table_of(ROWS)
    (tmp_path / FILE).write_text(to_json(made))
    again = read_table(tmp_path)
    assert again.floors == {"floor"}
    assert again.comparisons == made.comparisons
    assert json.dumps(again.as_json()) == json.dumps(made.as_json())


def test_verdicts_say_what_the_tests_show() -> None:
    kd, full = verdicts_of(table_of(ROWS))
    assert kd.startswith("data: distillation neither helped nor hurt as far as this shows. kd − alone: 0.0 points")
    assert full.startswith("data: distillation helped. full − alone: +19.6 points of accuracy [")
    assert full.endswith("(paired t-test, 5 seeds, Holm over 3 comparisons).")
    worse = table_of({**ROWS, "full": [value - 0.2 for value in ROWS["full"]], "alone": ROWS["full"]})
    hurt, untested = verdicts_of(worse)
    assert "distillation hurt. kd − alone: −19.6 points" in hurt
    assert untested.startswith(
        "data: full − alone: −20.0 points of accuracy in each of 5 seeds. All differ by the same"
    )
    (one,) = verdicts_of(table_of({"alone": [0.5], "kd": [0.6]}))
    assert one == "data: kd − alone: +10.0 points of accuracy in one seed. So no test is possible."


def test_verdicts_have_the_digits_of_their_column() -> None:
    errors = {"alone": [0.651, 0.652, 0.650, 0.655, 0.649], "kd": [0.617, 0.619, 0.614, 0.62, 0.616]}
    groups = [runs(row, "data", values, "rmse", higher_is_better=False) for row, values in errors.items()]
    made = make_table(config(errors, {"data": SEEDS}, reference="alone"), scores(*groups))
    (verdict,) = verdicts_of(made)
    assert "kd − alone: +0.034 RMSE, positive is better [+0.033, +0.036]," in verdict
    (gain,) = (grid.rows[0][1] for grid in grids(made) if grid.key == "gains")
    assert gain.text + gain.rest == "+0.034 [+0.033, +0.036], p < 0.001"
