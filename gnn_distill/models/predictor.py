"""What a saved student says of graphs and molecules, however they are handed in."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.assembly.graphs import check_counts
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.inputs import ON_INVALID, Inputs, check, describe, listed, misfit, read, zeros
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.batching import collate, evaluation_batches
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.errors import UserError

MOST_TOLD = 10
Graphs = Iterable[Data] | Iterable[str] | Data | str | PackedGraphs
"""And whatever else `data.inputs` takes."""


class Predictor:
    """A student with all that it needs to read graphs: `predict` gives probabilities or values in original units."""

    def __init__(
        self,
        student: nn.Module,
        spec: TaskSpec,
        encoding: EncodingConfig,
        max_pairs: int,
        can: Capabilities,
        pipeline: InputPipeline | None = None,
        seen: Seen | None = None,
    ) -> None:
        self.student, self.spec, self.encoding, self.max_pairs = student.eval(), spec, encoding, max_pairs
        self.can = can
        self.pipeline, self.seen = pipeline or InputPipeline.implied_by(spec), seen or Seen()

    def predict(self, graphs: Graphs, on_invalid: str = "error") -> Float[Tensor, "example output"]:
        """Probabilities of classes [G, C] or of positive labels [G, T], or values [G, T] in original units.

        One row for each input, in their order; a node-level student gives one for every node of all graphs.
        graphs: a SMILES, a PyG graph or an RDKit molecule, or any list, Series, Batch, DataLoader or generator of them.
        They are prepared as the training data were; packed graphs are taken as they are.
        on_invalid: what to do with inputs that cannot be predicted. error raises UserError, which names them; nan gives
        them rows of NaN, and warns. Inputs that hold what no training graph held are predicted with a warning.
        """
        return self._readable(self.logits(graphs, on_invalid))

    def logits(self, graphs: Graphs, on_invalid: str = "error") -> Float[Tensor, "example output"]:
        """Raw outputs, by the same rules as `predict`."""
        if on_invalid not in ON_INVALID:
            raise UserError(f"on_invalid={on_invalid!r}: choose {' or '.join(ON_INVALID)}.")
        inputs = self._prepared(graphs)
        if told := inputs.settle(on_invalid):
            warnings.warn(f"{told} Their rows are NaN.", stacklevel=3)
        if told := self._strange(inputs):
            warnings.warn(told, stacklevel=3)
        rows = torch.tensor(inputs.rows)
        good = torch.zeros(len(rows), dtype=torch.bool).index_fill_(0, inputs.positions, True)
        out = torch.full((int(rows.sum()), self.spec.num_outputs), torch.nan)
        if len(inputs.positions):
            out[good.repeat_interleave(rows)] = self._outputs(inputs.graphs)
        return out

    def rehearse(self) -> None:
        """Predict one small graph; whatever goes wrong, the settings are to blame."""
        nodes, edges, spec = zeros(self.spec.node_features, 2), torch.tensor([[0, 1], [1, 0]]), self.spec
        edge_attr = None if spec.edge_features is None else zeros(spec.edge_features, 2)
        packed = PackedGraphs.from_data_list([Data(nodes, edges, edge_attr)], spec.num_targets, spec.level)
        inputs = self._prepared(packed)
        if inputs.refused:
            raise ValueError(describe(inputs.refused))
        self._strange(inputs)
        values = self._readable(self._outputs(inputs.graphs))
        if values.shape != (inputs.rows[0], spec.num_outputs):
            raise ValueError(f"the student has {values.size(1)} outputs, not {spec.num_outputs}")

    def _readable(self, logits: Float[Tensor, "example output"]) -> Float[Tensor, "example output"]:
        """Outputs as probabilities, or in original units."""
        if self.spec.kind == "multiclass":
            return logits.softmax(dim=-1)
        if self.spec.kind == "regression":
            return self.spec.in_original_units(logits)
        return logits.sigmoid()

    def _prepared(self, given: Graphs) -> Inputs:
        """The inputs as the student reads them, without those that it cannot read."""
        packed = isinstance(given, PackedGraphs)
        inputs = self._taken(given) if packed else read(given, self.spec, self.pipeline, self.student.reads_edges)
        check(inputs, self.spec, InputPipeline() if packed else self.pipeline)
        if self.spec.level == "graph" or self.can.dense_pairs:
            sizes = inputs.graphs.num_nodes
            large = sizes.double() ** 2 > self.max_pairs
            told = f"more pairs of nodes than max_pairs={self.max_pairs} (set it higher where memory allows)"
            inputs.refuse(large, told, [f"{size} nodes" for size in sizes[large].tolist()])
        inputs.keep_rest()
        graphs = inputs.graphs if packed else self.pipeline.apply(inputs.graphs)
        edge_attr = graphs.edge_attr
        if edge_attr is not None:
            edge_attr = _typed(edge_attr, self.spec.edge_features)
        inputs.graphs = replace(graphs, x=_typed(graphs.x, self.spec.node_features), edge_attr=edge_attr)
        return inputs

    def _taken(self, graphs: PackedGraphs) -> Inputs:
        """Packed graphs as inputs; raises UserError where their features do not fit."""
        if not len(graphs):
            raise UserError("There is nothing to predict: there are no graphs.")
        check_counts("The packed graphs", graphs)
        edge_attr, nothing = graphs.edge_attr, InputPipeline()
        if not self.student.reads_edges:
            edge_attr = None
        elif edge_attr is None and not graphs.edge_index.size(1):
            edge_attr = zeros(self.spec.edge_features, 0)
        told = misfit(graphs.x, self.spec.node_features, "node", self.spec, nothing)
        if self.student.reads_edges and not told:
            told = misfit(edge_attr, self.spec.edge_features, "edge", self.spec, nothing)
        if told:
            raise UserError(f"The graphs have {told}.")
        rows = [1] * len(graphs) if self.spec.level == "graph" else graphs.num_nodes.tolist()
        return Inputs(replace(graphs, edge_attr=edge_attr), torch.arange(len(graphs)), rows)

    def _strange(self, inputs: Inputs) -> str:
        """What no training graph held, and which inputs hold it."""
        found = self.seen.strangers(inputs.graphs, self.pipeline)
        told = [
            f"Input {listed(inputs.positions[graphs].tolist())}: {what}."
            for what, graphs in islice(found, MOST_TOLD + 1)
        ]
        if not told:
            return ""
        more = " And more." if len(told) > MOST_TOLD else ""
        return f"What no training graph held makes predictions guesses. {' '.join(told[:MOST_TOLD])}{more}"

    @torch.inference_mode()
    def _outputs(self, graphs: PackedGraphs) -> Float[Tensor, "example output"]:
        encodings, everything = compute_encodings(graphs, self.encoding), torch.arange(len(graphs))
        if self.spec.level == "node":
            return torch.cat([self.student(collate(graphs, encodings, ids)).logits for ids in everything.split(1)])
        out = torch.empty(len(graphs), self.spec.num_outputs)
        for ids in evaluation_batches(graphs.num_nodes, everything, 128, self.max_pairs):
            out[ids] = self.student(collate(graphs, encodings, ids)).logits
        return out


def _typed(values: Tensor, features: Features) -> Tensor:
    return values.float() if features.kind == "continuous" else values.long()
