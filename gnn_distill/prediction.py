"""A finished run's student, ready to predict, without its teacher (but for a head that it reuses) or projections."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from gnn_distill import checkpoint
from gnn_distill.data.batching import check_budget, collate, evaluation_batches
from gnn_distill.data.packed import PackedGraphs, degree_column
from gnn_distill.data.structure import compute_encodings
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.errors import UserError, making_sense
from gnn_distill.losses.reuse import ReusingStudent, rebuild
from gnn_distill.models import build_student
from gnn_distill.run_directory import AGAIN
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.run import TrainConfig
from gnn_distill.schema.student import StudentConfig
from gnn_distill.sealed import read_json, write_json

WEIGHTS, SETTINGS = "student.safetensors", "student.json"


class Predictor:
    """A student with all that it needs to read graphs: `predict` gives probabilities or values in original units."""

    def __init__(self, student: nn.Module, spec: TaskSpec, encoding: EncodingConfig, max_pairs: int) -> None:
        self.student, self.spec, self.encoding, self.max_pairs = student.eval(), spec, encoding, max_pairs

    def predict(self, graphs: Sequence[Data] | Sequence[str] | PackedGraphs) -> Float[Tensor, "example output"]:
        """Probabilities of classes [G, C] or of positive labels [G, T], or values [G, T] in original units.

        A node-level student gives one row for every node of all graphs, in their order.
        """
        logits = self.logits(graphs)
        if self.spec.kind == "multiclass":
            return logits.softmax(dim=-1)
        if self.spec.kind == "regression":
            return self.spec.in_original_units(logits)
        return logits.sigmoid()

    @torch.inference_mode()
    def logits(self, graphs: Sequence[Data] | Sequence[str] | PackedGraphs) -> Float[Tensor, "example output"]:
        """Raw outputs, in the order of `graphs`: PyG graphs, SMILES (molecular tasks), or packed graphs.

        Raises UserError where a SMILES does not parse or features do not fit what the student was trained on.
        """
        packed = self._checked(graphs if isinstance(graphs, PackedGraphs) else self._pack(graphs))
        sizes, everything = packed.num_nodes, torch.arange(len(packed))
        if self.spec.level == "graph" or self.student.dense_pairs:
            check_budget(sizes, self.max_pairs, self.spec.level)
        encodings = compute_encodings(packed, self.encoding)
        if self.spec.level == "node":
            return torch.cat([self.student(collate(packed, encodings, ids)).logits for ids in everything.split(1)])
        out = torch.empty(len(packed), self.spec.num_outputs)
        for ids in evaluation_batches(sizes, everything, 128, self.max_pairs):
            out[ids] = self.student(collate(packed, encodings, ids)).logits
        return out

    def _pack(self, graphs: Sequence[Data] | Sequence[str]) -> PackedGraphs:
        if not len(graphs):
            raise UserError("There is nothing to predict: the list of graphs is empty.")
        if isinstance(graphs[0], str):
            graphs = self._parse(graphs)
        edges = self.student.reads_edges
        bare = [Data(data.x, data.edge_index, data.edge_attr if edges else None) for data in graphs]
        if self.spec.degree_features:
            for data, graph in zip(bare, graphs, strict=True):
                data.x = torch.empty(graph.num_nodes, 0)
        elif any(data.x is None for data in bare):
            raise UserError(
                f"The graphs have no node features x; {self.spec.name} has {self.spec.node_features.width}."
            )
        packed = PackedGraphs.from_data_list(bare, self.spec.num_targets, self.spec.level)
        if self.spec.degree_features:
            packed.x = degree_column(packed, self.spec.node_features.sizes[0] - 1)
        return packed

    def _checked(self, graphs: PackedGraphs) -> PackedGraphs:
        """`graphs` with the features that the student reads, in the type in which it reads them."""
        x = self._fitting(graphs.x, self.spec.node_features, "node")
        if not self.student.reads_edges:
            return replace(graphs, x=x, edge_attr=None)
        edge_attr = graphs.edge_attr
        if edge_attr is None and graphs.edge_index.size(1) == 0:
            edge_attr = torch.empty(0, self.spec.edge_features.width)
        return replace(graphs, x=x, edge_attr=self._fitting(edge_attr, self.spec.edge_features, "edge"))

    def _fitting(self, values: Tensor | None, features: Features, what: str) -> Tensor:
        if values is None or values.size(1) != features.width:
            width = "no" if values is None else values.size(1)
            raise UserError(
                f"The graphs have {width} {what} features; the student was trained on {self.spec.name} "
                f"with {features.width}."
            )
        if features.kind == "continuous":
            return values.float()
        if not torch.equal(values, values.long().to(values.dtype)):
            raise UserError(f"The {what} features are categories in {self.spec.name}: they must be whole numbers.")
        unknown = (values < 0) | (values >= torch.tensor(features.sizes))
        if unknown.any():
            row, column = unknown.nonzero()[0].tolist()
            raise UserError(
                f"The {what} feature {column} of a graph is {int(values[row, column])}; the student knows categories "
                f"0 to {features.sizes[column] - 1}."
            )
        return values.long()

    def _parse(self, smiles: Sequence[str]) -> list[Data]:
        from gnn_distill.data.molecules import reader_of

        if not self.spec.molecules:
            raise UserError(f"The student was trained on {self.spec.name}, not on molecules: it cannot read SMILES.")
        parsed = list(map(reader_of(self.spec), smiles))
        if None in parsed:
            index = parsed.index(None)
            raise UserError(f"SMILES {index} does not parse: {smiles[index]!r}. Leave it out, or mend it.")
        return parsed


def save_student(run_dir: Path, student: nn.Module, spec: TaskSpec, config: TrainConfig) -> None:
    """Write the student's weights and what `load` needs to build it again."""
    settings = {
        "spec": spec.to_dict(),
        "student": asdict(config.student),
        "encoding": asdict(config.encoding),
        "max_pairs": config.trainer.max_pairs,
    }
    if isinstance(student, ReusingStudent):
        settings["reuse_head"] = student.settings
    write_json(run_dir / SETTINGS, settings)
    checkpoint.save_tensors(run_dir / WEIGHTS, student.state_dict())


def load(run_dir: str | Path, own_module: bool = False) -> Predictor:
    """The student of a finished run directory, on the CPU.

    own_module: import the student's module where it is none of this package's, which runs it.

    Raises UserError where the folder holds no finished run, or its files are damaged.
    """
    run_dir = Path(run_dir)
    if not (run_dir / WEIGHTS).is_file() or not (run_dir / SETTINGS).is_file():
        raise UserError(f"{run_dir}: no finished run lies here ({WEIGHTS} and {SETTINGS} are wanted).")
    settings = read_json(run_dir / SETTINGS, AGAIN)
    weights = checkpoint.load_tensors(run_dir / WEIGHTS, remedy=AGAIN)
    with making_sense(run_dir / SETTINGS, AGAIN):
        spec, encoding = TaskSpec.from_dict(settings["spec"]), EncodingConfig(**settings["encoding"])
        config = StudentConfig(**settings["student"])
        if "." in config.name and not own_module:
            raise UserError(
                f"{run_dir / SETTINGS}: this student is a module of somebody's own, {config.name}, and loading it runs "
                "that module. If it is yours: load(run_dir, own_module=True)."
            )
        student = build_student(config, encoding, spec)
        if reuse := settings.get("reuse_head"):
            student = rebuild(student, spec, weights, reuse)
        student.load_state_dict(weights)
        return Predictor(student, spec, encoding, settings["max_pairs"])
