"""Teachers and students: every model maps a GraphBatch to Representations."""

from typing import Any

import torch
from torch import nn

from gnn_distill.config.plugins import function_of
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.subgraphs.patching import Patching, patching_of
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError


def build_teacher(config: TeacherConfig, spec: TaskSpec) -> nn.Module:
    """The GNN that `gnn_distill.models.teachers.<name>`, or a module of the user's, builds."""
    model = function_of("teacher.name", config.name, "build")(config, spec)
    if "." in config.name:
        _check_own("teacher.name", config.name, model, EncodingConfig(rwse=config.rwse, lap_pe=config.lap_pe), spec)
    return model


def build_student(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> nn.Module:
    """The Transformer that `gnn_distill.models.students.<name>`, or a module of the user's, builds."""
    model = function_of("student.name", config.name, "build")(config, encoding, spec)
    if "." in config.name:
        _check_own("student.name", config.name, model, encoding, spec, patching_of(config, spec))
    return model


def _check_own(
    key: str,
    name: str,
    model: nn.Module,
    encoding: EncodingConfig,
    spec: TaskSpec,
    patching: Patching | None = None,
) -> None:
    """Raise UserError if a module of the user's applies dropout in evaluation mode."""
    from gnn_distill.models.probe import check_outputs_repeat, small_batch

    try:
        check_outputs_repeat(key, name, model, small_batch(encoding, spec, patching))
    except UserError:
        raise
    except Exception:  # graphs of three nodes may be too small for it; real data will show its errors
        return


def compile_for_all_shapes(model: nn.Module, whole: bool = True, **options: Any) -> None:
    """Compile a model's forward pass, in place, for batches of any shape; `whole`: without a break into several graphs.

    options: further ones of torch.compile. Names of parameters stay as they are.
    """
    # Sizes that happen to be equal in the first batch, as those of graphs and of classes, are not so in others.
    torch.fx.experimental._config.use_duck_shape = False
    model.compile(fullgraph=whole, dynamic=True, **options)
    compiled = model._compiled_call_impl

    def call(batch: GraphBatch, *rest: Any) -> Any:
        find_derived(model, batch)  # what it needs of numbers is no part of the graph
        return compiled(batch, *rest)

    model._compiled_call_impl = call


def find_derived(model: nn.Module, batch: GraphBatch) -> None:
    """Find in a batch, on the host, all that the parts of a model read of it beside its fields."""
    for part in model.modules():
        if hasattr(part, "derives"):
            for derived in part.derives(batch):
                derived(batch)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(parameter.numel() for parameter in model.parameters())
