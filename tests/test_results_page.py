"""docs/results.md says what its committed rows say, and what its commands print."""

from collections.abc import Callable
from pathlib import Path

import hydra
import pandas as pd
import pytest
import results_of_tables
import write_results

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config.schema.probe import ExamineSettings
from gnn_distill.results.grids import grids
from gnn_distill.results.indices import SETTINGS, settings_keys
from gnn_distill.results.rendering import to_markdown
from gnn_distill.results.table_files import read_table

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "results.md").read_text()


def test_every_table_of_the_page_is_that_of_its_rows_to_the_last_digit() -> None:
    assert write_results.page() == PAGE, "Rows or their rendering have changed: run `python scripts/write_results.py`."
    by_hand = write_results.BLOCK.sub("", PAGE)
    assert not [line for line in by_hand.splitlines() if line.startswith("|")], "a table that no row stands behind"
    assert {found[2] for found in write_results.BLOCK.finditer(PAGE)} == write_results.TABLES.keys()


@pytest.mark.parametrize(
    ("table", "size", "rows"),
    [
        ("nci1", "full", "nci1_small"),
        pytest.param("main", "measured", "main_table", marks=pytest.mark.slow),
        pytest.param("ablation", "measured", "ablation", marks=pytest.mark.slow),
    ],
)
def test_the_command_of_a_table_gives_it_again(
    table: str, size: str, rows: str, gnn_distill: Callable, tmp_path: Path
) -> None:
    words = (
        f"table={table}",
        f"table.size={size}",
        "trainer.threads=1",
        f"table.search=['{ROOT / 'docs' / 'results'}']",
    )
    status, _, err = gnn_distill("table", *words, "table.run=false")
    assert (status, err) == (0, "")
    (results, *_) = grids(read_table(tmp_path / "outputs" / "tables" / table / size))
    shown = next(found[0] for found in write_results.BLOCK.finditer(PAGE) if found[2] == rows)
    lines = [plain(line) for line in shown.splitlines()]
    columns = len(read_table(tmp_path / "outputs" / "tables" / table / size).columns)
    for label, *cells in results.rows:
        told = [label.text, *(f"{cell.text}{cell.marks}{cell.rest}" for cell in cells[:columns])]
        assert any(line.startswith(plain(f"| {' | '.join(told)} |")) for line in lines), told


def test_rows_of_probed_runs_give_their_awareness_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.read_csv(ROOT / "docs" / "results" / "table_nci1.csv")
    asked = settings_keys(ExamineSettings())
    rows = rows.assign(**{column: asked[file] for file, column in SETTINGS.items()}, given="degrees", probe_code="c")
    rows["student_local"] = [0.1 + 0.01 * number for number in range(len(rows))]
    file = tmp_path / "docs" / "results" / "table_nci1.csv"
    file.parent.mkdir(parents=True)
    rows.to_csv(file, index=False)
    monkeypatch.setattr(results_of_tables, "ROOT", tmp_path)
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        table = results_of_tables.table_of("nci1", "full", "table_nci1.csv")
    (local,) = table.further
    assert local.reference == "alone"
    alone = rows[rows["overrides"].str.contains("teacher=none")]["student_local"]
    assert sorted(local.cells["alone", "nci1"].values) == pytest.approx(sorted(alone))
    assert f"{alone.mean():.3f} ± {alone.std(ddof=1):.3f}" in to_markdown(table)


def plain(line: str) -> str:
    """A line of a table without emphasis, escapes, padding, and the mark of runs of other code."""
    for mark in ("**", "<ins>", "</ins>", "\\", "°", " "):
        line = line.replace(mark, "")
    return line
