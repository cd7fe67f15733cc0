"""What the report of a table shows: the panels of every other format, figures, and what limits them."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.formatting import Format, counted, metric_label
from gnn_distill.results.figures import Curves
from gnn_distill.results.grids import describe_columns, grids
from gnn_distill.results.inline import png
from gnn_distill.results.pictures import FIGURES, PNG, Picture, save
from gnn_distill.results.run_files import read_run
from gnn_distill.results.spreadsheets import restored
from gnn_distill.results.sweep_figures import draw_heat_map
from gnn_distill.results.table_figures import (
    distinct_colours,
    draw_boxes,
    draw_cell_curves,
    draw_differences,
    draw_further,
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
    image_folder = (Path(config.output).parent if config.output else folder) / FIGURES
    damaged: list[str] = []
    curves = list(_curves(table, folder, damaged))
    whole, over_columns = list(_of_all_columns(table)), list(_over_columns(table))
    images = [*whole, *over_columns, *curves]
    drawn = {save(picture.figure, image_folder / f"{picture.name}.{PNG}").name for picture in images}
    others = [path for path in sorted((folder / FIGURES).glob(f"*.{PNG}")) if path.name not in drawn]
    others = [path for path in others if lies_inside(path, folder)][:MOST_IMAGES]
    results, *panels = grids(table)
    return {
        "title": table.title or table.name,
        "subject": table.name if table.title else "",
        "tiles": list(_tiles(table))[:MOST_TILES],
        "facts": {name: value for name, value in _facts(table, folder) if value},
        "results": results,
        "panels": panels,
        "columns": describe_columns(table),
        "notes": [*table.notes, *damaged],
        "footnotes": table.footnotes,
        "over_columns": over_columns,
        "figures": list(_by_column(table)),
        "curves": curves,
        "files_only": whole,
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


def _of_all_columns(table: Table) -> Iterator[Picture]:
    """The figures with a panel for each column, which become files; a page shows each column's own."""
    for name, figure in (("boxes", draw_boxes(table)), ("differences", draw_differences(table))):
        if figure is not None:
            yield Picture(name, figure)


def _curves(table: Table, folder: Path, damaged: list[str]) -> Iterator[Picture]:
    """By column, the learning curves of the table's runs whose folders exist on this machine.

    Errors of damaged files are appended to `damaged`; their curves are left out.
    """
    file = folder / SCORES
    if not os.path.lexists(file):
        return
    header, lines = read_csv(file)
    read = cache(read_metrics)  # cells may share runs
    runs = restored(pd.DataFrame(lines, columns=header, dtype=str).replace("", pd.NA))
    colours = {table.rows[row]: colour for row, colour in distinct_colours(table).items() if row in table.rows}
    for key, column in table.columns.items():
        cells: dict[str, list[Curves]] = {}
        trained = {row: label for row, label in table.rows.items() if row not in table.floors}
        for row, label in trained.items():
            paths = runs["path"][(runs["row"] == row) & (runs["column"] == key)].dropna()
            cells[label] = []
            for path in filter(has_curves, dict.fromkeys(map(os.path.realpath, paths))):
                try:
                    cells[label].append(_last_stage(read(path), row in table.teachers))
                except Damaged as error:
                    damaged.append(str(error).replace(path, os.path.relpath(path, os.path.realpath(folder))))
        if figure := draw_cell_curves(cells, column.metric, column.head, colours):
            yield Picture(f"curves of {key}", figure, f"{CURVES}.")


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


def _over_columns(table: Table) -> Iterator[Picture]:
    """Figures that join the columns: the means, and what models know of structure."""
    if figure := _map(table):
        yield Picture("means", figure, "Means; darker is better, the best is outlined.")
    if figure := draw_further(table):
        yield Picture("awareness", figure, "Awareness of structure: mean and standard deviation over pairs.")


def _by_column(table: Table) -> Iterator[Picture]:
    """Figures per column: the values, and the differences to the reference."""
    for key, column in table.columns.items():
        if figure := draw_boxes(table, [key]):
            caption = f"{column.label}: one dot per {' and '.join(column.units)}."
            yield Picture(f"values of {key}", figure, caption)
        if figure := draw_differences(table, [key]):
            caption = f"{column.label}: difference to {table.rows[table.reference]} with its 95 % interval"
            yield Picture(f"differences of {key}", figure, f"{caption}; pale: not significant.")


def _tiles(table: Table) -> Iterator[dict[str, str]]:
    """The best row of each column."""
    for key, column in table.columns.items():
        cells = table.of_column(key)
        best = [row for row, cell in cells.items() if cell.best]
        if best:
            value = table.format_of(key)(cells[best[0]].mean)
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
