"""Predictions of a saved student for graphs and molecules in all accepted forms."""

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
from gnn_distill.data.assembly.inputs import ON_INVALID, Inputs, check, describe, listed, misfit, read, typed, zeros
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.batching import collate, evaluation_batches
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError

MOST_LISTED = 10
Graphs = Iterable[Data] | Iterable[str] | Data | str | PackedGraphs
"""And everything else that `data.assembly.inputs` accepts."""


class Predictor:
    """A student and everything it needs to read graphs: `predict` returns probabilities, or values in their units."""

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

        One row per input, in their order; a node-level student returns one per node of all graphs.
        graphs: a SMILES, a PyG graph or an RDKit molecule, or any list, Series, Batch, DataLoader or generator of them.
        They are prepared like the training data; packed graphs are used unchanged.
        on_invalid: what to do with inputs that cannot be predicted. error raises UserError, naming them; nan returns
        rows of NaN for them, and warns. Inputs with values that no training graph had are predicted with a warning.
        """
        return self._readable(self.logits(graphs, on_invalid))

    def logits(self, graphs: Graphs, on_invalid: str = "error") -> Float[Tensor, "example output"]:
        """Raw outputs, by the same rules as `predict`."""
        if on_invalid not in ON_INVALID:
            raise UserError(f"on_invalid={on_invalid!r}: choose {' or '.join(ON_INVALID)}.")
        inputs = self._prepared(graphs)
        if refusals := inputs.report_refused(on_invalid):
            warnings.warn(f"{refusals} Their rows are NaN.", stacklevel=3)
        if warning := self._unseen(inputs):
            warnings.warn(warning, stacklevel=3)
        rows = torch.tensor(inputs.rows)
        good = torch.zeros(len(rows), dtype=torch.bool).index_fill_(0, inputs.positions, True)
        out = torch.full((int(rows.sum()), self.spec.num_outputs), torch.nan)
        if len(inputs.positions):
            out[good.repeat_interleave(rows)] = self._outputs(inputs.graphs)
        return out

    def rehearse(self) -> None:
        """Predict one small graph: any error is due to the settings."""
        nodes, edges, spec = zeros(self.spec.node_features, 2), torch.tensor([[0, 1], [1, 0]]), self.spec
        edge_attr = None if spec.edge_features is None else zeros(spec.edge_features, 2)
        packed = PackedGraphs.from_data_list([Data(nodes, edges, edge_attr)], spec.num_targets, spec.level)
        inputs = self._prepared(packed)
        if inputs.refused:
            raise ValueError(describe(inputs.refused))
        self._unseen(inputs)
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
        """The inputs as the student reads them, without unreadable ones."""
        packed = isinstance(given, PackedGraphs)
        inputs = self._packed(given) if packed else read(given, self.spec, self.pipeline, self.student.reads_edges)
        check(inputs, self.spec, InputPipeline() if packed else self.pipeline)
        if self.spec.level == "graph" or self.can.dense_pairs:
            sizes = inputs.graphs.num_nodes
            large = sizes.double() ** 2 > self.max_pairs
            why = f"more pairs of nodes than max_pairs={self.max_pairs} (set it higher if memory allows)"
            inputs.refuse(large, why, [f"{size} nodes" for size in sizes[large].tolist()])
        inputs.keep_rest()
        inputs.graphs = typed(inputs.graphs if packed else self.pipeline.apply(inputs.graphs), self.spec)
        return inputs

    def _packed(self, graphs: PackedGraphs) -> Inputs:
        """Packed graphs as inputs; raises UserError if their features do not fit."""
        if not len(graphs):
            raise UserError("There is nothing to predict: no graphs were given.")
        check_counts("The packed graphs", graphs)
        edge_attr, unchanged = graphs.edge_attr, InputPipeline()
        if not self.student.reads_edges:
            edge_attr = None
        elif edge_attr is None and not graphs.edge_index.size(1):
            edge_attr = zeros(self.spec.edge_features, 0)
        mismatch = misfit(graphs.x, self.spec.node_features, "node", self.spec, unchanged)
        if self.student.reads_edges and not mismatch:
            mismatch = misfit(edge_attr, self.spec.edge_features, "edge", self.spec, unchanged)
        if mismatch:
            raise UserError(f"The graphs have {mismatch}.")
        rows = [1] * len(graphs) if self.spec.level == "graph" else graphs.num_nodes.tolist()
        return Inputs(replace(graphs, edge_attr=edge_attr), torch.arange(len(graphs)), rows)

    def _unseen(self, inputs: Inputs) -> str:
        """A warning about values that no training graph had, naming the inputs; empty if there are none."""
        found = self.seen.unseen(inputs.graphs, self.pipeline)
        lines = [
            f"Input {listed(inputs.positions[graphs].tolist())}: {what}."
            for what, graphs in islice(found, MOST_LISTED + 1)
        ]
        if not lines:
            return ""
        more = " And more." if len(lines) > MOST_LISTED else ""
        return f"Predictions for values that no training graph had are guesses. {' '.join(lines[:MOST_LISTED])}{more}"

    @torch.inference_mode()
    def _outputs(self, graphs: PackedGraphs) -> Float[Tensor, "example output"]:
        encodings, everything = compute_encodings(graphs, self.encoding), torch.arange(len(graphs))
        if self.spec.level == "node":
            return torch.cat([self.student(collate(graphs, encodings, ids)).logits for ids in everything.split(1)])
        out = torch.empty(len(graphs), self.spec.num_outputs)
        for ids in evaluation_batches(graphs.num_nodes, everything, 128, self.max_pairs):
            out[ids] = self.student(collate(graphs, encodings, ids)).logits
        return out
