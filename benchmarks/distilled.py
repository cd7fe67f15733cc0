"""What distillation adds to an epoch: teacher's rows gathered, losses computed, beside labels alone."""

import statistics

from benchmarks.graphs import drawn_task
from benchmarks.timing import interleave, times_faster
from benchmarks.workbench import PLAIN, Options, OwnTraining, Report, load

BASE = ("dataset=nci1", "trainer.batch_size=128")
METHODS = {"plain": PLAIN, "kd": ("loss=kd",), "full method": ()}
"""Overrides by name; `kd` switches alignment off."""


def measure(options: Options) -> list[Report]:
    """Epochs with loading, ratios to plain training."""
    epochs = {}
    for name, overrides in METHODS.items():
        config = options.config(*BASE, *overrides)
        runtime = options.runtime(config)
        task = drawn_task(72, 12) if options.smoke else load(config)
        epochs[name] = OwnTraining(runtime, task, config, options.clock).epoch
    seconds = interleave(epochs, options.rounds)
    rows = [
        {
            "objective": name,
            "graphs/s": 1 / statistics.median(values),
            "times plain": times_faster(seconds["plain"], values),
        }
        for name, values in seconds.items()
    ]
    title = f"An epoch of {task.spec.name} ({len(task.splits.train)} graphs, batches of {config.trainer.batch_size})"
    return [Report(title, rows)]
