"""What each objective costs: a training step beside that of plain training, on the same batches."""

import statistics

from benchmarks.distilled import BASE
from benchmarks.graphs import drawn_task
from benchmarks.timing import interleave, times_faster
from benchmarks.workbench import Options, OwnTraining, Report, load

PRESETS = {
    "plain training": ("loss=task", "alignment=none"),
    **{f"loss={name}": (f"loss={name}",) for name in ("kd", "fitnet", "at", "sp", "rkd", "pkt", "lsp", "gsp")},
    **{f"loss={name}": (f"loss={name}",) for name in ("gcrd", "crd", "mugsi", "simkd")},
    "full method": (),
    "full, head reused": ("alignment.reuse_head=true",),
    "full + attention": ("loss.micro.attention=1",),
    "full + edge": ("loss.micro.edge=1",),
    "full + distance profile": ("loss.macro.distance_profile=1",),
    "full + distribution": ("loss.macro.distribution=1",),
    "full, cosine": ("alignment.measure=cosine",),
    "full, CKA": ("alignment.measure=cka",),
    "full, InfoNCE": ("alignment.measure=infonce",),
}
"""Overrides by name; the first is what the others are compared with."""
FEW = ("plain training", "loss=kd", "full method")


def measure(options: Options) -> list[Report]:
    """Milliseconds a step, the gathering of the teacher's rows included, loading left out."""
    steps = {}
    for name in FEW if options.smoke else PRESETS:
        # One teacher for all: what all layers say is kept, though few presets read it.
        config = options.config(*BASE, "signals.layers=all", *PRESETS[name])
        runtime = options.runtime(config)
        task = drawn_task(72, 12) if options.smoke else load(config)
        training = OwnTraining(runtime, task, config, options.clock)
        steps[name] = training.step
    seconds = interleave(steps, options.rounds)
    graphs = len(task.splits.train) / training.batches
    rows = [
        {
            "objective": name,
            "ms a step": 1e3 * graphs * statistics.median(values),
            "ratio": times_faster(seconds["plain training"], values),
        }
        for name, values in seconds.items()
    ]
    return [Report(f"Objectives on {task.spec.name}, {config.trainer.batch_size} graphs a batch", rows)]
