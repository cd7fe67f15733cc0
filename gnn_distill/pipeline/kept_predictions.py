"""What a run's models say of the validation and test part, kept as predictions.csv while the parts are evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill import ranks
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError, printable
from gnn_distill.models.readable import readable
from gnn_distill.results import spreadsheets
from gnn_distill.results.predictions import rows_of_part
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.run_directory import PREDICTIONS, REPEAT_RUN
from gnn_distill.training.scores import scores
from gnn_distill.training.uncertainty import Uncertainty, estimate

PARTS = ("val", "test")
NAMES = {"val": "validation", "test": "test"}
COMPARED = (("student", "teacher"), ("student", "alone"), ("student", "floor"), ("teacher", "floor"))
"""Models whose difference is tested."""
MOST_ROWS = 100_000
"""A part with which the file would become longer is left out."""
DIGITS = "%.10g"


class KeptPredictions:
    """The outputs of models for validation and test examples, recorded in passing: no model is asked a second time."""

    def __init__(self, task: GraphTask) -> None:
        self.task = task
        self._part = torch.full((len(task.graphs.y),), -1)
        for number, part in enumerate(PARTS):
            self._part[getattr(task.splits, part)] = number
        self._logits: dict[str, Tensor] = {}
        self._known = torch.zeros(len(task.graphs.y), dtype=torch.bool)

    @contextmanager
    def recording(self, role: str, model: nn.Module) -> Iterator[None]:
        """Within it the outputs of `model` for examples of both parts are kept as those of `role`."""
        size = (len(self._part), self.task.spec.num_outputs)
        kept, own = torch.full(size, torch.nan), torch.zeros(len(self._part), dtype=torch.bool)
        self._logits[role] = kept

        def keep(_: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            batch = given[0]
            ids = batch.graph_ids if self.task.spec.level == "graph" else batch.wanted(batch.node_rows)
            ids, logits = (batch.examples(values).detach().cpu() for values in (ids, out.logits))
            wanted = self._part[ids] >= 0
            kept[ids[wanted]] = logits[wanted].float()
            own[ids[wanted]] = True

        hook = model.register_forward_hook(keep)
        try:
            yield
        finally:
            hook.remove()
        ids = own.nonzero().flatten()
        if ranks.size() > 1:  # each example was evaluated by one of the processes
            ids, logits = ranks.rows_of_all(ids), ranks.rows_of_all(kept[ids])
            kept[ids] = logits
        self._known[ids] = True

    def add(self, role: str, logits: Float[Tensor, "examples outputs"], test: bool = True) -> None:
        """Keep the outputs of a model for all validation and then, with `test`, all test examples."""
        splits = self.task.splits
        ids = torch.cat([splits.val, splits.test])
        ids, logits = (values if test else values[: len(splits.val)] for values in (ids, logits))
        kept = self._logits[role] = torch.full((len(self._part), self.task.spec.num_outputs), torch.nan)
        kept[ids] = logits.float()
        self._known[ids] = True

    def spread(self, role: str) -> float:
        """Of a regression the standard deviation of a model's validation predictions, in that of the training labels.

        Of several targets it is the largest; NaN without validation examples that were recorded.
        """
        ids = ((self._part == 0) & self._known).nonzero().flatten()
        # a model gives targets in units of their standard deviation
        return float(self._logits[role][ids].std(0, correction=0).max()) if len(ids) else float("nan")

    def uncertainty(self, part: str) -> Uncertainty:
        """Intervals of the models that were recorded, and tests of their differences, on one part."""
        task, graphs = self.task, self.task.graphs
        ids = ((self._part == PARTS.index(part)) & self._known).nonzero().flatten()
        owner = None
        if task.spec.level == "node" and task.split_by_graph:
            owner = torch.searchsorted(graphs.node_ptr, ids, right=True) - 1
        logits = {role: values[ids] for role, values in self._logits.items()}
        return estimate(task.spec, part, logits, graphs.y[ids], COMPARED, owner)

    def scores(self) -> dict[str, dict[str, Any]]:
        """What the models that were recorded score on each part, by role: overall, by target and by class."""
        found: dict[str, dict[str, Any]] = {role: {} for role in self._logits}
        for number, part in enumerate(PARTS):
            ids = ((self._part == number) & self._known).nonzero().flatten()
            if len(ids):
                y = self.task.graphs.y[ids]
                for role, logits in self._logits.items():
                    found[role][part] = scores(self.task.spec, logits[ids], y)
        return found

    def write(self, path: Path) -> None:
        """Write split, id, the label of every target and, by role, probabilities or values in original units.

        id: the line of an example in the user's file, else the number of its graph, or of its node in the data.
        """
        table = self._table(PARTS[0], torch.empty(0, dtype=torch.long))
        for number, part in enumerate(PARTS):
            ids = ((self._part == number) & self._known).nonzero().flatten()
            if 0 < len(ids) <= MOST_ROWS - len(table):
                more = self._table(part, ids)
                table = pd.concat([table, more]) if len(table) else more
        replace_file(path, spreadsheets.to_csv(table, float_format=DIGITS))

    def _table(self, part: str, ids: Int[Tensor, " examples"]) -> pd.DataFrame:
        task = self.task
        named = ids if task.nodes is None else task.nodes[ids]
        if task.lines is not None:
            named = torch.tensor(task.lines, dtype=torch.long)[ids]
        columns = {"split": [part] * len(ids), "id": named.tolist()}
        columns |= dict(zip(label_columns(task.spec), task.graphs.y[ids].double().T.tolist(), strict=True))
        for role, logits in self._logits.items():
            values = readable(task.spec, logits[ids].double()).T.tolist()
            columns |= dict(zip(output_columns(task.spec, role), values, strict=True))
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class KeptPart:
    """Labels and a student's predictions of a part, in the order of their file."""

    ids: list[str]
    labels: Float[np.ndarray, "examples targets"]
    """Multi-class: the number of the class."""
    outputs: Float[np.ndarray, "examples outputs"]


def read_part(folder: Path, spec: TaskSpec, part: str = "val") -> KeptPart:
    """The student's columns of predictions.csv of a run, of one of PARTS.

    Raises:
        UserError: if the run has none, as those of earlier versions, or it is damaged.
    """
    file = folder / PREDICTIONS
    if not file.is_file():
        raise UserError(
            f"{file}: is missing, and coverage is calibrated with it. Runs of earlier versions did not write it: "
            "repeat the run, or leave out coverage."
        )
    header, rows = rows_of_part(folder, part)
    needed = [*label_columns(spec), *output_columns(spec, "student")]
    absent = [name for name in needed if name not in header]
    if absent or not rows:
        why = f"has no column '{absent[0]}'" if absent else f"has no rows of the {NAMES[part]} part"
        raise UserError(f"{file}: {why}, so coverage cannot be calibrated. {REPEAT_RUN}")
    places = [header.index(name) for name in needed]
    values = np.array([[float(row[place] or "nan") for place in places] for row in rows])
    targets = spec.num_targets
    return KeptPart([row[0] for row in rows], values[:, :targets], values[:, targets:])


def label_columns(spec: TaskSpec) -> list[str]:
    """Columns of labels: `label:logS`; `label` of a multi-class task, which holds the number of the class."""
    return ["label"] if spec.kind == "multiclass" else [f"label:{printable(name)}" for name in spec.target_names]


def output_columns(spec: TaskSpec, role: str) -> list[str]:
    """Columns of a model's outputs: `student:logS`, or of a multi-class task `student:<class>`."""
    return [f"{role}:{printable(name)}" for name in spec.target_names]
