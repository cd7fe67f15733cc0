"""What a data set is to the rest of the package: graphs, targets, a split and a metric."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gnn_distill.data.assembly.input_pipeline import InputPipeline
    from gnn_distill.data.packed import PackedGraphs

METRICS = {
    "binary": ("accuracy", "roc_auc", "average_precision", "macro_f1"),
    "multiclass": ("accuracy", "macro_f1"),
    "multilabel": ("roc_auc", "average_precision", "accuracy"),
    "regression": ("mae", "rmse"),
}
"""The metrics each kind of task has; `Metrics` computes them all."""
UNLEARNED = ("class_names",)
"""What a spec says of its files: graphs and splits being equal, training reads none of it."""


@dataclass(frozen=True)
class Features:
    """Node or edge features: integer columns with vocabulary `sizes`, or float columns with `sizes = (width,)`."""

    kind: str
    """categorical or continuous."""
    sizes: tuple[int, ...]
    mean: tuple[float, ...] = ()
    """Continuous: of each column over the training part; models read (x - mean) / std. Empty: x as it is."""
    std: tuple[float, ...] = ()
    """Continuous: of each column over the training part; 1 where it is constant."""

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.sizes) if self.kind == "categorical" else self.sizes[0]


@dataclass(frozen=True)
class TaskSpec:
    """All that is needed to build a model for a task and to use it; it goes to JSON and back without loss."""

    name: str
    kind: str
    """binary, multiclass, multilabel or regression."""
    level: str
    """What is labelled: graph or node."""
    num_outputs: int
    """Logits: binary 1, multiclass the classes, else the targets."""
    node_features: Features
    edge_features: Features | None
    metric: str
    """Primary metric: accuracy, roc_auc, average_precision, macro_f1, mae or rmse."""
    higher_is_better: bool
    target_names: tuple[str, ...]
    """One name an output; multiclass: the classes."""
    target_mean: tuple[float, ...]
    """Regression: of the training split; models predict standardised targets. Else zeros."""
    target_std: tuple[float, ...]
    """Regression: of the training split. Else ones."""
    molecules: bool = False
    """Features are read from SMILES, so SMILES can be predicted."""
    degree_features: bool = False
    """The graphs have no node features: x is the in-degree, capped at `node_features.sizes[0] - 1`."""
    log_degree: float = 1.0
    """Mean of log(in-degree + 1) over the nodes of the training part's graphs, by which PNA scales."""
    note: str = ""
    """A caveat shown wherever the metric is shown."""
    class_names: tuple[str, ...] = ()
    """What the files call class 0, 1, ...; of multi-label tasks what they call 0 and 1. Empty: the numbers alone."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes by number, of multi-label tasks of 0 and 1; none for a regression."""
        if self.kind == "regression":
            return ()
        return self.class_names or (self.target_names if self.kind == "multiclass" else ("0", "1"))

    @property
    def num_targets(self) -> int:
        """Columns of y: a multi-class label is one column that holds the class."""
        return 1 if self.kind == "multiclass" else self.num_outputs

    def in_original_units(self, predictions: Tensor) -> Tensor:
        """Standardised predictions [N, T] of a regression in the units of its labels: z·std + mean, in float64."""
        mean, std = (torch.tensor(values, dtype=torch.double) for values in (self.target_mean, self.target_std))
        return predictions.double() * std.to(predictions.device) + mean.to(predictions.device)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TaskSpec":
        """The inverse of `to_dict`."""
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        for key in ("node_features", "edge_features"):
            if values[key] is not None:
                lists = {name: tuple(value) for name, value in values[key].items() if name != "kind"}
                values[key] = Features(values[key]["kind"], **lists)
        return cls(**values)


@dataclass(frozen=True)
class Splits:
    """Ids of the graphs of each part (node level: the rows of its nodes), sorted."""

    train: Tensor
    val: Tensor
    test: Tensor
    kind: str = ""
    """How they were made: published, stratified, random, scaffold, per_class or generated; empty: not told."""


@dataclass
class GraphTask:
    """A data set, ready to be learned."""

    spec: TaskSpec
    graphs: "PackedGraphs"
    splits: Splits
    notices: list[str] = field(default_factory=list)
    """What the user should know about these data, announced at the start of a run."""
    shared: dict[str, int] | None = None
    """By pair of parts, such as train_test, how many molecules stand in both; None where no SMILES are known."""
    shared_graphs: dict[str, Any] | None = None
    """What `find_shared_graphs` counts; None at node level."""
    setting: str = "transductive"
    """Node level: transductive, all nodes are seen in training; or inductive, not those of val and test."""
    nodes: Tensor | None = None
    """Inductive: which node of the data each row of `graphs` is, since training and validation read copies."""
    pipeline: "InputPipeline | None" = None
    """What made `graphs` of raw input, saved with the student; None: what `spec` tells."""
    lines: tuple[int, ...] | None = None
    """The line of its file that each graph was read from; None where graphs have none."""

    def called(self, graph: int) -> str:
        """`graph 20 (line 22)`: how messages name a graph."""
        return f"graph {graph}" + (f" (line {self.lines[graph]})" if self.lines else "")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over graphs, splits and spec but for what UNLEARNED names: equal exactly if training on them is."""
        learned = {key: value for key, value in self.spec.to_dict().items() if key not in UNLEARNED}
        if self.lines is not None:  # a file of the user's is what is in it, however it is called
            del learned["name"]
        digest = hashlib.sha256(json.dumps(learned, sort_keys=True).encode())
        for part in (self.graphs, self.splits):
            for item in fields(part):
                value = getattr(part, item.name)
                if isinstance(value, Tensor):
                    digest.update(f"{item.name}{tuple(value.shape)}{value.dtype}".encode())
                    digest.update(value.contiguous().cpu().numpy())
        return digest.hexdigest()


def taught_graphs(task: GraphTask) -> Tensor:
    """The graphs that training sees: those of the training part, or that hold its nodes."""
    if task.spec.level == "graph":
        return task.splits.train
    return task.graphs.graphs_of(task.splits.train)
