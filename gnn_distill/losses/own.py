"""User-defined losses as terms: a function f(student rows, teacher rows, batch, ...) that returns a scalar."""

import inspect
import traceback
from collections.abc import Iterator

import torch
from torch import Tensor

from gnn_distill.config.plugins import object_of, source_of
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, OwnLossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.errors import UserError, refuse
from gnn_distill.losses.prepare import prepare
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.rows import BatchLoss, LogitRows, Rows, graph_rows, head_rows, node_rows
from gnn_distill.losses.term import Term


def own_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`own_<name>` of every user-defined loss whose weight is not 0."""
    for function in own_losses(loss, projectors.level):
        name = f"own_{function.name}"
        rows = _rows(projectors, name, function.config, align)
        yield Term(name, function.config.weight, loss.schedule.baseline, BatchLoss(rows, function))


def own_losses(loss: LossConfig, level: str) -> list["OwnLoss"]:
    """The functions whose weight is not 0. Raises UserError where one cannot be imported or called, or has no rows."""
    return [OwnLoss(name, config, level) for name, config in loss.own.items() if config.weight]


class OwnLoss:
    """Calls a user-defined function and checks what it returns."""

    def __init__(self, name: str, config: OwnLossConfig, level: str) -> None:
        self.name, self.config, self.key = name, config, f"loss.own.{name}"
        self.called = f"{self.key}.target={config.target}"
        self.kwargs = config.kwargs or {}
        self.function = object_of(f"{self.key}.target", config.target, "function")
        self._check_signature()
        if config.reads == "graphs" and level == "node":
            raise refuse(f"{self.key}.reads", "graphs", "the task is about nodes, not graphs. Choose nodes or logits.")

    def __call__(self, student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
        """The function's value of both sides' rows, in at least single precision; no gradient goes to the teacher.

        Raises UserError where it fails, changes the rows, or returns no scalar with a gradient.
        """
        student, teacher = prepare(student, teacher)
        versions = student._version, teacher._version
        shapes = f"student rows {list(student.shape)} and teacher rows {list(teacher.shape)}"
        try:
            value = self.function(student, teacher, batch, **self.kwargs)
        except (UserError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise UserError(
                f"{self.called}: fails on {shapes}{self._where(error)}.{self._hint(student, teacher)}"
            ) from error
        if (student._version, teacher._version) != versions:
            raise UserError(
                f"{self.called}: modifies its rows in place, which other terms read, too. Write x = x / 2, not x /= 2."
            )
        if fault := _fault(value, student):
            raise UserError(
                f"{self.called}: returned {fault} for {shapes}. It must return a scalar tensor, as .mean() does."
            )
        return value

    def _check_signature(self) -> None:
        if inspect.isclass(self.function):
            raise UserError(f"{self.called}: this is a class. Give the path of a function.")
        try:
            signature = inspect.signature(self.function)
        except ValueError:  # written in C, without a signature
            return
        try:
            signature.bind(None, None, None, **self.kwargs)
        except TypeError as error:
            called = ", ".join(
                ["student", "teacher", "batch", *(f"{name}={value!r}" for name, value in self.kwargs.items())]
            )
            raise UserError(
                f"{self.called}: takes {signature}, but is called with ({called}): {error}. Correct the function, or "
                f"{self.key}.kwargs."
            ) from error

    def _where(self, error: Exception) -> str:
        """The kind and text of an error, and the last line of the function's own file that led to it."""
        file = source_of(self.function)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f", in line {lines[-1]} of {file}" if lines else ""
        return f"{where} ({type(error).__name__}: {' '.join(str(error).split())[:200]})"

    def _hint(self, student: Tensor, teacher: Tensor) -> str:
        if self.config.projection == "none" and student.size(1) != teacher.size(1):
            return f" If it needs rows of equal width, set {self.key}.projection=linear."
        return ""


def _rows(projectors: Projectors, name: str, config: OwnLossConfig, align: AlignmentConfig) -> Rows:
    """What a loss reads: the teacher's states in its own units; without a projection both sides may differ in width.

    Of a student that predicts by its teacher's head, the node states that it hands to that head.
    """
    if config.reads == "logits":
        return LogitRows()
    kind = None if config.projection == "none" else config.projection
    if config.reads == "graphs":
        return graph_rows(projectors, name, kind, align, raw=True)
    return head_rows(projectors, raw=True) if align.reuse_head else node_rows(projectors, name, kind, raw=True)


def _fault(value: object, student: Tensor) -> str:
    """Describes what is wrong with a function's value; empty if nothing is."""
    if not isinstance(value, Tensor):
        return f"no tensor, but {type(value).__name__},"
    if value.dim():
        return f"a tensor of shape {list(value.shape)}"
    if not value.is_floating_point():
        return f"a tensor of {value.dtype}"
    if student.requires_grad and torch.is_grad_enabled() and not value.requires_grad:
        return (
            "a value without a gradient (a constant, or made of detached rows; if a batch has nothing to compare, "
            "return student.sum() * 0)"
        )
    return ""
