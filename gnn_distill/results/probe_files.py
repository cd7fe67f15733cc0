"""Files about probed runs: a page, and the same numbers as CSV, Markdown, LaTeX and JSON."""

import json
from pathlib import Path

import pandas as pd

from gnn_distill.results import spreadsheets
from gnn_distill.results.pictures import PNG, write_pictures
from gnn_distill.results.probe_numbers import as_json, long_frame
from gnn_distill.results.probe_page import page
from gnn_distill.results.probe_tables import to_latex, to_markdown
from gnn_distill.results.probes import Method, Place, by_data_set, read_probed
from gnn_distill.results.report import FILE, fill
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.run_directory import strict


def write_probes(folder: Path, runs: list[Place], words: list[str], kind: str = PNG) -> dict[str, list[Method]]:
    """Write probe.csv, .md, .tex and .json and report.html about probed runs into a folder.

    kind: svg or pdf: every figure of the page is written to figures/, too.

    Raises:
        UserError: if runs cannot be compared, or the folder cannot be written.
    """
    found = by_data_set(map(read_probed, runs))
    folder.mkdir(parents=True, exist_ok=True)
    frames = [long_frame(dataset, methods) for dataset, methods in found.items()]
    facts = [as_json(dataset, methods) for dataset, methods in found.items()]
    for name, text in {
        "probe.csv": spreadsheets.to_csv(pd.concat(frames, ignore_index=True)),
        "probe.md": to_markdown(found),
        "probe.tex": to_latex(found),
        "probe.json": json.dumps(strict({"data_sets": facts}), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }.items():
        replace_file(folder / name, text)
    variables = page(folder, found, words)
    replace_file(folder / FILE, fill("probe.html", variables))
    if kind != PNG:
        write_pictures(variables, folder, kind)
    return found
