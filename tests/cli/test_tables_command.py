"""`gnn-distill tables`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gnn_distill.cli.commands import CONF_DIR
from gnn_distill.cli.tables import describe
from gnn_distill.config.catalogue import choices

TABLES = choices([CONF_DIR / "table"])


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_what_it_is(name: str) -> None:
    table, rows, columns, sizes, what = describe(name, [CONF_DIR / "table"])
    assert table == name
    assert int(rows) > 0
    assert int(columns) > 0
    assert sizes.startswith("full")
    assert what


def test_a_table_that_extends_another_has_its_rows() -> None:
    assert describe("floors", [CONF_DIR / "table"])[1:4] == (
        *("9", "9", "full, smoke, measured, typed_edges, nci1, esol, cora, lipo, mutagenicity, actor"),
    )


def test_the_list_has_them_and_those_of_the_users(gnn_distill: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine" / "table").mkdir(parents=True)
    (tmp_path / "mine" / "table" / "own.yaml").write_text(
        "# My table. Its second sentence.\ndefaults: [main]\nname: own\nrows: {mine: {overrides: []}}\n"
    )
    status, out, err = gnn_distill("tables", "--config-dir", "mine")
    assert (status, err) == (0, "")
    heading, *lines = out.splitlines()
    assert heading.split() == ["table", "rows", "columns", "sizes", "what"]
    assert [line.split()[0] for line in lines] == sorted([*TABLES, "own"])
    own = next(line for line in lines if line.startswith("own"))
    assert own.split()[1] == "10"
    assert own.endswith("  My table.")
