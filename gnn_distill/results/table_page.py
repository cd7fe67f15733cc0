"""What the report of a table shows: the panels of every other format, figures, and what limits them."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.formatting import Format, counted, metric_label
from gnn_distill.results.figures import Curves
from gnn_distill.results.grids import grids
from gnn_distill.results.inline import png, svg
from gnn_distill.results.run_files import read_run
from gnn_distill.results.spreadsheets import restored
from gnn_distill.results.table_figures import (
    draw_boxes,
    draw_cell_curves,
    draw_differences,
    draw_further,
    draw_heat_map,
    means_of,
)
from gnn_distill.results.table_files import FILE, SCORES, read_table
from gnn_distill.results.tables import Table
from gnn_distill.storage.bounded import lies_inside, read_csv
from gnn_distill.storage.checksums import Damaged
from gnn_distill.storage.metrics_file import METRICS_FILE
from gnn_distill.storage.privacy import command
from gnn_distill.storage.run_directory import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GIVEN = ("compare", "crossval")
"""Names of tables that commands of the same name make of words for every run."""
MOST_TILES = 6
MOST_IMAGES = 40
"""Number of further images in the folder that are shown."""
CURVES = "Validation metric by epoch: mean over the runs of a row, band of one standard deviation"


def table_page(folder: Path, config: ReportConfig) -> dict[str, Any]:
    """The variables of templates/table.html; writes figures/*.png too."""
    table = read_table(folder)
    figure_folder = (Path(config.output).parent if config.output else folder) / "figures"
    damaged: list[str] = []
    curves = dict(_curves(table, folder, damaged))
    drawn = {path.name for path in write_figures(table, curves, figure_folder)}
    others = [path for path in sorted((folder / "figures").glob("*.png")) if path.name not in drawn]
    others = [path for path in others if lies_inside(path, folder)][:MOST_IMAGES]
    results, *panels = grids(table)
    return {
        "title": table.title or table.name,
        "subject": table.name if table.title else "",
        "tiles": list(_tiles(table))[:MOST_TILES],
        "facts": {name: value for name, value in _facts(table, folder) if value},
        "results": results,
        "panels": panels,
        "notes": [*table.notes, *damaged],
        "footnotes": table.footnotes,
        "figures": list(_figures(table)),
        "curves": [(svg(figure, name), f"{CURVES}.") for name, figure in curves.items()],
        "images": [(png(path), path.stem.replace("_", " ")) for path in others],
        "tests": list(_tests(table)),
        "command": _command(table, folder),
        "files": sorted(path.name for path in folder.glob("*.*") if path.suffix in (".md", ".tex", ".csv", ".json")),
    }


def _command(table: Table, folder: Path) -> str:
    """The command that made the table."""
    run = read_run(folder)
    words = [word for word in run.overrides if not word.startswith(("table.run=", "table.rerun="))]
    if table.name in GIVEN:
        own = [word for word in words if not word.startswith("given=")]
        return command(["gnn-distill", table.name, *run.config.get("given", ()), *own])
    return command(["gnn-distill", "table", *(words or [f"table={table.name}"])])


def write_figures(table: Table, curves: Mapping[str, "Figure"], folder: Path) -> list[Path]:
    """Draw boxes.png, differences.png, means.png and awareness.png into a folder, if not empty, and the curves."""
    drawings = {
        "boxes": draw_boxes(table),
        "differences": draw_differences(table),
        "means": _map(table),
        "awareness": draw_further(table),
        **curves,
    }
    paths = []
    for name, figure in drawings.items():
        if figure is not None:
            folder.mkdir(parents=True, exist_ok=True)
            paths.append(folder / f"{re.sub(r'[^A-Za-z0-9]+', '_', name)}.png")
            figure.savefig(paths[-1], dpi=150)
    return paths


def _curves(table: Table, folder: Path, damaged: list[str]) -> Iterator[tuple[str, "Figure"]]:
    """By column, the learning curves of the table's runs whose folders exist on this machine.

    Errors of damaged files are appended to `damaged`; their curves are left out.
    """
    file = folder / SCORES
    if not os.path.lexists(file):
        return
    header, lines = read_csv(file)
    read = cache(read_metrics)  # cells may share runs
    runs = restored(pd.DataFrame(lines, columns=header, dtype=str).replace("", pd.NA))
    for key, column in table.columns.items():
        cells: dict[str, list[Curves]] = {}
        for row, label in table.rows.items():
            paths = runs["path"][(runs["row"] == row) & (runs["column"] == key)].dropna()
            cells[label] = []
            for path in filter(has_curves, dict.fromkeys(map(os.path.realpath, paths))):
                try:
                    cells[label].append(_last_stage(read(path), row in table.teachers))
                except Damaged as error:
                    damaged.append(str(error).replace(path, os.path.relpath(path, os.path.realpath(folder))))
        if figure := draw_cell_curves(cells, column.metric, column.label):
            yield f"curves of {key}", figure


def has_curves(path: str) -> bool:
    """Whether a run's folder contains metrics.csv."""
    return lies_inside(Path(path) / METRICS_FILE, Path(path))


def _last_stage(curves: Curves, teacher: bool) -> dict[str, list[float]]:
    """The student's curves; the teacher's for a row that shows the teacher."""
    return curves.get("teacher" if teacher else "student", {})


def _map(table: Table) -> "Figure | None":
    """A map of the means of a table without a reference, such as one of weights, if all are of one metric."""
    kinds = {(column.metric, column.higher_is_better) for column in table.columns.values()}
    if table.reference is not None or len(kinds) > 1 or len(table.columns) < 2:
        return None
    metric, higher_is_better = kinds.pop()
    return draw_heat_map(means_of(table), metric, not higher_is_better)


def _figures(table: Table) -> Iterator[tuple[Markup, str]]:
    """Figures per column: the values, and the differences to the reference."""
    if figure := _map(table):
        yield svg(figure, "means"), "Means; darker is better, the best is outlined."
    if figure := draw_further(table):
        yield svg(figure, "awareness"), "Awareness of structure: mean and standard deviation over pairs."
    for key, column in table.columns.items():
        if figure := draw_boxes(table, [key]):
            yield svg(figure, f"values of {key}"), f"{column.label}: one dot per {' and '.join(column.units)}."
        if figure := draw_differences(table, [key]):
            caption = f"{column.label}: difference to {table.rows[table.reference]} with its 95 % interval"
            yield svg(figure, f"differences of {key}"), f"{caption}; pale: not significant."


def _tiles(table: Table) -> Iterator[dict[str, str]]:
    """The best row of each column."""
    for key, column in table.columns.items():
        cells = table.of_column(key)
        best = [row for row, cell in cells.items() if cell.best]
        if best:
            value = Format.of(column.metric, [cell.mean for cell in cells.values()])(cells[best[0]].mean)
            what = f"{' / '.join(table.rows[row] for row in best)}; {metric_label(column.metric)}"
            yield {"name": column.label, "value": value, "what": what, "kind": "winner"}


def _facts(table: Table, folder: Path) -> Iterator[tuple[str, str]]:
    """Size, completeness, reference and folder of the table."""
    planned = table.planned
    missing = sum(cell.missing for cell in table.cells.values())
    yield "Size", f"{len(table.rows)} × {len(table.columns)}, rows × columns"
    yield "Runs", f"{planned - missing:,} of {planned:,} finished"
    yield "Stale", counted(stale, "run") if (stale := sum(cell.stale for cell in table.cells.values())) else ""
    yield "Compared", f"with {table.rows[table.reference]}" if table.reference else ""
    yield "Written", f"{datetime.fromtimestamp((folder / FILE).stat().st_mtime, UTC):%Y-%m-%d %H:%M %Z}"
    yield "Folder", str(folder.resolve())


def _tests(table: Table) -> Iterator[tuple[str, list[list[str]]]]:
    """By column, one line per comparison: row, test, pairs, statistic, p unadjusted, for the column, for the table."""
    number = Format(1, 3)
    for shown, key in ((shown, key) for shown in (table, *table.further) for key in table.columns):
        made = {table.rows[row]: cell.comparison for row, cell in shown.of_column(key).items() if cell.comparison}
        if made:
            yield (
                table.columns[key].label + (f": {shown.title}" if shown is not table else ""),
                [
                    [label, one.outcome.test, str(one.outcome.n)]
                    + [number(value) for value in (one.outcome.statistic, one.outcome.p, one.p_holm, one.p_holm_all)]
                    for label, one in made.items()
                ],
            )
