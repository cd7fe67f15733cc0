"""The format of metrics.csv: one row per stage and epoch, one column per metric."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gnn_distill.storage.bounded import Damaged, read_csv

METRICS_FILE = "metrics.csv"
MOST_STAGES = 16


def format_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], header: bool = False) -> str:
    """Rows as CSV text, an empty cell where a row lacks a column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows({key: plain_number(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def column_order(column: str) -> tuple[bool, bool, str]:
    """Sort key: stage and epoch, the other plain columns, then train/... and val/...; each in order of appearance."""
    part, slash, _ = column.partition("/")
    return column != "stage", column != "epoch", part if slash else ""


def plain_number(value: Any) -> Any:
    """NumPy and torch scalars as Python numbers."""
    return value.item() if hasattr(value, "item") else value


def recorded_epochs(path: Path) -> set[tuple[str, int]]:
    """Stage and epoch of every row of metrics.csv; its last line may be torn."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            rows = [(row.get("stage"), row.get("epoch") or "") for row in csv.DictReader(file)]
    except (OSError, csv.Error):
        return set()
    return {(stage, int(epoch)) for stage, epoch in rows if epoch.isdecimal()}


def columns_by_stage(path: Path, remedy: str) -> dict[str, dict[str, list[float]]]:
    """Columns of a metrics.csv by stage: an empty cell is NaN, a column that is empty for a stage is left out.

    Raises Damaged, ending in `remedy`.
    """
    columns, rows = read_csv(path, path.parent, remedy)
    if not rows:
        return {}
    stage_column = columns.index("stage")
    stages: dict[str, list[list[str]]] = {}
    for row in rows:
        stages.setdefault(row[stage_column], []).append(row)
    if len(stages) > MOST_STAGES:
        raise Damaged(path, f"it has {len(stages):,} stages; the limit is {MOST_STAGES}", remedy)
    return {
        stage: {
            column: [float(row[index] or "nan") for row in of_stage]
            for index, column in enumerate(columns)
            if index != stage_column and any(row[index] for row in of_stage)
        }
        for stage, of_stage in stages.items()
    }
