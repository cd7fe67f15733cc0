"""From the return key to the first training step of `gnn-distill train`, data, teacher and encodings being at hand."""

import statistics
import subprocess
import sys
import time

from benchmarks.options import PLAIN, Options, Report

KINDS = {"no tracker": ("tracker=none",), "W&B offline": ("tracker=wandb",)}
SHORT = ("debug.limit_batches=1", "trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.test=false")


def measure(options: Options) -> list[Report]:
    """Wall seconds, beside those of a bare `import torch`."""
    dataset = "typed_edges" if options.smoke else "nci1"
    kinds = {"no tracker": KINDS["no tracker"]} if options.smoke else KINDS
    settings = [f"dataset={dataset}", *SHORT, *options.overrides]
    if options.smoke:
        settings += [*PLAIN, f"paths.store={options.folder / 'store'}"]
    else:  # a whole run, after which all is at hand
        run("gnn_distill", *settings, "tracker=none", f"hydra.run.dir={options.folder / 'whole'}")
    seconds: dict[str, list[float]] = {"import torch": [], **{kind: [] for kind in kinds}}
    for index in range(1 if options.smoke else options.rounds):
        started = time.time()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        seconds["import torch"].append(time.time() - started)
        for kind, tracker in kinds.items():
            started = time.time()
            said = run(
                "benchmarks.first_step", *settings, *tracker, f"hydra.run.dir={options.folder / f'{kind[0]}{index}'}"
            )
            seconds[kind].append(float(said.splitlines()[-1]) - started)
    floor = statistics.median(seconds["import torch"])
    rows = [
        {"what": kind, "s": statistics.median(values), "times import torch": statistics.median(values) / floor}
        for kind, values in seconds.items()
    ]
    return [Report(f"`gnn-distill train dataset={dataset}`, until its first step", rows)]


def run(module: str, *settings: str) -> str:
    """What `python -m <module> train <settings>` prints."""
    done = subprocess.run([sys.executable, "-m", module, "train", *settings], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(done.args)} failed:\n{done.stderr}")
    return done.stdout
