"""Finished runs as rows."""

from pathlib import Path

import pandas as pd
import pytest
from finished_runs import make_run

from gnn_distill.errors import UserError
from gnn_distill.results.runs import COLUMNS, left_out, newest, origin, read_runs, write_rows
from gnn_distill.storage.checksums import write_json


def test_a_run_becomes_a_row(tmp_path: Path) -> None:
    make_run(tmp_path / "deep" / "run")
    (frame,) = read_runs([tmp_path, tmp_path / "missing"]).to_dict("records")
    assert list(frame) == list(COLUMNS)
    assert (frame["student_test"], frame["student_val"], frame["teacher_val"]) == (0.7, 1 / 3, 0.8)
    assert pd.isna(frame["teacher_test"])
    assert (frame["fold"], frame["n_train"], frame["n_test"], frame["seconds_total"]) == (2, 10, 6, 3.2)
    assert frame["higher_is_better"] is True
    assert frame["overrides"] == "seed=0 loss=kd"
    assert frame["path"] == str(tmp_path / "deep" / "run")


def test_rows_written_are_read_back_to_the_last_digit(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", seed=0, digest="aa")
    make_run(tmp_path / "runs" / "b", seed=1, digest="0123")
    runs = read_runs([tmp_path / "runs"]).sort_values("config_hash", ignore_index=True)
    write_rows(runs, tmp_path / "csv" / "rows.csv")
    for place in (tmp_path / "csv", tmp_path / "csv" / "rows.csv"):
        expected = runs.assign(path="", file=str(tmp_path / "csv" / "rows.csv"))
        pd.testing.assert_frame_equal(read_runs([place]), expected, check_dtype=False)


def test_what_is_no_run_is_passed_over(tmp_path: Path) -> None:
    write_json(tmp_path / "summary.json", {"metric": "accuracy"})
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    assert read_runs([tmp_path]).empty
    with pytest.raises(UserError, match=r"other\.csv is not a file of finished runs"):
        read_runs([tmp_path / "other.csv"])


def test_damaged_runs_and_those_of_other_versions_are_told_and_do_not_count(tmp_path: Path) -> None:
    damaged, good, *old = (make_run(tmp_path / name, digest=name) for name in "abcd")
    raw = (damaged / "summary.json").read_bytes()
    for run in old:
        (run / "summary.json").write_text('{"metric": "accuracy"}')
    for content in (raw[:-10], raw.replace(b"0.7", b"0.8"), b""):
        (damaged / "summary.json").write_bytes(content)
        told: list[str] = []
        assert read_runs([tmp_path], told.append)["config_hash"].tolist() == ["b"]
        assert len(told) == 2
        assert told[0].startswith(f"{damaged / 'summary.json'}: is damaged: ")
        assert "The run is ignored" in told[0]
        assert "2 folders of runs are ignored" in told[1]
        assert f"{old[0] / 'summary.json'}: was written by an older version" in told[1]
    (good / ".hydra" / "overrides.yaml").write_text("\0")
    manifest = {"files": {".hydra/overrides.yaml": {"size": 1, "sha256": "0" * 64}}}
    write_json(good / "manifest.json", manifest)
    assert read_runs([good])["overrides"].tolist() == [""]


def test_of_one_config_our_own_run_counts_then_the_latest(tmp_path: Path) -> None:
    for name, sources, finished in (
        ("a", "ours", "2026-01-01"),
        ("b", "ours", "2026-01-03"),
        ("c", "old", "2026-01-09"),
    ):
        make_run(tmp_path / name, sources=sources, finished=finished)
    runs = read_runs([tmp_path])
    assert newest(runs, {"aa": "ours"})["path"].tolist() == [str(tmp_path / "b")]
    assert newest(runs, {"aa": "another"})["path"].tolist() == [str(tmp_path / "c")]
    assert newest(runs, {"bb": "ours"})["path"].tolist() == [str(tmp_path / "c")]


def test_of_runs_of_other_code_the_tables_own_file_counts_and_the_rest_is_told(tmp_path: Path) -> None:
    first, later = (make_run(tmp_path / name, sources=name, finished=name) for name in ("2026-01-01", "2026-01-09"))
    write_rows(read_runs([first]), tmp_path / "rows" / "table_small.csv")
    write_rows(read_runs([later]).assign(student_test=0.75), tmp_path / "rows" / "table_other.csv")
    runs = read_runs([tmp_path / "rows"])
    for table, code, score in (("small", "new", 0.7), ("other", "new", 0.75), ("third", "new", 0.75)):
        assert newest(runs, {"aa": code}, table)["student_test"].tolist() == [score], table
    assert newest(runs, {"aa": "2026-01-09"}, "small")["student_test"].tolist() == [0.75]
    taken = newest(runs, {"aa": "new"}, "small")
    assert list(left_out(runs, taken)) == [
        "1 run exists more than once, made by different code: one of this version is used, else that of the table's "
        "own file, else the latest. Left out: "
        f"{tmp_path / 'rows' / 'table_other.csv'} (1, 1 of them with another score)."
    ]
    assert not list(left_out(taken, taken))
    # The folder of the run that stands in the table's file is as good, and holds its epochs.
    assert newest(read_runs([tmp_path]), {"aa": "new"}, "small")["path"].tolist() == [str(first)]


def test_a_run_that_is_in_a_csv_file_too_keeps_its_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_rows(read_runs([run]), tmp_path / "runs.csv")
    runs = read_runs([tmp_path])
    assert sorted(runs["path"]) == ["", str(run)]
    assert newest(runs, {"aa": "s1"})["path"].tolist() == [str(run)]


def test_the_origin_of_runs_is_one_sentence() -> None:
    assert origin(pd.DataFrame(columns=["finished"])) == []
    runs = pd.DataFrame(
        {
            "finished": ["2026-01-03T10:00:00+00:00", "2026-01-01T10:00:00+00:00", "2026-01-02T10:00:00+00:00"],
            "commit": ["a" * 40, "b" * 40, None],
            "device": "cpu (some)",
            "threads": [1.0, 1.0, 2.0],
            "version": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0",
            "torch_geometric": ["2.8.1", "2.8.1", None],
        }
    )
    assert origin(runs) == [
        "Runs: 3, 2026-01-01 to 2026-01-03, on cpu (some), threads: 1 or 2; gnn-distill 0.1.0 (commit aaaaaaa or "
        "bbbbbbb), Python 3.11.7, torch 2.13.0, torch_geometric 2.8.1."
    ]
