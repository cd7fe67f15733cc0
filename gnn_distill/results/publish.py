"""Writing a table to its folder, in all formats."""

from pathlib import Path

import pandas as pd

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.results import spreadsheets
from gnn_distill.results.pictures import FIGURES, PNG
from gnn_distill.results.rendering import to_csv, to_json, to_latex, to_markdown
from gnn_distill.results.report import write_report
from gnn_distill.results.runs import RUNS, write_rows
from gnn_distill.results.table_files import FILE, SCORES
from gnn_distill.results.tables import Table
from gnn_distill.storage.files import replace_file


def publish(folder: Path, table: Table, runs: pd.DataFrame, scores: pd.DataFrame, kind: str = PNG) -> list[Path]:
    """Write table.md, .tex, .csv and .json, runs.csv, scores.csv, figures and report.html; returns figures/*.png.

    `runs`: the rows of the table's finished runs; `scores`: the same by row and column. Learning curves are drawn for
    the runs whose folders exist on this machine. kind: svg or pdf: figures are also written as such files.
    """
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    for old in (file for ending in (PNG, "svg", "pdf") for file in figures.glob(f"*.{ending}")):
        old.unlink()
    for name, text in {
        "table.md": to_markdown(table),
        "table.tex": to_latex(table),
        "table.csv": to_csv(table),
        FILE: to_json(table),
    }.items():
        replace_file(folder / name, text)
    write_rows(runs, folder / RUNS)
    replace_file(folder / SCORES, spreadsheets.to_csv(scores))
    write_report(folder, ReportConfig(figures=kind))
    return sorted(figures.glob("*.png"))
