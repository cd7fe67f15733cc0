"""What is said of runs that a table lacks."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from finished_runs import make_run

from gnn_distill.config.schema.table import ColumnConfig, RowConfig, TableConfig
from gnn_distill.experiments.absent import describe_absent
from gnn_distill.experiments.cells import PlannedRun, mixed
from gnn_distill.results.runs import read_runs, write_rows


def planned(seed: int, *words: str, digest: str = "new") -> PlannedRun:
    words = (*words, f"seed={seed}")
    return PlannedRun("kd", "x", (("seed", seed),), words, f"{digest}{seed}", "s1", "d1", Path("cell"))


def rows(folder: Path, *overrides: str) -> Path:
    """Rows of seeds 0 to 2, made with these overrides."""
    runs = [make_run(folder / f"run{seed}", seed=seed, digest=f"old{seed}") for seed in range(3)]
    for seed, run in enumerate(runs):
        (run / ".hydra" / "overrides.yaml").write_text("".join(f"- {word}\n" for word in (*overrides, f"seed={seed}")))
    write_rows(read_runs([folder]), folder / "rows.csv")
    return folder


def test_runs_with_other_settings_are_told_with_the_keys_that_differ(tmp_path: Path) -> None:
    rows(tmp_path / "near", "loss=kd", "trainer.threads=1", "paths.store=/here")
    rows(tmp_path / "far", *(f"a.key{number}=1" for number in range(9)))
    places = [tmp_path / "near", tmp_path / "nowhere"]
    known = {planned(seed, "loss=kd", "optim.lr=0.1", "trainer.out_of_memory=stop"): "missing" for seed in (0, 1, 5)}
    near, where = describe_absent(known, read_runs(places), places)
    assert near == (
        "2 of 3 missing runs exist with other settings: optim.lr is not set there, 0.1 here; trainer.threads is 1 "
        "there, not set here."
    )
    assert where == (
        f"3 runs are missing, 3 with other settings exist. Searched in {Path.cwd()}: {places[0]} (3 runs), "
        f"{places[1]} (does not exist)."
    )
    (where,) = describe_absent(known, read_runs([tmp_path / "far"]), [tmp_path / "far"])
    assert where.startswith("3 runs are missing, 3 with other settings exist.")


def test_the_same_words_with_another_hash_are_told_apart_from_nothing(tmp_path: Path) -> None:
    found = read_runs([rows(tmp_path, "loss=kd")])
    said, _ = describe_absent({planned(0, "loss=kd"): "missing"}, found, [tmp_path])
    assert "the same overrides, but other defaults, data or modules behind them" in said
    assert not list(describe_absent({planned(0, "loss=kd", digest="old"): "finished"}, found, [tmp_path]))


def test_other_rows_of_the_table_are_not_taken_for_the_missing_runs(tmp_path: Path) -> None:
    found = read_runs([rows(tmp_path, "teacher=none")])
    known = {planned(0, "teacher=none", digest="old"): "finished", planned(0, "loss=kd"): "missing"}
    (where,) = describe_absent(known, found, [tmp_path])
    assert where.startswith("1 run is missing, 2 with other settings exist.")


def test_cells_of_several_versions_are_told() -> None:
    table = TableConfig("t", rows={"kd": RowConfig("KD"), "full": RowConfig("full")}, columns={"x": ColumnConfig("X")})
    values = pd.DataFrame({"row": ["kd", "kd", "full"], "column": "x", "sources": ["a", "b", "c"]})
    assert list(mixed(values, table)) == [
        "Cells whose runs come from several versions of the code, and from how many: X: KD 2."
    ]
    assert not list(mixed(values[1:], table))


def test_a_table_that_finds_nothing_says_so(gnn_distill: Callable, tmp_path: Path) -> None:
    few = ("table.sizes.smoke.rows=[kd]", "table.sizes.smoke.pairs.seed=[0]")
    status, out, err = gnn_distill("table", "table.size=smoke", *few, "table.run=false")
    assert (status, err) == (0, "")
    assert f"Note: 1 run is missing, 0 with other settings exist. Searched in {tmp_path}: outputs (" in out
