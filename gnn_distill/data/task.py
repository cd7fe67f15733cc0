"""A data set as the rest of the package sees it: graphs, targets, splits and a metric."""

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
    "binary": ("accuracy", "roc_auc", "average_precision", "macro_f1", "balanced_accuracy"),
    "multiclass": ("accuracy", "macro_f1", "balanced_accuracy"),
    "multilabel": ("roc_auc", "average_precision", "accuracy"),
    "regression": ("mae", "rmse", "log10_mse"),
}
"""The metrics of each kind of task; `Metrics` computes them all."""
PRIMARY = {"binary": "roc_auc", "multilabel": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
"""The primary metric of each kind, for data that come without one."""
UNLEARNED = ("class_names",)
"""Fields of a spec that only describe its files: they do not change training."""


@dataclass(frozen=True)
class Features:
    """Node or edge features: integer columns with vocabulary `sizes`, or float columns with `sizes = (width,)`."""

    kind: str
    """categorical or continuous."""
    sizes: tuple[int, ...]
    mean: tuple[float, ...] = ()
    """Continuous: mean of each column over the training split; models read (x - mean) / std. Empty: x unchanged."""
    std: tuple[float, ...] = ()
    """Continuous: standard deviation of each column over the training split; 1 for constant columns."""

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.sizes) if self.kind == "categorical" else self.sizes[0]


@dataclass(frozen=True)
class TaskSpec:
    """Everything needed to build and use a model for a task; converts to JSON and back without loss."""

    name: str
    kind: str
    """binary, multiclass, multilabel or regression."""
    level: str
    """Level of the labels: graph or node."""
    num_outputs: int
    """Number of logits: binary 1, multiclass one per class, else one per target."""
    node_features: Features
    edge_features: Features | None
    metric: str
    """Primary metric: one of METRICS for this kind."""
    higher_is_better: bool
    target_names: tuple[str, ...]
    """One name per output; multiclass: the classes."""
    target_mean: tuple[float, ...]
    """Regression: mean over the training split; models predict standardised targets. Else zeros."""
    target_std: tuple[float, ...]
    """Regression: standard deviation over the training split. Else ones."""
    molecules: bool = False
    """Features are read from SMILES, so SMILES can be predicted."""
    degree_features: bool = False
    """The graphs have no node features: x is the in-degree, capped at `node_features.sizes[0] - 1`."""
    log_degree: float = 1.0
    """Mean of log(in-degree + 1) over the nodes of the training graphs, for the scalers of PNA."""
    note: str = ""
    """A caveat shown wherever the metric is shown."""
    class_names: tuple[str, ...] = ()
    """Names of class 0, 1, ... in the files; for multi-label tasks, of 0 and 1. Empty: the numbers."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes by number; for multi-label tasks, of 0 and 1; empty for a regression."""
        if self.kind == "regression":
            return ()
        return self.class_names or (self.target_names if self.kind == "multiclass" else ("0", "1"))

    @property
    def num_targets(self) -> int:
        """Number of columns of y: a multi-class label is one column with the class."""
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
    """Ids of the graphs of each split (node level: rows of its nodes), sorted."""

    train: Tensor
    val: Tensor
    test: Tensor
    kind: str = ""
    """How they were made: published, stratified, random, scaffold, per_class or generated; empty: unknown."""
    unlabelled: Tensor | None = None
    """Further training examples whose labels are hidden, or were never there; `train` are those with a label."""

    def tensors(self) -> dict[str, Tensor]:
        """The ids of every part, by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    @property
    def training(self) -> Tensor:
        """All training examples, with and without a label, sorted."""
        return self.train if self.unlabelled is None else torch.cat([self.train, self.unlabelled]).sort().values


@dataclass(frozen=True)
class NodeTruth:
    """What the maker of generated graphs knows about some nodes; for probes of finished models, never for training."""

    name: str
    reach: str
    """local or far: what a model must see to know it."""
    values: Tensor
    """[nodes of all graphs], 0 or 1; NaN where it is not asked."""


@dataclass(frozen=True)
class DataColumns:
    """Columns of the table that the training data come from, as far as they are known."""

    smiles: str | None = None
    target: str = "class"
    """Of a multi-class task, whose `target_names` are its classes."""


@dataclass
class GraphTask:
    """A data set, ready for training."""

    spec: TaskSpec
    graphs: "PackedGraphs"
    splits: Splits
    notices: list[str] = field(default_factory=list)
    """What the user should know about these data, announced at the start of a run."""
    shared: dict[str, int] | None = None
    """By pair of splits, such as train_test, the number of molecules in both; None without SMILES."""
    shared_graphs: dict[str, Any] | None = None
    """The counts of `find_shared_graphs`; None unless `split_by_graph`."""
    setting: str = "transductive"
    """Node level: transductive, all nodes are seen in training; inductive, not those of val and test; or separate, each
    of many graphs belongs to one part."""
    nodes: Tensor | None = None
    """Inductive: the node of the data in each row of `graphs`, since training and validation read copies."""
    pipeline: "InputPipeline | None" = None
    """The steps from raw input to `graphs`, saved with the student; None: as implied by `spec`."""
    lines: tuple[int, ...] | None = None
    """The line of each graph in its file; None if graphs have no lines."""
    columns: DataColumns | None = None
    """The columns of the user's table that were read; None: the data come from no such table."""
    further: tuple[str, ...] = ()
    """Names of the graphs of `dataset.unlabelled`, which are the last ones and have no line in `lines`."""
    node_truths: tuple[NodeTruth, ...] = ()
    """What generated sources know about their nodes; training reads none of it."""
    label_distance: Tensor | None = None
    """Hops over which each label (row of y) depends on the graph, where the source knows: no model reads it, but the
    errors of finished ones are shown by it. None: unknown."""

    def called(self, graph: int) -> str:
        """`graph 20 (line 22)`: how messages name a graph."""
        own = len(self.graphs) - len(self.further)
        if graph >= own:
            return self.further[graph - own]
        return f"graph {graph}" + (f" (line {self.lines[graph]})" if self.lines else "")

    @property
    def own_graphs(self) -> "PackedGraphs":
        """The graphs of the set itself, without those of `dataset.unlabelled`, which come last."""
        own = len(self.graphs) - len(self.further)
        return self.graphs.select(torch.arange(own)) if self.further else self.graphs

    @property
    def split_by_graph(self) -> bool:
        """Whether each of many graphs belongs to one part: always at graph level, and at node level if `separate`.

        Such graphs come in batches; one large graph, in whichever copies, is read as a whole.
        """
        return self.spec.level == "graph" or self.setting == "separate"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over graphs, splits and spec without UNLEARNED: equal exactly if training on them is."""
        learned = {key: value for key, value in self.spec.to_dict().items() if key not in UNLEARNED}
        if self.lines is not None:  # a file of the user's counts by its content, not its name
            del learned["name"]
        digest = hashlib.sha256(json.dumps(learned, sort_keys=True).encode())
        for part in (self.graphs, self.splits):
            for name, value in part.tensors().items():
                digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
                digest.update(value.contiguous().cpu().numpy())
        return digest.hexdigest()


def taught_graphs(task: GraphTask, visible: str = "train") -> Tensor:
    """The graphs that training sees, sorted; at node level those that contain its nodes.

    visible: train, those with a label; all, with and without one; transductive, those of validation and test, too.
    """
    splits = task.splits
    ids = splits.train if visible == "train" else splits.training
    if visible == "transductive":
        ids = torch.cat([ids, splits.val, splits.test]).sort().values
    return ids if task.spec.level == "graph" else task.graphs.graphs_of(ids)
