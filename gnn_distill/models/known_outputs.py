"""Outputs of a teacher that were computed elsewhere: their file, and what must hold of it."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import GraphTask, TaskSpec, taught_graphs
from gnn_distill.errors import UserError, suggest
from gnn_distill.formatting import counted
from gnn_distill.models.output_units import in_task_units

ARRAYS = ("logits", "graph", "ids")


@dataclass(frozen=True)
class KnownOutputs:
    """What a teacher says of the graphs of a data set, by ascending id."""

    logits: Float[Tensor, "rows output"]
    """In the units of the task."""
    graph: Float[Tensor, "rows channel"] | None
    """Graph states, if the file has them."""
    ids: Int[Tensor, " rows"]
    """The graph of each row, counted from 0 in the order of the data set."""
    by_id: bool
    """Whether the file says so itself; else row i is graph i."""


def look_up(
    values: Float[Tensor, "rows channel"], ids: Int[Tensor, " rows"], graphs: Int[Tensor, " asked"]
) -> Float[Tensor, "asked channel"]:
    """The rows of `graphs` among `values`, whose graphs are the ascending `ids`; NaN where there is none."""
    place = torch.searchsorted(ids, graphs).clamp(max=len(ids) - 1)
    return values[place].masked_fill((ids[place] != graphs).unsqueeze(1), torch.nan)


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
    if (ids := arrays.get("ids")) is None:
        return KnownOutputs(logits, graph, torch.arange(len(values)), by_id=False)
    if ids.is_floating_point() or ids.shape != (len(values),) or len(ids.unique()) < len(ids) or (ids < 0).any():
        raise UserError(f"{key}: ids must be {len(values)} different whole numbers from 0, the graph of each row.")
    order = ids.argsort()
    return KnownOutputs(logits[order], None if graph is None else graph[order], ids[order], by_id=True)


def check_known_outputs(
    outputs: KnownOutputs, config: TeacherConfig, task: GraphTask, give: str, visible: str = "train"
) -> bool:
    """Whether the teacher can be scored: it says something of every graph of validation and test.

    Raises UserError unless the rows are those of the data set, each graph on which it teaches (`visible`, as in
    `taught_graphs`) has finite ones of all that is given, and those of a regression are in the units that
    `teacher.outputs` says.
    """
    key, spec, count = f"teacher.outputs_file={config.outputs_file}", task.spec, len(task.graphs)
    if spec.level == "node":
        raise UserError(f"{key}: {spec.name} is about nodes; teacher=file knows graphs only. Choose another teacher.")
    largest = int(outputs.ids[-1])
    if largest >= count or (largest < count - 1 and not outputs.by_id):
        found = f"the largest id is {largest:,}" if outputs.by_id else counted(largest + 1, "row")
        raise UserError(
            f"{key}: {found}, but {spec.name} has {counted(count, 'graph')}. Give one row per graph in the order of "
            "the data set, or name the graph of each row, counted from 0, in an array `ids`."
        )
    if give == "graphs" and outputs.graph is None:
        raise UserError(
            f"{key}: it has no graph states. Add an array `graph` of [rows, channels], or ask for predictions only: "
            "loss=kd signals.give=logits."
        )
    given = {"logits": outputs.logits} | ({"graph": outputs.graph} if give == "graphs" else {})
    taught = taught_graphs(task, visible)
    for name, values in given.items():
        unknown = ~look_up(values, outputs.ids, taught).isfinite().all(dim=1)
        if unknown.any():
            what = "graphs on which it teaches" if visible == "transductive" else "training graphs"
            raise UserError(
                f"{key}: {name} has no finite values for {int(unknown.sum()):,} of {len(unknown):,} {what}, such as "
                f"graph {int(taught[unknown][0])} (counted from 0)."
            )
    if spec.kind == "regression":
        _check_units(look_up(outputs.logits, outputs.ids, task.splits.train), config, task)
    held_out = torch.cat([task.splits.val, task.splits.test])
    return bool(look_up(outputs.logits, outputs.ids, held_out).isfinite().all())


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
    if not len(arrays["logits"]):
        raise UserError(f"{key}: logits has no rows. Give one per graph.")
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


def _check_units(standard: Tensor, config: TeacherConfig, task: GraphTask) -> None:
    """Raise UserError where the other reading of a regression's outputs is more than twice as close to the labels.

    standard: those of the training graphs, as they are read.
    """
    spec = task.spec
    mean, std = torch.tensor(spec.target_mean), torch.tensor(spec.target_std)
    raw = standard * std + mean if config.outputs == "original" else standard
    readings = {"standardised": raw, "original": (raw - mean) / std}
    labels = (task.graphs.y[task.splits.train].float() - mean) / std
    errors = {name: float((values - labels).abs().nanmean()) for name, values in readings.items()}
    other = "standardised" if config.outputs == "original" else "original"
    if errors[other] < 0.5 * errors[config.outputs]:
        raise UserError(
            f"teacher.outputs={config.outputs}: read so, {config.outputs_file} is {errors[config.outputs]:.2g} "
            f"standard deviations from the training labels on average, and {errors[other]:.2g} as {other}. Set "
            f"teacher.outputs={other}."
        )
