"""Awareness beside the scores of a table: verdicts over columns, panels, files, and the rows of probed runs."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_runs import make_run
from probed_runs import model
from scipy import stats
from scores_of_runs import FOLDS, SEEDS, config, runs, scores

from gnn_distill.config.schema.probe import ExamineSettings
from gnn_distill.results.awareness import with_awareness
from gnn_distill.results.comparison import make_table
from gnn_distill.results.grids import grids
from gnn_distill.results.indices import (
    INDEX_COLUMNS,
    QUANTITIES,
    by_settings,
    describe_other_settings,
    indices_of,
    with_indices,
)
from gnn_distill.results.outcomes import outcomes
from gnn_distill.results.rendering import FORMATS, to_json
from gnn_distill.results.runs import read_runs, write_rows
from gnn_distill.results.table_figures import draw_further
from gnn_distill.results.table_files import FILE, read_table
from gnn_distill.results.tables import Table
from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.run_directory import read_summary

ROWS = ("teacher", "alone", "full")
COLUMNS = {"one": SEEDS, "two": SEEDS, "three": SEEDS, "folds": FOLDS, "lost": SEEDS, "same": SEEDS}
GAINS = {"one": 0.4, "two": 0.1, "three": 0.02, "folds": 0.2, "lost": -0.3, "same": 0.0}
"""What `full` gives over `alone` of local awareness; of far awareness a tenth of it, with the other sign."""


def values_of(key: str, sign: float = 1.0) -> dict[str, list[float]]:
    """Local awareness by row in a column: noise of .05 but in `same`, where nothing differs."""
    random = np.random.default_rng([*COLUMNS].index(key))
    alone = 0.3 + 0.05 * random.standard_normal(5)
    noise = 0.05 * random.standard_normal(5) if key != "same" else 0
    return {"teacher": alone + 0.1, "alone": alone, "full": alone + sign * GAINS[key] + noise}


def frame(sign: float = 1.0, metric: str = "local awareness", left_out: tuple = ()) -> pd.DataFrame:
    """The lines of an index, as make_table reads them."""
    groups = [
        runs(row, key, list(values), metric, "fold" if key == "folds" else "seed")
        for key in COLUMNS
        for row, values in values_of(key, sign).items()
        if (row, key) not in left_out
    ]
    return scores(*groups)


@pytest.fixture(scope="module")
def table() -> Table:
    return made()


def made(left_out: tuple = (), **changes: object) -> Table:
    """A table without a reference for its scores, as `table=structure` of three rows is."""
    of = config(ROWS, COLUMNS, {"alone": "student alone"}, **changes)
    indices = {"local": frame(left_out=left_out), "far": frame(-0.1, "far awareness"), "range": frame().iloc[:0]}
    return with_awareness(make_table(of, frame(metric="accuracy")), of, indices)


def plain_outcomes(sign: float = 1.0, missing: tuple[str, ...] = ()) -> dict[str, str]:
    """Paired t by column, of folds corrected, and Holm over columns, in plain steps."""
    p, mean = {}, {}
    for key in (key for key in COLUMNS if key not in missing):
        values = values_of(key, sign)
        d = [one - other for one, other in zip(values["full"], values["alone"], strict=True)]
        mean[key] = sum(d) / len(d)
        variance = sum((x - mean[key]) ** 2 for x in d) / (len(d) - 1)
        if key == "same":
            p[key] = 1.0
            continue
        factor = 1 / len(d) + (200 / 800 if key == "folds" else 0)
        p[key] = 2 * stats.t.sf(abs(mean[key]) / math.sqrt(factor * variance), len(d) - 1)
        if key != "folds":
            assert p[key] == pytest.approx(stats.ttest_rel(values["full"], values["alone"]).pvalue)
    found, running = {}, 0.0
    for place, key in enumerate(sorted(p, key=p.get)):
        running = max(running, min(1.0, (len(COLUMNS) - place) * p[key]))
        found[key] = "not shown" if running > 0.05 else "gained" if mean[key] > 0 else "lost"
    return found


def test_verdicts_are_those_of_plain_tests_with_holm_over_columns(table: Table) -> None:
    local, far = table.further
    expected = plain_outcomes()
    assert {*expected.values()} == {"gained", "not shown", "lost"}
    assert outcomes(local, "full") == expected
    assert outcomes(far, "full") == plain_outcomes(-0.1)
    (grid,) = (grid for grid in grids(table) if grid.key == "verdicts")
    counts = [list(expected.values()).count(word) for word in ("gained", "not shown", "lost")]
    assert [entry.text for entry in grid.rows[0][:2]] == ["full", "gained {}, not shown {}, lost {}".format(*counts)]
    assert len(grid.rows) == 1  # neither the reference nor a teacher


def test_a_column_without_runs_counts_as_not_tested_and_helps_no_other() -> None:
    fewer = made(left_out=(("full", "one"),)).further[0]
    assert outcomes(fewer, "full") == {**plain_outcomes(missing=("one",)), "one": "not tested"}
    text = FORMATS["md"](made(left_out=(("full", "one"),)))
    assert "not tested 1" in text
    assert "Finished, but not probed: one, full 5." in text


def test_every_format_shows_indices_beside_scores(table: Table) -> None:
    keys = [grid.key for grid in grids(table)]
    assert keys == ["results", "verdicts", "local", "local-gains", "far", "far-gains"]
    local = next(grid for grid in grids(table) if grid.key == "local")
    assert local.header == ["", *COLUMNS]
    cell = local.rows[2][1]
    assert (cell.text, cell.marks, cell.emphasis) == (f"{values_of('one')['full'].mean():.3f}", "*", "best")
    for name, text in FORMATS.items():
        shown = text(table)
        assert ("local awareness" if name == "csv" else "Local awareness") in shown, name
    lines = pd.read_csv(pd.io.common.StringIO(FORMATS["csv"](table)))
    assert lines["metric"].value_counts().to_dict() == dict.fromkeys(
        ("accuracy", "local awareness", "far awareness"), 18
    )


def test_scores_of_a_table_are_not_changed_by_its_indices(table: Table) -> None:
    of = config(ROWS, COLUMNS, {"alone": "student alone"})
    plain = make_table(of, frame(metric="accuracy"))
    assert "further" not in json.loads(to_json(plain))
    with_more, without = FORMATS["md"](table), FORMATS["md"](plain)
    assert with_more.startswith(without.partition("\n- ")[0])
    assert table.notes[: len(plain.notes)] == plain.notes
    assert table.footnotes[: len(plain.footnotes)] == plain.footnotes


def test_it_is_read_back(table: Table, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(to_json(table))
    assert to_json(read_table(tmp_path)) == to_json(table)
    assert FORMATS["md"](read_table(tmp_path)) == FORMATS["md"](table)


def test_without_a_row_alone_nothing_is_compared() -> None:
    of = config(("teacher", "full"), COLUMNS)
    lines = frame()
    found = with_awareness(make_table(of, lines), of, {"local": lines})
    assert [grid.key for grid in grids(found)][1:] == ["local"]


def examined(folder: Path, digest: str, local: float, **settings: object) -> Path:
    """A run with probe.json and profile.json, as probes leave them."""
    run = make_run(folder, digest=digest)
    asked, finished = ExamineSettings(**settings), read_summary(run)["finished"]
    facts = {"run": digest, "finished": finished, "code": "c", "settings": vars(asked)}
    models = {"student": model(local, 0.1), "student untrained": model(0, 0), "teacher": model(0.6, 0.0)}
    write_json(run / "probe.json", {**facts, "given": ["own features", "degrees"], "models": models})
    reach = {"student": {"influence": {"reach": {"value": 2.5}}}, "teacher": {"influence": None}}
    write_json(run / "profile.json", {**facts, "models": reach})
    return run


def test_rows_hold_what_probes_found_and_files_bring_it_back(tmp_path: Path) -> None:
    examined(tmp_path / "runs" / "a", "aa", local=0.25)
    make_run(tmp_path / "runs" / "b", digest="bb")
    plain = read_runs([tmp_path / "runs"])
    write_rows(plain, tmp_path / "plain.csv")
    assert not {*INDEX_COLUMNS} & {*pd.read_csv(tmp_path / "plain.csv").columns}
    rows = by_settings(with_indices(plain), ExamineSettings())
    assert rows[["student_local", "student_far", "student_local_all", "student_range"]].iloc[0].tolist() == [
        0.25, 0.1, 0.35, 2.5
    ]  # fmt: skip
    assert rows["teacher_local"].iloc[0] == 0.6
    assert rows["given"].tolist() == ["own features; degrees", ""]
    assert rows[[f"student_{key}" for key in QUANTITIES] + ["teacher_range"]].isna().sum().tolist() == [1] * 5 + [2]
    write_rows(rows, tmp_path / "probed.csv")
    again = with_indices(read_runs([tmp_path / "probed.csv"]))
    pd.testing.assert_frame_equal(again[list(INDEX_COLUMNS)], rows[list(INDEX_COLUMNS)])


def test_probes_by_other_settings_are_left_out_and_counted(tmp_path: Path) -> None:
    examined(tmp_path / "runs" / "a", "aa", local=0.25, untrained=1, layers="last")  # changes no index
    examined(tmp_path / "runs" / "b", "bb", local=0.35, types=2)
    rows = with_indices(read_runs([tmp_path / "runs"]))
    assert rows["student_local"].tolist() == [0.25, 0.35]  # kept in files
    shown = by_settings(rows, ExamineSettings())
    assert shown["student_local"].isna().tolist() == [False, True]
    assert shown["student_range"].isna().tolist() == [False, False]  # profiles know no types
    (told,) = describe_other_settings(rows, ExamineSettings())
    assert told.startswith("1 run was probed with other settings")


def test_what_was_found_of_an_earlier_run_in_the_folder_does_not_count(tmp_path: Path) -> None:
    run = examined(tmp_path / "a", "aa", local=0.25)
    assert indices_of(run, "aa", "2026-01-01")["student_local"] == 0.25
    assert indices_of(run, "aa", "2026-01-02") == {}
    (run / "probe.json").write_text("{")
    assert "student_local" not in indices_of(run, "aa", "2026-01-01")


def test_a_figure_shows_means_and_deviations_of_every_index(table: Table) -> None:
    figure = draw_further(table)
    local, _ = figure.axes
    assert [axes.get_title() for axes in figure.axes] == [one.title for one in table.further]
    assert [label.get_text() for label in local.get_yticklabels()] == [one.label for one in table.columns.values()]
    places = {}
    for container in local.containers:
        dot, _, (bar,) = container
        (mean,), (height,) = dot.get_data()
        places[round(height)] = [*places.get(round(height), []), (mean, np.ptp(bar.get_segments()[0][:, 0]) / 2)]
    for place, key in enumerate(COLUMNS):
        cells = table.further[0].of_column(key).values()
        shown = [(cell.mean, cell.std) for cell in cells if len(cell.values)]
        np.testing.assert_allclose(places[place], shown, atol=1e-12)
    assert draw_further(table.further[0]) is None
