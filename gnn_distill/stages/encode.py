"""Before the student: what it is told about structure, computed once for a data set."""

from dataclasses import asdict
from pathlib import Path

from gnn_distill import checkpoint
from gnn_distill.data.structure import StructuralEncodings, compute_encodings
from gnn_distill.data.task import GraphTask
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.stages.runtime import Runtime
from gnn_distill.store import Entry, code_version

FILES = (
    *("structure", "distances", "paths", "random_walks", "spectra", "colours"),
    *("dense", "sparse", "turns", "workers", "packed"),
)
CODE = tuple(f"data/{name}.py" for name in FILES)
# Keys that only the model reads: they change no encoding.
MODEL_KEYS = ("max_degree", "max_spd", "edge", "bias_scale", "bias_gain")


def encode(runtime: Runtime, task: GraphTask, encoding: EncodingConfig) -> tuple[StructuralEncodings, Entry]:
    """Structural encodings of all graphs (found in the store, or computed now)."""
    settings = {key: value for key, value in asdict(encoding).items() if key not in MODEL_KEYS}
    settings["edge_hops"] = encoding.edge_hops > 0  # the same paths, however far they are read
    parts = {"data": task.fingerprint, "encoding": settings, "code": code_version(*CODE)}

    def compute(folder: Path) -> None:
        with runtime.console.work("encodings") as work:
            result = compute_encodings(task.graphs, encoding, work.update)
        checkpoint.save_tensors(folder / "encodings.safetensors", result.to_tensors())

    entry = runtime.store.get("encodings", parts, compute, f"encodings of {task.spec.name}")
    found = checkpoint.load_tensors(entry.path / "encodings.safetensors", verify=False)
    return StructuralEncodings.from_tensors(found), entry
