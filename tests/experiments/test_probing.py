"""Which runs of a table are probed, and whose indices its rows show."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gnn_distill.cli.table import print_gaps
from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.probe import ExamineFoundConfig
from gnn_distill.config.schema.table import ColumnConfig, RowConfig, TableConfig
from gnn_distill.errors import UserError
from gnn_distill.experiments.cells import PlannedRun
from gnn_distill.experiments.probing import describe_given, index_scores, probe_runs, to_probe
from gnn_distill.results.indices import INDEX_NUMBERS
from gnn_distill.training.console import Console

TABLE = TableConfig(
    name="toy",
    rows={
        "teacher": RowConfig("GIN", role="teacher"),
        **{row: RowConfig(row) for row in ("alone", "kd", "all", "other")},
    },
    columns={"data": ColumnConfig("Data", pairs={"seed": [0, 1]})},
)
TOLD = "own features; degrees"
ALONE = {"student_local": 0.1, "teacher_key": "", "given": TOLD}
BESIDE = {"student_local": 0.2, "teacher_local": 0.6, "teacher_key": "t", "given": TOLD}
OWN = {"teacher_key": "t", "given": "own features", "teacher_local": 0.9}
"""A teacher probed alone is given less."""


def runs_of(**rows: dict) -> tuple[list[PlannedRun], pd.DataFrame]:
    """Planned runs of seed 0, finished in /row, and their rows with these values."""
    plan = [PlannedRun(row, "data", (("seed", 0),), (), row, "s", "d", Path(row)) for row in rows]
    usual = {
        **dict.fromkeys(INDEX_NUMBERS, math.nan),
        **{"fold": 0, "split_seed": 0, "seed": 0, "metric": "accuracy", "higher_is_better": True, "n_train": 8},
        **{"n_test": 2, "sources": "s", "constant_test": 0.5, "student_test": 0.7, "teacher_test": 0.8},
        **{"probe_settings": "p", "profile_settings": "", "probe_code": "c", "given": "", "teacher_key": ""},
    }
    lines = [{**usual, "config_hash": row, "path": f"/{row}", **values} for row, values in rows.items()]
    return plan, pd.DataFrame(lines)


def probed(runs: list[PlannedRun], rows: pd.DataFrame) -> list[str]:
    return [run.row for run in to_probe(runs, rows, TABLE)]


def local(runs: list[PlannedRun], rows: pd.DataFrame) -> dict[str, float]:
    frame = index_scores(runs, rows, TABLE)["local"]
    assert set(frame["metric"]) == {"local awareness"}
    return dict(zip(frame["row"], frame["value"], strict=True))


def test_a_teacher_is_taken_from_beside_a_student() -> None:
    runs, rows = runs_of(teacher=OWN, alone=ALONE, kd=BESIDE)
    assert probed(runs, rows) == ["alone", "kd"]
    assert local(runs, rows) == {"teacher": 0.6, "alone": 0.1, "kd": 0.2}
    assert list(describe_given(runs, rows, TABLE)) == []


def test_another_teacher_is_not_taken_for_it() -> None:
    runs, rows = runs_of(teacher=OWN, alone=ALONE, other=BESIDE | {"teacher_key": "u"})
    assert probed(runs, rows) == ["teacher", "alone", "other"]
    assert local(runs, rows) == {"teacher": 0.9, "alone": 0.1, "other": 0.2}
    (told,) = describe_given(runs, rows, TABLE)
    assert told.startswith("Data: the models of GIN are given other things than those of alone.")


def test_of_several_students_one_is_taken_that_is_probed_and_given_the_same() -> None:
    more = BESIDE | {"given": f"{TOLD}; random walks", "teacher_local": 0.3}
    runs, rows = runs_of(teacher=OWN, alone=ALONE, all=more, other=BESIDE | {"teacher_local": math.nan}, kd=BESIDE)
    assert local(runs, rows)["teacher"] == 0.6
    assert [text.partition(" are given")[0] for text in describe_given(runs, rows, TABLE)] == [
        "Data: the models of all"
    ]


def test_a_student_of_a_file_that_was_not_probed_tells_nothing_of_its_teacher() -> None:
    runs, rows = runs_of(teacher=OWN, kd=BESIDE | {"path": "", "probe_settings": "", "teacher_local": math.nan})
    assert probed(runs, rows) == ["teacher"]
    assert local(runs, rows)["teacher"] == 0.9


def test_a_run_that_also_is_in_a_row_of_students_is_shown_as_it_is() -> None:
    runs, rows = runs_of(alone=ALONE, kd=BESIDE | {"teacher_local": 0.5}, other=BESIDE)
    runs.insert(0, replace(runs[1], row="teacher"))
    assert sorted(probed(runs, rows)) == ["alone", "other", "teacher"]  # once, for both of its rows
    assert local(runs, rows) == {"teacher": 0.5, "alone": 0.1, "kd": 0.2, "other": 0.2}


def test_what_cannot_be_probed_is_left_out_of_the_frame_and_of_the_queue() -> None:
    runs, rows = runs_of(alone=ALONE, kd=BESIDE | {"student_local": math.nan})
    assert local(runs, rows) == {"alone": 0.1}
    rows["path"] = ["", "/kd"]  # the first is a row of a CSV file
    assert probed(runs, rows) == ["kd"]
    assert probed(runs, rows.iloc[:0]) == []


def test_a_run_that_cannot_be_probed_is_named_and_stops_no_other(tmp_path: Path) -> None:
    runs, _ = runs_of(alone=ALONE, kd=BESIDE)
    said = io.StringIO()
    chosen = {run: tmp_path / run.row for run in runs}
    failed = probe_runs(chosen, ExamineFoundConfig(), PathsConfig(), Console(said))
    assert list(failed) == runs
    assert said.getvalue().count("cannot be probed. ") == 2
    assert "Probes: 0 made, 0 found, 2 failed." in said.getvalue()
    with pytest.raises(UserError, match="2 runs could not be probed"):
        print_gaps(Console(io.StringIO()), TABLE, dict.fromkeys(runs, "finished"), [], "", failed)
