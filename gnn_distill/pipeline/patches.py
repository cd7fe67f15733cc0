"""Before stage 3: the patches of a student whose tokens they are, computed once per data set."""

from dataclasses import replace
from pathlib import Path

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.subgraphs.patches import Patches, compute_patches
from gnn_distill.data.subgraphs.patching import Patching
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.store import Entry


def stored_inputs(
    runtime: Runtime, task: GraphTask, encoding: EncodingConfig, patching: Patching | None
) -> tuple[StructuralEncodings, Entry]:
    """Structural encodings of all graphs, with their patches if a model reads them; the entry is the encodings'.

    Raises UserError where fragments are asked of graphs that are no molecules.
    """
    encodings, entry = stored_encodings(runtime, task, encoding)
    return replace(encodings, patches=patching and stored_patches(runtime, task, patching)), entry


def stored_patches(runtime: Runtime, task: GraphTask, patching: Patching) -> Patches:
    """The patches of all graphs, whatever encodings go with them."""

    def compute(folder: Path) -> None:
        done = 0
        with runtime.console.work("patches") as work:

            def advance(count: int) -> None:
                nonlocal done
                done += count
                work.update(done, len(task.graphs))

            result = compute_patches(task.graphs, patching, advance)
        checkpoint.save_tensors(folder / "patches.safetensors", result.to_tensors())

    parts = {"data": task.fingerprint, "patches": patching.settings}
    entry = runtime.entry("patches", parts, code_of([__name__]).to_key(), compute, f"patches of {task.spec.name}")
    return Patches.from_tensors(checkpoint.load_tensors(entry.path / "patches.safetensors", verify=False))
