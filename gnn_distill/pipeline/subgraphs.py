"""Before stage 3: what losses read of the graphs, computed once per data set, and only if a term reads it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int32
from torch import Tensor

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.subgraphs.anchors import Anchors, sample_anchors
from gnn_distill.data.subgraphs.subgraphs import Subgraphs, compute_subgraphs, compute_walks
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.errors import UserError, refuse
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.code_hash import code_of

KEYS = {"ego": ("radius", "max_members"), "walk": ("walk_length",), "cluster": (), "fragment": ()}
"""The keys of `alignment` that each source of subgraphs reads."""


class StoredStructure:
    """Subgraphs, walks and anchors of a task's graphs, kept in the store; all runs draw them from one seed."""

    def __init__(self, runtime: Runtime, task: GraphTask, taught: str) -> None:
        self.runtime, self.task, self.taught = runtime, task, taught

    def subgraphs(self, source: str, align: AlignmentConfig) -> Subgraphs:
        """Subgraphs of all graphs. Raises UserError where fragments are asked of graphs that are no molecules."""
        settings = {key: getattr(align, key) for key in KEYS[source]}
        graphs, spec = self.task.graphs, self.task.spec

        def find(advance: Callable[[int], None]) -> dict[str, Tensor]:
            return compute_subgraphs(graphs, source, spec, **settings, advance=advance).to_tensors()

        return Subgraphs.from_tensors(self._stored(f"{source} subgraphs", settings, find))

    def walks(self, length: int) -> Int32[Tensor, "nodes steps"]:
        """A random walk from every node."""
        found = self._stored("walks", {"length": length}, lambda _: {"walks": compute_walks(self.task.graphs, length)})
        return found["walks"]

    def anchors(self, count: int) -> Anchors:
        """A sample of the nodes that are taught."""
        graphs, candidates = self.task.graphs, self.task.splits.train
        if self.taught == "all":
            candidates = torch.isin(graphs.node_graph, taught_graphs(self.task, self.taught)).nonzero().squeeze(1)
        settings = {"count": count, "taught": self.taught}
        return Anchors(**self._stored("anchors", settings, lambda _: vars(sample_anchors(graphs, candidates, count))))

    def _stored(self, what: str, settings: dict[str, Any], find: Callable) -> dict[str, Tensor]:
        """Tensors that `find(advance)` gives: found in the store, or computed now; `advance` counts graphs."""
        parts = {"data": self.task.fingerprint, "what": what, **settings}

        def compute(folder: Path) -> None:
            done = 0
            with self.runtime.console.work(what) as work:

                def advance(count: int) -> None:
                    nonlocal done
                    done += count
                    work.update(done, len(self.task.graphs))

                found = find(advance)
            checkpoint.save_tensors(folder / "structure.safetensors", found)

        title = f"{what} of {self.task.spec.name}"
        entry = self.runtime.entry("structure", parts, code_of([__name__]).to_key(), compute, title)
        return checkpoint.load_tensors(entry.path / "structure.safetensors", verify=False)


class NoStructure:
    """In place of `StoredStructure` where one large graph comes in parts: what terms ask for is of whole graphs."""

    def __init__(self, sampler: str) -> None:
        self.sampler = sampler

    def subgraphs(self, source: str, align: AlignmentConfig) -> Subgraphs:
        """Raises UserError."""
        raise self._refusal("subgraphs of whole graphs", "the weights of subgraphs and clusters to 0")

    def walks(self, length: int) -> Int32[Tensor, "nodes steps"]:
        """Raises UserError."""
        raise self._refusal("walks on whole graphs", "loss.baseline.mugsi_path=0")

    def anchors(self, count: int) -> Anchors:
        """Raises UserError."""
        raise self._refusal("distances in whole graphs", "loss.macro.distance_profile=0")

    def _refusal(self, what: str, remedy: str) -> UserError:
        return refuse(
            "trainer.sampler", self.sampler, f"a term of the loss reads {what}, which are not there. Set {remedy}."
        )


def with_distances(runtime: Runtime, task: GraphTask, encodings: StructuralEncodings) -> StructuralEncodings:
    """The encodings with the hop distances of all pairs, which a term reads even if the student does not."""
    if encodings.spd is not None:
        return encodings
    found, _ = stored_encodings(runtime, task, EncodingConfig(spd=True))
    return replace(encodings, spd=found.spd, pair_ptr=found.pair_ptr)
