"""The cost of each objective: a training step, compared with plain training on the same batches."""

import statistics
from functools import partial

from omegaconf import OmegaConf

from benchmarks.contenders import make_own
from benchmarks.distilled import case
from benchmarks.options import Options, Report
from benchmarks.processes import remotes
from benchmarks.timing import interleave, times_faster
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config.schema.fields import weights
from gnn_distill.config.schema.objective import MacroConfig, MicroConfig

TABLE = OmegaConf.load(CONF_DIR / "table" / "baselines.yaml")
PUBLISHED = [word for row in TABLE.rows.values() for word in row.get("overrides", []) if word.startswith("loss=")]
"""The losses of the table of baselines."""
OPTIONAL = {
    name.replace("_", " "): f"loss.{section}.{name}=1"
    for section, schema in (("micro", MicroConfig), ("macro", MacroConfig))
    for name in weights(schema)
    if not getattr(schema, name)
}
"""The terms that are off by default, each with what switches it on."""
PRESETS = {
    "plain training": ("loss=task", "alignment=none"),
    **{override: (override,) for override in PUBLISHED},
    "full method": (),
    "full, head reused": ("alignment.reuse_head=true",),
    **{f"full + {name}": (override,) for name, override in OPTIONAL.items()},
    "full, cosine": ("alignment.measure=cosine",),
    "full, CKA": ("alignment.measure=cka",),
    "full, InfoNCE": ("alignment.measure=infonce",),
    "full, whitened": ("alignment.standardise=whiten",),
    "full + contrast": ("alignment.weights.contrast=1",),
    "full + exits": ("loss.soft.exits=1",),
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
