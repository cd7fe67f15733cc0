"""Peak memory of training with a teacher and without: of the process, and on a GPU of what PyTorch holds there."""

import statistics

from benchmarks.contenders import make_own
from benchmarks.distilled import METHODS, case
from benchmarks.options import Options, Report
from benchmarks.processes import remotes


def measure(options: Options) -> list[Report]:
    """Ratios to plain training, of processes that train for three epochs; the first of each kind fills the store.

    `process` is all of it, with PyTorch's own pages; `training` what training adds once everything is loaded.
    """
    peaks: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    for _ in range(2 if options.smoke else options.rounds + 1):
        for name, overrides in METHODS.items():
            with remotes({name: (make_own, options, case(options, *overrides))}) as running:
                for _ in range(3):
                    running[name]("epoch")
                peaks[name].append(running[name]("peak"))
    medians = {
        name: {key: statistics.median(peak[key] for peak in values[1:]) for key in values[0]}
        for name, values in peaks.items()
    }
    rows = [
        {"objective": name}
        | {f"{key}, MiB": value / 2**20 for key, value in peak.items()}
        | {f"{key}, times plain": value / max(medians["plain"][key], 1) for key, value in peak.items()}
        for name, peak in medians.items()
    ]
    return [Report("Peak memory of training", rows)]
