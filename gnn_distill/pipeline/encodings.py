"""Before stage 3: the student's structural encodings, computed once per data set."""

from dataclasses import asdict
from pathlib import Path

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.structural import StructuralEncodings, compute_encodings
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.store import Entry

NOT_ENCODINGS = ("models",)
"""Code that encodings have nothing to do with, though a runtime announces models."""
# Keys that only the model reads: they change no encoding.
MODEL_KEYS = ("max_degree", "max_spd", "edge", "bias_scale", "bias_gain", "bias_per_layer")


def stored_encodings(runtime: Runtime, task: GraphTask, encoding: EncodingConfig) -> tuple[StructuralEncodings, Entry]:
    """Structural encodings of all graphs (found in the store, or computed now)."""
    settings = {key: value for key, value in asdict(encoding).items() if key not in MODEL_KEYS}
    settings["edge_hops"] = encoding.edge_hops > 0  # the same paths, however far they are read
    parts = {"data": task.fingerprint, "encoding": settings}

    def compute(folder: Path) -> None:
        with runtime.console.work("encodings") as work:
            result = compute_encodings(task.graphs, encoding, work.update)
        checkpoint.save_tensors(folder / "encodings.safetensors", result.to_tensors())

    made_with = code_of([__name__], without=NOT_ENCODINGS).to_key()
    entry = runtime.entry("encodings", parts, made_with, compute, f"encodings of {task.spec.name}")
    found = checkpoint.load_tensors(entry.path / "encodings.safetensors", verify=False)
    return StructuralEncodings.from_tensors(found), entry
