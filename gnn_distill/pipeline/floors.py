"""What costs nothing: a constant, and classic models without a network, which every run is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.formatting import role_label, spoken
from gnn_distill.models.output_units import in_task_units
from gnn_distill.pipeline.evaluate import Scores, constant_answer, measured
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.code_hash import code_of
from gnn_distill.training.console import Console
from gnn_distill.training.metrics import is_better

MOST_GRAPHS, MOST_NODES = 5_000, 10_000
"""Labelled training examples that a floor is fitted to, and validation nodes that a penalty is chosen on; a sample of
them where there are more."""
MOST_VALUES, MOST_EDGES = 200_000_000, 20_000_000
"""Features and edges of all nodes; with more there is no floor but the constant."""
CHUNK = 5_000
"""Nodes whose features are smoothed at a time: of wide features this is a dense matrix."""
MODELS = tuple(f"gnn_distill.models.floors.{name}" for name in ("bags", "forests", "linear"))


@dataclass(frozen=True)
class Floor:
    """A model that costs nothing, and what it says of the validation examples and then of the test examples."""

    name: str
    """One of formatting.FLOORS."""
    logits: Float[Tensor, "examples outputs"]
    scores: Scores
    """Metrics by split: val and, where it is read, test."""

    def is_below(self, value: float, spec: TaskSpec) -> bool:
        """Whether a model of this validation metric is better."""
        return is_better(spec, value, self.scores["val"][spec.metric])


def constant_floor(task: GraphTask, test: bool = False) -> Floor:
    """The best constant prediction."""
    examples = len(task.splits.val) + len(task.splits.test)
    return _floor(task, "constant", constant_answer(task).expand(examples, -1), test)


def compute_floors(runtime: Runtime, task: GraphTask, config: TrainConfig) -> list[Floor]:
    """The constant, then with floors=quick the models that suit the data; these are found in the store, or made now.

    All are fitted to labelled training examples; what there is to choose, a penalty, is chosen on validation.
    """
    test = config.trainer.test
    found = _stored(runtime, task, config.seed) if config.floors == "quick" and _is_quick(runtime.console, task) else {}
    return [constant_floor(task, test), *(_floor(task, name, logits, test) for name, logits in found.items())]


def by_floor(floors: list[Floor], config: TrainConfig) -> dict[str, Scores]:
    """Metrics by floor and split; none with floors=none."""
    return {} if config.floors == "none" else {floor.name: floor.scores for floor in floors}


def best_floor(floors: list[Floor], spec: TaskSpec) -> Floor:
    """The one that is best on validation, the first of equals."""
    best = floors[0]
    for floor in floors[1:]:
        best = floor if best.is_below(floor.scores["val"][spec.metric], spec) else best
    return best


def describe_no_better(console: Console, spec: TaskSpec, role: str, value: float, floors: list[Floor]) -> None:
    """Say so, once, if a model with this validation metric does not beat the constant, or else the best floor."""
    for floor in (floors[0], best_floor(floors, spec)):
        if not floor.is_below(value, spec):
            theirs = floor.scores["val"][spec.metric]
            told = f"{spoken(value, spec.metric)}, that {spoken(theirs, spec.metric)}"
            text = f"The {role_label(role)} is no better on validation than a {role_label(floor.name)} ({told})."
            text += " There is little to distil." if (role, floor.name) == ("teacher", "constant") else ""
            if f"Note: {text}" not in console.notices:
                console.notice(text)
            return


def _floor(task: GraphTask, name: str, logits: Float[Tensor, "examples outputs"], test: bool) -> Floor:
    splits, parts = task.splits, ("val", "test") if test else ("val",)
    rows = zip(parts, logits.split([len(splits.val), len(splits.test)]), strict=False)
    labels = {part: task.graphs.y[getattr(splits, part)] for part in parts}
    return Floor(name, logits, {part: measured(task, values, labels[part]) for part, values in rows})


def _is_quick(console: Console, task: GraphTask) -> bool:
    """Whether floors take seconds: linear models read all nodes and edges at once. Says so if not."""
    values, edges = task.graphs.x.numel(), task.graphs.edge_index.size(1)
    if task.spec.level == "graph" or (values <= MOST_VALUES and edges <= MOST_EDGES):
        return True
    console.notice(f"The only floor is a constant: {values:,} features and {edges:,} edges are too many for others.")
    return False


def _stored(runtime: Runtime, task: GraphTask, seed: int) -> dict[str, Float[Tensor, "examples outputs"]]:
    spec = task.spec
    parts = {"data": task.fingerprint, **({"seed": seed} if spec.level == "graph" else {})}

    def make(folder: Path) -> None:
        runtime.console.say("Floors: classic models, for comparison")
        found = _linear(task) if spec.level == "node" else _forest(task, seed)
        tensors = {
            name: in_task_units(torch.from_numpy(values).float(), spec, spec.kind != "regression", original=True)
            for name, values in found.items()
        }
        checkpoint.save_tensors(folder / "floors.safetensors", tensors)

    made_with = code_of([__name__, *MODELS]).to_key()
    entry = runtime.entry("floors", parts, made_with, make, f"floors of {spec.name}")
    return checkpoint.load_tensors(entry.path / "floors.safetensors", verify=False)


def _forest(task: GraphTask, seed: int) -> dict[str, Float[Tensor, "examples outputs"]]:
    """A random forest on Morgan fingerprints of molecules, on bags of other graphs; none where it would take long."""
    from gnn_distill.models.floors.bags import bags
    from gnn_distill.models.floors.forests import MOST_FORESTS, forest_predictions, number_of_forests

    fitted = _sample(task, task.splits.train, MOST_GRAPHS)
    y, asked = task.graphs.y[fitted].numpy(), torch.cat([task.splits.val, task.splits.test])
    if not 0 < number_of_forests(y) <= MOST_FORESTS:
        return {}
    ids, x = torch.cat([fitted, asked]), None
    if task.spec.molecules:
        from gnn_distill.data.assembly.fingerprints import fingerprints  # RDKit is slow to import

        x = fingerprints(task, ids)
    name = "bag_forest" if x is None else "morgan_forest"
    x = bags(task.graphs.select(ids), task.spec.node_features) if x is None else x
    train, others = x[: len(fitted)], x[len(fitted) :]
    return {name: forest_predictions(train, y, others, task.spec, seed, torch.get_num_threads())}


def _linear(task: GraphTask) -> dict[str, Float[Tensor, "examples outputs"]]:
    """Logistic or ridge regression of nodes on their features, and on these smoothed twice over the graph."""
    import numpy as np

    from gnn_distill.models.floors.linear import Columns, linear_predictions, node_features, smoothing

    spec, splits = task.spec, task.splits
    fitted, asked = _sample(task, splits.train, MOST_NODES), _sample(task, splits.val, MOST_NODES)
    x, smooth = node_features(task.graphs, spec.node_features), smoothing(task.graphs)
    once = smooth @ x
    y, of_val = task.graphs.y[fitted].double().numpy(), task.graphs.y[asked]
    kinds: dict[str, Callable[[Int[Tensor, " rows"]], Columns]] = {
        "features": lambda rows: x[rows.numpy()],
        "smoothed": lambda rows: smooth[rows.numpy()] @ once,
    }
    predictions = {}
    for name, read in kinds.items():
        val = read(asked)

        def score(predict: Callable, val: Columns = val) -> float:
            values = torch.from_numpy(predict(val)).float()
            logits = in_task_units(values, spec, spec.kind != "regression", original=True)
            return measured(task, logits, of_val)[spec.metric] * (1 if spec.higher_is_better else -1)

        predict = linear_predictions(read(fitted), y, spec, score)
        chunks = torch.cat([splits.val, splits.test]).split(CHUNK)
        predictions[name] = np.concatenate([predict(read(rows)) for rows in chunks])
    return predictions


def _sample(task: GraphTask, part: Int[Tensor, " examples"], most: int) -> Int[Tensor, " some"]:
    """Examples of a part that have a label, at most `most` of them, the same ones every time."""
    known = part[~task.graphs.y[part].isnan().all(1)]
    if len(known) <= most:
        return known
    return known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[:most].sort().values]
