"""The cost of each objective: a training step, compared with plain training on the same batches."""

import statistics
from functools import partial

from benchmarks.contenders import make_own
from benchmarks.distilled import case
from benchmarks.options import Options, Report
from benchmarks.processes import remotes
from benchmarks.timing import interleave, times_faster

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
    """Milliseconds per step, with the gathering of the teacher's rows and without loading."""
    makers = {
        name: (make_own, options, case(options, "signals.layers=all", *PRESETS[name]))
        for name in (FEW if options.smoke else PRESETS)
    }
    with remotes(makers) as running:
        seconds = interleave({name: partial(remote, "step") for name, remote in running.items()}, options.rounds)
        plain = running["plain training"]
        graphs_per_step = plain("graphs") / plain("batches")
    rows = [
        {
            "objective": name,
            "ms per step": 1e3 * graphs_per_step * statistics.median(values),
            "ratio": 1 / times_faster(values, seconds["plain training"]),
        }
        for name, values in seconds.items()
    ]
    return [Report(f"Steps of all objectives ({graphs_per_step:.0f} graphs per batch)", rows)]
