"""Speed and memory, compared with the alternatives: contenders take turns within one run.

python -m benchmarks [PART ...] [--rounds 5] [--size smoke|full] [--json FILE]
                     [--figure FILE] [overrides of `gnn-distill train` ...]

Overrides go to every config: trainer.threads=2, trainer.accelerator=cuda trainer.precision=bf16-mixed.
"""

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.figures import draw_scaling
from benchmarks.options import Options, Report
from gnn_distill.storage.provenance import environment

PARTS = {
    "preprocessing": "hop distances, compared with NetworkX and scipy; time for whole data sets",
    "throughput": "training, compared with a textbook Graphormer and PyG's GPSConv: graphs per second, matmul rate",
    "distilled": "an epoch with a teacher, compared with one without",
    "losses": "a step of every objective, compared with plain training",
    "waits": "kernels of a step of every student, and how often a GPU would wait in it",
    "roofline": "what GPUs could make of a step of a student at best, without having one",
    "memory": "peak memory with a teacher and without",
    "startup": "time from the command to the first training step",
    "graph_scale": "batches, the teacher's outputs and memory by number of graphs, up to half a million",
    "node_scale": "CPU time and memory of a whole run on one large graph on disk, by its number of nodes",
    "ranks": "graphs per second of several processes on this machine, compared with one",
    "scaling": "throughput by nodes per graph, batch size and number of graphs",
}


def main(words: list[str] | None = None) -> None:
    """Measure the chosen parts, print their tables and write them as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__.partition("\n")[0],
        epilog="parts: " + "; ".join(f"{name}, {about}" for name, about in PARTS.items()),
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PART|KEY=VALUE",
        help="parts to measure (default: all), and overrides of every config",
    )
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds, of which medians are reported")
    parser.add_argument("--size", choices=("full", "smoke"), default="full", help="smoke: small generated graphs")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: CPU time, for a machine that others use"
    )
    parser.add_argument("--json", type=Path, help="JSON file for all results")
    parser.add_argument("--figure", type=Path, help="file for the curves of `scaling`, such as scaling.png")
    arguments = parser.parse_intermixed_args(words)
    parts = [word for word in arguments.words if "=" not in word] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}. Choices: {', '.join(PARTS)}")
    results: dict[str, Any] = {
        "command": " ".join(words or sys.argv[1:]),
        "environment": environment(device()),
        "parts": {},
    }
    overrides = tuple(word for word in arguments.words if "=" in word)
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            smoke = arguments.size == "smoke"
            options = Options(Path(folder), arguments.rounds, smoke, arguments.clock, overrides)
            reports = importlib.import_module(f"benchmarks.{part}").measure(options)
        for report in reports:
            show(report)
        if part == "scaling" and arguments.figure:
            draw_scaling(reports, arguments.figure)
        results["parts"][part] = [vars(report) for report in reports]
        if arguments.json:  # after every part, so that an interrupted run keeps its results
            arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def device() -> str:
    """The GPU if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def show(report: Report) -> None:
    """Print a table whose columns are all keys of its rows."""
    columns = list(dict.fromkeys(key for row in report.rows for key in row))
    table = Table(title=report.title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in report.rows:
        table.add_row(*(cell(row.get(column, "")) for column in columns))
    console = Console()
    # A file or a pipe has no narrow width.
    (console if console.is_terminal else Console(width=140)).print(table)


def cell(value: Any) -> str:
    """A cell's text: three significant digits, or a whole number."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
