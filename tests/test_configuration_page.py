"""docs/configuration.md says what the schema says."""

import runpy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

from gnn_distill.config.descriptions import documented
from gnn_distill.config.schema import SCHEMAS

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "write_configuration.py"))


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == SCRIPT["page"](), "The schema has changed: run `python scripts/write_configuration.py`."


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_has_its_one_line_and_its_row(name: str) -> None:
    rows = [line for line in SCRIPT["page"]().splitlines() if line.startswith("| `")]

    def check(schema: type, prefix: str) -> None:
        for field in fields(schema):
            hint, key = get_type_hints(schema)[field.name], f"{prefix}{field.name}"
            line = SCRIPT["escaped"](documented(schema)[field.name])
            assert line.endswith("."), key
            if is_dataclass(hint):
                check(hint, f"{key}.")
            elif key not in ("dataset.source", "dataset.name"):  # sets differ in these: a table of its own
                assert any(row.startswith(f"| `{key}` |") and row.endswith(f"| {line} |") for row in rows), key

    check(SCHEMAS[name], "dataset." if "/" in name else "")


@pytest.mark.parametrize(
    "row",
    [
        "| `optim.lr` | `0.001` | number, above 0 | Peak learning rate. |",
        "| `trainer.max_pairs` | `4000000` | whole number, at least 1 |",
        "| `student.readout` | `token` | `token`, `mean`, `sum` |",
        "| `tracker.entity` | `null` | text, `null` |",
        "| `dataset.path` | required | text | The CSV file. |",
        "| `loss.schedule.task.leave` | `[1.0,1.0]` | list of numbers |",
        "| `dataset.train_fraction` | `1.0` | number, above 0, at most 1 |",
        "| `table.rows` | `{}` | by name: the keys below |",
        "| `table.rows.<name>.role` | `student` | `student`, `teacher`, `floor` |",
        "| `table.columns.<name>.pairs` | `{}` | by name: lists of whole numbers |",
    ],
)
def test_defaults_and_values_are_told_as_they_are_typed(row: str) -> None:
    assert any(line.startswith(row) for line in SCRIPT["page"]().splitlines())


def test_no_section_is_introduced_twice() -> None:
    """`The search. The search for settings, …` says one thing two times."""
    for line in SCRIPT["page"]().splitlines():
        first, _, second = line.partition(". ")
        assert not (first and second.startswith(first)), line
