"""Outputs of a teacher that were computed elsewhere: their file, and what must hold of it."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError, suggest
from gnn_distill.models.output_units import in_task_units

ARRAYS = ("logits", "graph", "ids")


@dataclass(frozen=True)
class KnownOutputs:
    """What a teacher says of the graphs of a data set; rows of NaN: nothing."""

    logits: Float[Tensor, "graphs output"]
    """In the units of the task."""
    graph: Float[Tensor, "graphs channel"] | None
    """Graph states, if the file has them."""
    by_id: bool
    """Whether its rows were placed by `ids`; else they are in the order of the data set."""


def read_known_outputs(config: TeacherConfig, spec: TaskSpec) -> KnownOutputs:
    """The arrays of `teacher.outputs_file`, a NumPy archive (.npz); nothing in it is executed.

    logits: [rows, outputs], for one output also [rows]; of a binary task also [rows, 2], which become z₁ - z₀. Whether
    they are logits or probabilities, standardised or original targets, `teacher.outputs` says. graph (optional):
    [rows, channels]. ids (optional): the graph of each row, counted from 0 in the order of the data set; without it
    row i is graph i.
    Raises UserError for a file that is none of this, and for values between 0 and 1 of which it is not said what they
    are.
    """
    key = f"teacher.outputs_file={config.outputs_file}"
    arrays = _read(Path(config.outputs_file), key)
    values = arrays["logits"][:, None] if arrays["logits"].dim() == 1 else arrays["logits"]
    two = spec.kind == "binary" and values.dim() == 2 and values.size(1) == 2
    if values.dim() != 2 or (values.size(1) != spec.num_outputs and not two):
        raise UserError(f"{key}: logits is {list(values.shape)}; {spec.name} needs [graphs, {spec.num_outputs}].")
    graph = arrays.get("graph")
    if graph is not None and (graph.dim() != 2 or len(graph) != len(values)):
        raise UserError(
            f"{key}: graph is {list(graph.shape)}, not [{len(values)}, channels], one row per row of logits."
        )
    logits = in_task_units(values, spec, _are_probabilities(config, spec, values), config.outputs == "original")
    ids = arrays.get("ids")
    if ids is None:
        return KnownOutputs(logits, graph, by_id=False)
    if ids.is_floating_point() or ids.shape != (len(values),) or len(ids.unique()) < len(ids) or (ids < 0).any():
        raise UserError(f"{key}: ids must be {len(values)} different whole numbers from 0, the graph of each row.")
    rows = [None if states is None else _placed(states, ids.long()) for states in (logits, graph)]
    return KnownOutputs(*rows, by_id=True)


def check_known_outputs(outputs: KnownOutputs, config: TeacherConfig, task: GraphTask, give: str) -> bool:
    """Whether the teacher can be scored: it says something of every graph of validation and test.

    Raises UserError unless the rows are those of the data set, each training graph has finite ones of all that is
    given, and those of a regression are in the units that `teacher.outputs` says.
    """
    key, spec, count = f"teacher.outputs_file={config.outputs_file}", task.spec, len(task.graphs)
    if spec.level == "node":
        raise UserError(f"{key}: {spec.name} is about nodes; teacher=file knows graphs only. Choose another teacher.")
    if len(outputs.logits) > count or (len(outputs.logits) < count and not outputs.by_id):
        found = f"the largest id is {len(outputs.logits) - 1:,}" if outputs.by_id else f"{len(outputs.logits):,} rows"
        raise UserError(
            f"{key}: {found}, but {spec.name} has {count:,} graphs. Give one row per graph in the order of the data "
            "set, or name the graph of each row, counted from 0, in an array `ids`."
        )
    if give == "graphs" and outputs.graph is None:
        raise UserError(
            f"{key}: it has no graph states. Add an array `graph` of [rows, channels], or ask for predictions only: "
            "loss=kd signals.give=logits."
        )
    for name, values in (("logits", outputs.logits), *((("graph", outputs.graph),) if give == "graphs" else ())):
        known = _known(values, count)[task.splits.train]
        if not known.all():
            graph = int(task.splits.train[~known][0])
            raise UserError(
                f"{key}: {name} has no finite values for {int((~known).sum()):,} of {len(known):,} training graphs, "
                f"such as graph {graph} (counted from 0)."
            )
    if spec.kind == "regression":
        _check_units(outputs.logits, config, task)
    known = _known(outputs.logits, count)
    return bool(known[task.splits.val].all() and known[task.splits.test].all())


def _read(path: Path, key: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"{key}: no such file.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (OSError, EOFError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{key}: cannot be read. Write it by numpy.savez('teacher.npz', logits=logits).") from error
    for name, array in arrays.items():
        if name not in ARRAYS:
            raise UserError(f"{key}: unknown array {name}.{suggest(name, ARRAYS)} Arrays: {', '.join(ARRAYS)}.")
        if array.dtype.kind not in "fiu" or not array.ndim:
            raise UserError(f"{key}: {name} must hold numbers, one row per graph.")
    if "logits" not in arrays:
        raise UserError(f"{key}: has no array `logits`. Write it by numpy.savez('teacher.npz', logits=logits).")
    return {name: torch.from_numpy(array.astype(_type(name, array))) for name, array in arrays.items()}


def _type(name: str, array: np.ndarray) -> type:
    return np.int64 if name == "ids" and array.dtype.kind in "iu" else np.float32


def _are_probabilities(config: TeacherConfig, spec: TaskSpec, values: Tensor) -> bool:
    """Whether they are; raises UserError where they cannot be what is said, or where nothing is and they may be."""
    said, key = config.outputs, f"teacher.outputs={config.outputs}"
    finite = values[values.isfinite()]
    bounded = bool(((finite >= 0) & (finite <= 1)).all())
    if spec.kind == "regression":
        if said in ("logits", "probabilities"):
            raise UserError(f"{key}: {spec.name} is a regression. Choose standardised or original.")
        return False
    if said == "probabilities":
        rows = values[values.isfinite().all(dim=1)].sum(dim=1)
        of_classes = spec.kind == "multiclass" or values.size(1) != spec.num_outputs
        if not bounded or (of_classes and not ((rows - 1).abs() < 1e-2).all()):
            raise UserError(f"{key}: {config.outputs_file} holds no probabilities. Choose teacher.outputs=logits.")
        return True
    if bounded and said != "logits":
        raise UserError(
            f"teacher.outputs_file={config.outputs_file}: all values of logits are between 0 and 1. Say what they are: "
            "teacher.outputs=probabilities or teacher.outputs=logits."
        )
    return False


def _placed(values: Tensor, ids: Tensor) -> Tensor:
    """Rows by id, NaN where there is none."""
    size = int(ids.max()) + 1 if len(ids) else 0
    return values.new_full((size, values.size(1)), torch.nan).index_copy(0, ids, values)


def _known(values: Tensor, count: int) -> Tensor:
    """By graph, whether it has finite values."""
    known = torch.zeros(count, dtype=torch.bool)
    known[: len(values)] = values.isfinite().all(dim=1)
    return known


def _check_units(predictions: Tensor, config: TeacherConfig, task: GraphTask) -> None:
    """Raise UserError where the other reading of a regression's outputs is more than twice as close to the labels."""
    spec, ids = task.spec, task.splits.train
    mean, std = torch.tensor(spec.target_mean), torch.tensor(spec.target_std)
    standard = predictions[ids]
    raw = standard * std + mean if config.outputs == "original" else standard
    readings = {"standardised": raw, "original": (raw - mean) / std}
    labels = (task.graphs.y[ids].float() - mean) / std
    errors = {name: float((values - labels).abs().nanmean()) for name, values in readings.items()}
    other = "standardised" if config.outputs == "original" else "original"
    if errors[other] < 0.5 * errors[config.outputs]:
        raise UserError(
            f"teacher.outputs={config.outputs}: read so, {config.outputs_file} is {errors[config.outputs]:.2g} "
            f"standard deviations from the training labels on average, and {errors[other]:.2g} as {other}. Set "
            f"teacher.outputs={other}."
        )
