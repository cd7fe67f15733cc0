"""Predictions of a saved student for graphs and molecules in all accepted forms."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.assembly.graphs import check_counts
from gnn_distill.data.assembly.input_kinds import is_table
from gnn_distill.data.assembly.input_pipeline import InputPipeline, typed
from gnn_distill.data.assembly.inputs import (
    ON_INVALID,
    Inputs,
    Unfit,
    check,
    describe,
    entries_of,
    listed,
    misfit,
    read,
    zeros,
)
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.loaders import restrict
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.reading.smiles_column import SAMPLE
from gnn_distill.data.subgraphs.patches import compute_inputs
from gnn_distill.data.subgraphs.patching import Patching
from gnn_distill.data.task import DataColumns, TaskSpec
from gnn_distill.errors import UserError, warn_caller
from gnn_distill.formatting import counted
from gnn_distill.models.prediction_table import PredictionTable, check_columns
from gnn_distill.models.readable import readable

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED = 10
BATCH = 128
"""Graphs per batch."""
BATCH_NODES = 8192
"""Nodes of one batch that are answered at once, by a student that gains by it."""
Graphs = Iterable[Data] | Iterable[str] | Data | str | PackedGraphs
"""And everything else that `data.assembly.inputs` accepts."""


@dataclass(frozen=True)
class Answers:
    """Predictions of the inputs that can be predicted, and why others cannot; inputs are named by their position."""

    values: Float[Tensor, "row output"]
    """Probabilities, or values in original units, on the CPU."""
    positions: list[int]
    """The inputs that `values` are of, ascending."""
    rows: list[int]
    """Number of rows of each of these: 1, or its number of nodes at node level."""
    errors: dict[int, str]
    warnings: dict[int, list[str]]
    """What an input has that no training graph had."""

    def of(self, inputs: Container[int]) -> Float[Tensor, "row output"]:
        """The rows of these inputs alone."""
        kept = torch.tensor([position in inputs for position in self.positions], dtype=torch.bool)
        return self.values[kept.repeat_interleave(torch.tensor(self.rows, dtype=torch.long))]


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
        columns: DataColumns | None = None,
        patching: Patching | None = None,
    ) -> None:
        self.student, self.spec, self.encoding, self.max_pairs = student.eval(), spec, encoding, max_pairs
        self.can, self.patching, self.device = can, patching, torch.device("cpu")
        self.table = PredictionTable(spec, columns or DataColumns())
        self.pipeline, self.seen = pipeline or InputPipeline.implied_by(spec), seen or Seen()

    def to(self, device: torch.device | str) -> "Predictor":
        """This predictor, with its student on a device; results are on the CPU. Raises UserError if it is not here."""
        try:
            self.student.to(torch.device(device))
        except (RuntimeError, AssertionError, TypeError) as error:
            why = str(error).splitlines()[0]
            raise UserError(f"device={device}: cannot be used here ({why}). Choose cpu, cuda or mps.") from error
        self.device = torch.device(device)
        return self

    def predict(
        self, graphs: "Graphs | pd.DataFrame", on_invalid: str = "error"
    ) -> "Float[Tensor, 'example output'] | pd.DataFrame":
        """Probabilities of classes [G, C] or of positive labels [G, T], or values [G, T] in original units.

        One row per input, in their order; a node-level student returns one per node of all graphs.
        graphs: a SMILES, a PyG graph or an RDKit molecule, or any list, Series, Batch, DataLoader or generator of them.
        They are prepared like the training data; packed graphs are used unchanged.
        on_invalid: what to do with inputs that cannot be predicted. error raises UserError, naming them; nan returns
        rows of NaN for them, and warns. Inputs with values that no training graph had are predicted with a warning.

        Of a DataFrame with a column of SMILES the result is a copy with columns added: what is predicted, by target,
        `error` and `warning`, as `gnn-distill predict` writes them.
        """
        if is_table(graphs):
            return self._with_predictions(graphs, on_invalid)
        return readable(self.spec, self.logits(graphs, on_invalid))

    def logits(self, graphs: Graphs, on_invalid: str = "error") -> Float[Tensor, "example output"]:
        """Raw outputs, by the same rules as `predict`."""
        if on_invalid not in ON_INVALID:
            raise UserError(f"on_invalid={on_invalid!r}: choose {' or '.join(ON_INVALID)}.")
        inputs = self.prepared(graphs)
        if refusals := inputs.report_refused(on_invalid):
            warn_caller(f"{refusals} Their rows are NaN.")
        if warning := self._unseen(inputs):
            warn_caller(warning)
        rows = torch.tensor(inputs.rows)
        good = torch.zeros(len(rows), dtype=torch.bool).index_fill_(0, inputs.positions, True)
        out = torch.full((int(rows.sum()), self.spec.num_outputs), torch.nan)
        if len(inputs.positions):
            out[good.repeat_interleave(rows)] = self._outputs(inputs.graphs)
        return out

    def answer(self, graphs: Graphs, inputs: Inputs | None = None) -> Answers:
        """Predictions of all inputs that can be predicted, and why the others cannot.

        inputs: the same graphs, prepared by a predictor that prepares alike.
        """
        entries = entries_of(graphs)
        inputs = self.prepared(entries) if inputs is None else inputs
        values = readable(self.spec, self._outputs(inputs.graphs))
        unseen: dict[int, list[str]] = {}
        for what, found in self.seen.unseen(inputs.graphs, self.pipeline):
            for position in inputs.positions[found].tolist():
                unseen.setdefault(position, []).append(what)
        errors = {position: unfit.told(entries[position]) for position, unfit in inputs.refused.items()}
        rows = torch.ones(len(inputs.positions)) if self.spec.level == "graph" else inputs.graphs.num_nodes
        return Answers(values, inputs.positions.tolist(), rows.int().tolist(), errors, unseen)

    def _with_predictions(self, frame: "pd.DataFrame", on_invalid: str) -> "pd.DataFrame":
        """A copy of the table with what is predicted for each row."""
        if on_invalid not in ON_INVALID:
            raise UserError(f"on_invalid={on_invalid!r}: choose {' or '.join(ON_INVALID)}.")
        if self.pipeline.smiles is None:
            raise UserError(f"The student was trained on {self.spec.name}, not on molecules: it cannot read a table.")
        names = [*map(str, frame.columns)]
        check_columns(names, self.table.header())
        place, _ = self.table.find_smiles(names, frame.head(SAMPLE).to_numpy().tolist(), None, "Rename to smiles")
        answers = self.answer(frame.iloc[:, place].tolist())
        if answers.errors:
            refused = {position: Unfit(why) for position, why in answers.errors.items()}
            told = f"{len(refused)} of {counted(len(frame), 'row')} cannot be predicted. {describe(refused)}"
            if on_invalid == "error":
                raise UserError(f"{told} Fix them or leave them out; with on_invalid='nan' they are left empty.")
            warn_caller(f"{told} They are left empty.")
        return self.table.added_to(frame, answers.values.numpy(), answers.positions, answers.errors, answers.warnings)

    def rehearse(self) -> None:
        """Predict one small graph: any error is due to the settings."""
        nodes, edges, spec = zeros(self.spec.node_features, 2), torch.tensor([[0, 1], [1, 0]]), self.spec
        edge_attr = None if spec.edge_features is None else zeros(spec.edge_features, 2)
        packed = PackedGraphs.from_data_list([Data(nodes, edges, edge_attr)], spec.num_targets, spec.level)
        inputs = self.prepared(packed)
        if inputs.refused:
            raise ValueError(describe(inputs.refused))
        self._unseen(inputs)
        values = readable(self.spec, self._outputs(inputs.graphs))
        if values.shape != (inputs.rows[0], spec.num_outputs):
            raise ValueError(f"the student has {values.size(1)} outputs, not {spec.num_outputs}")

    def prepares_as(self, other: "Predictor") -> bool:
        """Whether both prepare graphs alike, as students of runs that differ in their seeds alone do."""
        mine, theirs = (
            (one.spec, one.pipeline, one.student.reads_edges, one.can.dense_pairs, one.max_pairs)
            for one in (self, other)
        )
        return mine == theirs

    def prepared(self, given: Graphs, edge_features: bool = False) -> Inputs:
        """The inputs as the student reads them, without unreadable ones.

        edge_features: require them even if the student ignores them, for another model of the same data.
        """
        packed = isinstance(given, PackedGraphs)
        edges = edge_features or self.student.reads_edges
        inputs = self._packed(given) if packed else read(given, self.spec, self.pipeline, edges)
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
        """Raw outputs on the CPU. Encodings exist for one batch at a time: those of pairs of nodes need much memory."""
        rows = len(graphs) if self.spec.level == "graph" else len(graphs.x)
        out = torch.empty(rows, self.spec.num_outputs)
        for ids in evaluation_batches(graphs.num_nodes, torch.arange(len(graphs)), BATCH, self.max_pairs):
            part = graphs if len(graphs) == 1 else graphs.select(ids)
            batch = collate(part, compute_inputs(part, self.encoding, self.patching), torch.arange(len(part)))
            places = ids if self.spec.level == "graph" else gather_ranges(graphs.node_ptr, ids)
            out[places] = torch.cat([self.student(some).logits.float().cpu() for some in self._parts(batch)])
        return out

    def _parts(self, batch: GraphBatch) -> Iterator[GraphBatch]:
        """A batch on the device, as a whole or with some of its nodes as rows at a time."""
        batch = batch.to(self.device)
        if self.spec.level == "graph" or not self.can.mini_batches:
            yield batch
            return
        for nodes in torch.arange(len(batch.node_rows), device=self.device).split(BATCH_NODES):
            yield restrict(batch, nodes)
