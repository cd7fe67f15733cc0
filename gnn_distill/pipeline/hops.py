"""Before stage 3: features summed over hops of one large graph that comes in parts, computed once per data set."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.encodings.hops import write_hops
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.in_edges import InEdges
from gnn_distill.data.task import GraphTask
from gnn_distill.formatting import counted
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.code_hash import code_of

ARRAY, DESCRIPTION = "hops.npy", "hops.json"
NOT_HOPS = ("models",)
"""Code that hops have nothing to do with, though a runtime announces models."""


def with_hops(
    runtime: Runtime, task: GraphTask, encodings: StructuralEncodings, config: TrainConfig
) -> StructuralEncodings:
    """The encodings with the hops of all nodes, found in the store or computed now, where the student reads them."""
    hops = config.student.hops
    if config.trainer.sampler == "full" or not capabilities_of(config.student.name).reads_hops:
        return encodings

    def compute(folder: Path) -> None:
        done, total = 0, hops * len(task.graphs.x)
        with runtime.console.work("hops") as work:

            def advance(nodes: int) -> None:
                nonlocal done
                done += nodes
                work.update(done, total)

            edges, x = InEdges.of(task.graphs), task.graphs.x.numpy()
            write_hops(edges, x, hops, folder / ARRAY, config.signals.dtype, advance)
        write_json(folder / DESCRIPTION, {"hops": hops, "dtype": config.signals.dtype})

    parts = {"data": task.fingerprint, "hops": hops, "dtype": config.signals.dtype}
    made_with = code_of([__name__], without=NOT_HOPS).to_key()
    entry = runtime.entry("hops", parts, made_with, compute, f"{counted(hops, 'hop')} of {task.spec.name}")
    return replace(encodings, hops=torch.from_numpy(np.load(entry.path / ARRAY, mmap_mode="c")))
