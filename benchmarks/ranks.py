"""Graphs per second of a run by several processes on this machine, compared with one process."""

import csv
import json
import statistics
from pathlib import Path

from benchmarks.options import PLAIN, Options, Report
from benchmarks.startup import printed
from gnn_distill.cpu import usable_cpus

EPOCHS = 4
"""Of each run; the first one, in which kernels and caches are warmed up, does not count."""
ONE_THREAD = ("trainer.threads=1", "trainer.accelerator=cpu")


def measure(options: Options) -> list[Report]:
    """Training epochs on labels alone, one thread a process; runs of one and of several processes take turns."""
    dataset = "typed_edges" if options.smoke else "nci1"
    settings = [f"dataset={dataset}", *PLAIN, *ONE_THREAD, f"trainer.max_epochs={EPOCHS}", "floors=none"]
    counts = [1, 2] if options.smoke else [count for count in (1, 2, 4, 8) if count <= usable_cpus()]
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for number in range(1 if options.smoke else options.rounds):
        for count in counts:
            run = options.folder / f"{count}_{number}"
            words = (*settings, "tracker=none", f"paths.store={options.folder / 'store'}", f"hydra.run.dir={run}")
            printed("-m", "gnn_distill", "train", f"trainer.devices={count}", *words, *options.overrides)
            rates[count].append(graphs_per_second(run))
    alone = rates[1]
    rows = [
        {
            "processes": count,
            "graphs/s": statistics.median(found),
            "times one": statistics.median(ours / one for ours, one in zip(found, alone, strict=True)),
        }
        for count, found in rates.items()
    ]
    return [Report(f"`gnn-distill train dataset={dataset} trainer.devices=…`, one thread a process", rows)]


def graphs_per_second(run: Path) -> float:
    """Training graphs of a run over the median wall time of its epochs, without the first; validation included."""
    graphs = json.loads((run / "summary.json").read_text())["split"]["sizes"]["train"]
    seconds = [float(row["seconds"]) for row in csv.DictReader((run / "metrics.csv").open())]
    return graphs / statistics.median(seconds[1:])
