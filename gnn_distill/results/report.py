"""`gnn-distill report`: a run, a table or a sweep as one self-contained HTML page."""

from pathlib import Path
from typing import Any

import jinja2

from gnn_distill import __version__
from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.errors import UserError, printable, reading_foreign, refuse
from gnn_distill.results.pictures import PNG, write_pictures
from gnn_distill.results.run_files import is_run
from gnn_distill.results.run_page import run_page
from gnn_distill.results.side_page import side_page
from gnn_distill.results.sweep_page import sweep_page
from gnn_distill.results.sweeps import is_sweep
from gnn_distill.results.table_files import is_table
from gnn_distill.results.table_page import table_page
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.privacy import for_page

FILE, SIDE_BY_SIDE = "report.html", "runs.html"


def write_report(path: Path | str, config: ReportConfig | None = None) -> Path:
    """Write the page about the run, table or sweep in a folder; returns its path, by default report.html there.

    With report.figures=svg or pdf every figure of the page is written to figures/ beside it.
    Of several runs, side by side, it is runs.html in the current folder.

    Raises:
        UserError: if the folder is none of these, or the file cannot be written.
    """
    config = config or ReportConfig()
    folder, file = Path(path), Path(config.output or (SIDE_BY_SIDE if config.beside else Path(path) / FILE))
    html = render(folder, config)
    try:
        replace_file(file, html)
    except UserError as error:
        raise UserError(f"{error} Name another file: report.output=report.html") from error
    return file


def render(folder: Path, config: ReportConfig) -> str:
    """The page about the run, table or sweep in `folder`, or about that run and those beside it."""
    if not folder.is_dir():
        raise refuse("report.path", folder, "no such folder. Name the folder of a run, a table or a sweep.")
    with reading_foreign(f"report.path={folder}", "Its files are damaged, or were written by another program."):
        if found := _page(folder, config):
            template, variables = found
            if config.figures != PNG:
                write_pictures(variables, Path(config.output).parent if config.output else folder, config.figures)
            return fill(template, variables)
    raise refuse(
        "report.path",
        folder,
        "nothing to report. A run's folder contains summary.json, a table's table.json, a sweep's those of its runs.",
    )


def _page(folder: Path, config: ReportConfig) -> tuple[str, dict[str, Any]] | None:
    """The template and the variables of a page; None of a folder that is none of these."""
    if config.beside:
        return "runs.html", side_page([folder, *map(Path, config.beside)])
    if is_table(folder):
        return "table.html", table_page(folder, config)
    if is_run(folder):
        return "run.html", run_page(folder)
    if is_sweep(folder):
        return "sweep.html", sweep_page(folder, config)
    return None


def fill(template: str, variables: dict[str, Any]) -> str:
    """A template of templates/ with its variables.

    All values are escaped, except for our own figures; on the whole page, texts and figures alike, invisible control
    characters are shown as escapes.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("gnn_distill.results"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=for_page,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return printable(templates.get_template(template).render(version=__version__, **variables))
