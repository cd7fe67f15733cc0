"""Time to the first training step of `gnn-distill train`, with data, teacher and encodings stored already."""

import statistics
import subprocess
import sys
import time

from benchmarks.options import PLAIN, Options, Report

KINDS = {"no tracker": ("tracker=none",), "W&B offline": ("tracker=wandb",)}
LIBRARIES = ("torch", "torch._dynamo", "torch_geometric.data", "lightning_fabric", "hydra", "rich", "safetensors")
"""Libraries that a run imports before its first step: PyTorch's optimizers need torch._dynamo, Fabric torchmetrics."""
FLOORS = {"import torch": ("torch",), "all libraries": LIBRARIES}
TELL_TIME = "print(time.time(), flush=True); os._exit(0)"
SHORT = ("debug.limit_batches=1", "trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.test=false")


def measure(options: Options) -> list[Report]:
    """Wall seconds, compared with a bare `import torch`, and with all imports alone."""
    dataset = "typed_edges" if options.smoke else "nci1"
    kinds = {"no tracker": KINDS["no tracker"]} if options.smoke else KINDS
    settings = [f"dataset={dataset}", *SHORT, *options.overrides]
    if options.smoke:
        settings += [*PLAIN, f"paths.store={options.folder / 'store'}"]
    else:  # a whole run, which fills the store
        run("gnn_distill", *settings, "tracker=none", f"hydra.run.dir={options.folder / 'whole'}")
    seconds: dict[str, list[float]] = {what: [] for what in (*FLOORS, *kinds)}
    for index in range(1 if options.smoke else options.rounds):
        for what, libraries in FLOORS.items():
            started = time.time()
            said = printed("-c", f"import gc, os, time; gc.disable(); import {', '.join(libraries)}; {TELL_TIME}")
            seconds[what].append(float(said) - started)
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
    """The output of `python -m <module> train <settings>`."""
    return printed("-m", module, "train", *settings)


def printed(*words: str) -> str:
    """The output of `python <words>`."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(done.args)} failed:\n{done.stderr}")
    return done.stdout
