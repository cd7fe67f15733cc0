"""How fast and how large, beside what users would take instead; ratios in one run, contenders in turns.

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
    "preprocessing": "hop distances beside NetworkX and scipy, and how long whole sets take",
    "throughput": "training beside a textbook Graphormer and PyG's GPSConv: graphs a second, share of the matmul rate",
    "distilled": "an epoch with a teacher beside one without",
    "losses": "a step of every objective beside plain training",
    "memory": "peak memory with a teacher and without",
    "startup": "from the return key to the first step",
    "scaling": "throughput over nodes a graph, batch size and number of graphs",
}


def main(words: list[str] | None = None) -> None:
    """Measure the chosen parts, print their tables and write them as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__.partition("\n")[0],
        epilog="parts: " + "; ".join(f"{name}, {about}" for name, about in PARTS.items()),
    )
    parser.add_argument("words", nargs="*", metavar="PART|KEY=VALUE", help="parts (all), overrides of every config")
    parser.add_argument("--rounds", type=int, default=5, help="of which medians are taken")
    parser.add_argument("--size", choices=("full", "smoke"), default="full", help="smoke: small generated graphs")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: of a machine that others use")
    parser.add_argument("--json", type=Path, help="file for all results")
    parser.add_argument("--figure", type=Path, help="file for the curves of `scaling`, such as scaling.png")
    arguments = parser.parse_intermixed_args(words)
    parts = [word for word in arguments.words if "=" not in word] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
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
        if arguments.json:  # after every part, so that an interrupted run leaves what it has
            arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def device() -> str:
    """The best there is."""
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
    # In a file or a pipe there is room.
    (console if console.is_terminal else Console(width=140)).print(table)


def cell(value: Any) -> str:
    """Three digits that count; whole numbers whole."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
