"""What distillation adds to an epoch with labels alone: gathering the teacher's rows, and computing the losses."""

import statistics
from functools import partial

from benchmarks.contenders import Case, make_case, make_own
from benchmarks.options import PLAIN, Options, Report
from benchmarks.processes import remotes
from benchmarks.timing import interleave, times_faster

METHODS = {"plain": PLAIN, "kd": ("loss=kd",), "full method": ()}
"""Overrides by name; the first is what the others are compared with. `kd` switches alignment off."""


def case(options: Options, *overrides: str) -> Case:
    """Training on NCI1, or on a few generated graphs."""
    if options.smoke:
        return make_case(options, ("trainer.batch_size=16", *overrides), 64, 12)
    return make_case(options, ("dataset=nci1", "trainer.batch_size=128", *overrides))


def measure(options: Options) -> list[Report]:
    """Epochs with loading, ratios to plain training."""
    makers = {name: (make_own, options, case(options, *overrides)) for name, overrides in METHODS.items()}
    with remotes(makers) as running:
        seconds = interleave({name: partial(remote, "epoch") for name, remote in running.items()}, options.rounds)
        graphs = running["plain"]("graphs")
    rows = [
        {
            "objective": name,
            "graphs/s": 1 / statistics.median(values),
            "times plain": 1 / times_faster(values, seconds["plain"]),
        }
        for name, values in seconds.items()
    ]
    return [Report(f"A distilled epoch, compared with a plain one ({graphs} graphs)", rows)]
