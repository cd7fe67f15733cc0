"""Peak memory of an epoch: of the process, each in one of its own, or on a GPU of what PyTorch holds there."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.distilled import BASE, METHODS
from benchmarks.graphs import drawn_task
from benchmarks.workbench import Options, OwnTraining, Report, load


def measure(options: Options) -> list[Report]:
    """Ratios to plain training; the first process of each kind fills the store and is not counted."""
    peaks: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    rounds = 1 if options.smoke else min(options.rounds, 3)
    for _ in range(rounds + 1):
        for name in METHODS:
            peaks[name].append(in_a_process(name, options))
    median = {
        name: {key: statistics.median(peak[key] for peak in values[1:]) for key in values[0]}
        for name, values in peaks.items()
    }
    rows = [
        {"objective": name}
        | {f"{key}, MiB": value / 2**20 for key, value in peak.items()}
        | {f"{key}, times plain": value / max(median["plain"][key], 1) for key, value in peak.items()}
        for name, peak in median.items()
    ]
    return [Report("Peak memory of an epoch", rows)]


def in_a_process(name: str, options: Options) -> dict[str, float]:
    """What `peak` tells, of a new process."""
    words = [name, str(options.folder), str(int(options.smoke)), *options.overrides]
    command = [sys.executable, "-m", "benchmarks.memory", *words]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def peak(name: str, options: Options) -> dict[str, float]:
    """Bytes at the peak of this process, during two epochs of one kind of training."""
    config = options.config(*BASE, *METHODS[name])
    runtime = options.runtime(config)
    task = drawn_task(72, 12) if options.smoke else load(config)
    training = OwnTraining(runtime, task, config)
    before = resident("VmRSS")
    for _ in range(2):
        training.epoch()
    peaks = {"process": resident("VmHWM"), "of this by training": max(0, resident("VmHWM") - before)}
    if runtime.fabric.device.type == "cuda":
        peaks["GPU"] = torch.cuda.max_memory_allocated()
    return peaks


def resident(what: str) -> int:
    """VmRSS, the bytes of this process that lie in memory, or VmHWM, the most that ever did (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


if __name__ == "__main__":
    name, folder, smoke, *overrides = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=folder) as own:
        # The store is shared, or the teacher would be trained in every process.
        options = Options(Path(folder), smoke=smoke == "1", overrides=tuple(overrides), run=Path(own))
        print(json.dumps(peak(name, options)))
