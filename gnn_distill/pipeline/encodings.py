"""Before stage 3: the student's structural encodings and patches, computed once per data set."""

from dataclasses import asdict, replace
from pathlib import Path

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.structural import StructuralEncodings, compute_encodings
from gnn_distill.data.subgraphs.patches import Patches, compute_patches
from gnn_distill.data.subgraphs.patching import Patching
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.store import Entry

ENCODINGS = "gnn_distill.data.encodings.structural"
# Keys that only the model reads: they change no encoding.
MODEL_KEYS = ("max_degree", "max_spd", "edge", "bias_scale", "bias_gain", "bias_per_layer")


def stored_encodings(
    runtime: Runtime, task: GraphTask, encoding: EncodingConfig, patching: Patching | None = None
) -> tuple[StructuralEncodings, Entry]:
    """Structural encodings of all graphs, and their patches (found in the store, or computed now).

    Raises UserError where fragments are asked of graphs that are no molecules.
    """
    settings = {key: value for key, value in asdict(encoding).items() if key not in MODEL_KEYS}
    settings["edge_hops"] = encoding.edge_hops > 0  # the same paths, however far they are read
    parts = {"data": task.fingerprint, "encoding": settings}

    def compute(folder: Path) -> None:
        with runtime.console.work("encodings") as work:
            result = compute_encodings(task.graphs, encoding, work.update)
        checkpoint.save_tensors(folder / "encodings.safetensors", result.to_tensors())

    made_with = code_of([ENCODINGS]).to_key()
    entry = runtime.entry("encodings", parts, made_with, compute, f"encodings of {task.spec.name}")
    found = checkpoint.load_tensors(entry.path / "encodings.safetensors", verify=False)
    encodings = StructuralEncodings.from_tensors(found)
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
