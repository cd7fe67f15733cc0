"""A teacher of your own: any PyG-style module."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import MessagePassing

from gnn_distill.config.plugins import object_of
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError, suggest
from gnn_distill.models.gnn_backbone import teacher_encoding
from gnn_distill.models.layers.heads import readout
from gnn_distill.models.output_units import in_task_units
from gnn_distill.models.probe import check_outputs_repeat, describe_batch, gives_probabilities, small_batch
from gnn_distill.models.representations import Representations

ARGUMENTS = ("x", "edge_index", "edge_attr", "batch", "batch_size", "rwse", "lap_pe", "data")


def build(config: TeacherConfig, spec: TaskSpec) -> "CustomTeacher":
    """The class `teacher.target`, called with `teacher.kwargs`, as a teacher. Importing it runs its module.

    Raises UserError if it cannot be imported or created, or its outputs on small graphs are invalid.
    """
    make = object_of("teacher.target", config.target)
    try:
        module = make(**(config.kwargs or {}))
    except Exception as error:
        raise user_code_error(config, f"cannot be created with teacher.kwargs={config.kwargs}", error) from error
    if not isinstance(module, nn.Module):
        raise UserError(f"teacher.target={config.target}: returns a {type(module).__name__}, not a torch.nn.Module.")
    return CustomTeacher(module, config, spec)


class CustomTeacher(nn.Module):
    """Calls a module by the names of its arguments, and reads its states by hooks.

    Arguments of `forward`, as far as it has them: x, edge_index, edge_attr (if the data have it), batch (the graph of
    every node), batch_size (the number of graphs), rwse and lap_pe (with teacher.rwse, teacher.lap_pe), data (a PyG
    Batch of all these); if it requires a single argument, `batch` or any other name, that is this Batch, as in
    GraphGym. Features are those of the data set; categories are long [rows, columns].
    Output: logits, [graphs, outputs] or [nodes, outputs]; for a binary task one, or two that become z₁ - z₀; log
    probabilities are logits, too. Probabilities, as a sigmoid or softmax returns for any weights, are detected and
    become logits, or by teacher.outputs=probabilities; with teacher.outputs=logits they stay unchanged.
    Regression: standardised targets, or, with teacher.outputs=original, original units.
    Node states: outputs of the submodules `teacher.node_states` (of tuples the first), in the order in which they are
    called; by default of all MessagePassing modules. Graph state: the output of the submodule `teacher.graph_state`,
    or the readout of the last node states (at node level their mean).
    Of a module with a method `represent(batch: GraphBatch) -> Representations`, for all nodes, only that is called.
    Raises UserError, when built, if small graphs show that one of these does not hold, or that outputs differ between
    passes in evaluation mode.
    """

    def __init__(self, module: nn.Module, config: TeacherConfig, spec: TaskSpec) -> None:
        super().__init__()
        self.module, self.config, self.spec = module, config, spec
        self.represents = hasattr(module, "represent")
        self.accepted = {} if self.represents else arguments(config, spec, module)
        self.hooked = () if self.represents else node_paths(config, module)
        self.probabilities = False
        self.notices: tuple[str, ...] = ()
        batch = small_batch(teacher_encoding(config), spec)
        module.eval()
        with torch.no_grad():
            found = self(batch)
            check_outputs_repeat("teacher.target", config.target, self, batch)
            module.eval()
            self.detect_outputs(batch)
            self.state_channels = tuple(states.size(1) for states in found.nodes)
            self.graph_channels = found.graph.size(1)
            self.reads_edges = False
            if batch.edge_attr is not None:
                other = self(replace(batch, edge_attr=batch.edge_attr.flip(0)))
                self.reads_edges = not torch.equal(self(batch).logits, other.logits)
        module.train()

    def detect_outputs(self, batch: GraphBatch) -> None:
        """Detect whether outputs are logits or probabilities. Raises UserError if teacher.outputs contradicts them."""
        outputs, key = self.config.outputs, f"teacher.outputs={self.config.outputs}"
        if self.spec.kind == "regression":
            if outputs in ("logits", "probabilities"):
                raise UserError(f"{key}: {self.spec.name} is a regression. Choose standardised or original.")
            return
        bounded = gives_probabilities(self.module, lambda: self.ask(batch).logits)
        if outputs == "probabilities" and not bounded:
            raise UserError(
                f"{key}: {self.config.target} returns values below 0 or above 1, which are not probabilities. Choose "
                "teacher.outputs=logits."
            )
        self.probabilities = bounded and outputs != "logits"
        if self.probabilities and outputs != "probabilities":
            self.notices = (
                f"{self.config.target} returns probabilities, between 0 and 1 whatever its weights: they are converted "
                "to logits. teacher.outputs=logits leaves them unchanged.",
            )

    def forward(self, batch: GraphBatch) -> Representations:
        found = self.ask(batch)
        logits = self.checked(found.logits, batch)
        nodes = tuple(batch.wanted(states) for states in found.nodes)
        return replace(found, logits=logits if self.spec.level == "graph" else batch.wanted(logits), nodes=nodes)

    def ask(self, batch: GraphBatch) -> Representations:
        """The raw representations of a batch by the module. Raises UserError for any error in it."""
        try:
            return self.module.represent(batch) if self.represents else self.observe(batch)
        except (UserError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise user_code_error(self.config, f"fails on {describe_batch(batch)}", error) from error

    def observe(self, batch: GraphBatch) -> Representations:
        """The outputs of the module for a batch, with the states of its submodules."""
        values = {"batch_size": batch.num_graphs}
        for name in ("x", "edge_index", "edge_attr", "batch", "rwse", "lap_pe"):
            values[name] = getattr(batch, name)
        if batch.x.layout == torch.sparse_csr:
            values["x"] = batch.x.to_dense()
        values["data"] = Batch(**values, ptr=batch.ptr)
        with recorded(self.module, {*self.hooked, *filter(None, [self.config.graph_state])}) as seen:
            out = self.module(**{name: values[value] for name, value in self.accepted.items()})
        states = [state for path, state in seen if path in self.hooked]
        self.check_states("node_states", states, len(batch.x))
        if self.config.graph_state:
            graph = [state for path, state in seen if path == self.config.graph_state][-1:]
            self.check_states("graph_state", graph, batch.num_graphs)
            return Representations(first(out), tuple(states), graph[0])
        kind = self.config.readout if self.spec.level == "graph" else "mean"
        return Representations(first(out), tuple(states), readout(kind, states[-1], batch.batch, batch.num_graphs))

    def checked(self, logits: Tensor, batch: GraphBatch) -> Tensor:
        """Logits [row, output] in the form of the task."""
        spec = self.spec
        rows = batch.num_graphs if spec.level == "graph" else len(batch.x)
        if logits.dim() == 1 and spec.num_outputs == 1:
            logits = logits[:, None]
        two = spec.kind == "binary" and logits.shape == (rows, 2)
        if logits.shape != (rows, spec.num_outputs) and not two:
            pooled = "each graph (its nodes pooled by batch, batch_size)" if spec.level == "graph" else "each node"
            raise UserError(
                f"teacher.target={self.config.target}: returns outputs {list(logits.shape)}; {spec.name} needs "
                f"{[rows, spec.num_outputs]}, one row for {pooled}. Correct its forward, or teacher.kwargs."
            )
        return in_task_units(logits, spec, self.probabilities, self.config.outputs == "original")

    def check_states(self, key: str, states: list[Tensor], rows: int) -> None:
        """Raise UserError unless there are states with `rows` rows each."""
        target, value = self.config.target, getattr(self.config, key)
        if not states:
            raise UserError(f"teacher.target={target}: no submodule of teacher.{key}={value} is called by its forward.")
        for state in states:
            if not isinstance(state, Tensor) or state.dim() != 2 or len(state) != rows:
                shape = list(state.shape) if isinstance(state, Tensor) else type(state).__name__
                raise UserError(
                    f"teacher.{key}={value}: returns {shape}, not [{rows}, channels]. Name other submodules of "
                    f"{target}: {', '.join(children(self.module))}."
                )


def arguments(config: TeacherConfig, spec: TaskSpec, module: nn.Module) -> dict[str, str]:
    """The arguments of the module's forward, each with the name of our value for it.

    Raises UserError if it requires one that does not exist.
    """
    missing = {
        "edge_attr": spec.edge_features is None,
        "rwse": not config.rwse,
        "lap_pe": not config.lap_pe,
    }
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    if not parameters:
        raise UserError(
            f"teacher.target={config.target}: its forward names no arguments, so it is unknown what to pass. Name "
            f"them: {', '.join(known for known in ARGUMENTS if not missing.get(known))}."
        )
    needed = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    if len(needed) == 1 and (needed[0] == "batch" or needed[0] not in ARGUMENTS):
        return {needed[0]: "data"}
    accepted = {}
    for name, parameter in parameters.items():
        if name in ARGUMENTS and not missing.get(name):
            accepted[name] = name
        elif parameter.default is parameter.empty:
            known = ", ".join(known for known in ARGUMENTS if not missing.get(known))
            raise UserError(
                f"teacher.target={config.target}: its forward requires '{name}', which does not exist. Available are "
                f"{known}.{suggest(name, ARGUMENTS)} Give the argument a default, or wrap the module."
            )
    return accepted


def node_paths(config: TeacherConfig, module: nn.Module) -> tuple[str, ...]:
    """Paths of the submodules whose outputs are the node states. Raises UserError for one that does not exist."""
    names = dict(module.named_modules())
    for key, paths in (("node_states", config.node_states), ("graph_state", filter(None, [config.graph_state]))):
        for path in paths:
            if path not in names:
                raise UserError(
                    f"teacher.{key}: {config.target} has no submodule {path}.{suggest(path, names)} It has "
                    f"{', '.join(children(module))}."
                )
    if config.node_states:
        return tuple(config.node_states)
    found = [name for name, part in names.items() if isinstance(part, MessagePassing)]
    # A module inside another one is part of its computation.
    outer = [name for name in found if not any(name != other and name.startswith(f"{other}.") for other in found)]
    if not outer:
        raise UserError(
            f"teacher.target={config.target}: has no MessagePassing submodule, so its node states must be named: "
            f"teacher.node_states=[...]. It has {', '.join(children(module))}."
        )
    return tuple(outer)


def children(module: nn.Module) -> list[str]:
    """Names of a module's submodules, two levels deep."""
    return [name for name, _ in module.named_modules() if name and name.count(".") < 2]


@contextmanager
def recorded(module: nn.Module, paths: set[str]) -> Iterator[list[tuple[str, Any]]]:
    """Paths and outputs of submodules, in the order in which they are called; flat after the first dimension."""
    seen: list[tuple[str, Any]] = []

    def hook(path: str) -> Any:
        def record(_module: nn.Module, _inputs: Any, output: Any) -> None:
            state = first(output)
            seen.append((path, state.flatten(1) if isinstance(state, Tensor) and state.dim() > 2 else state))

        return record

    handles = [module.get_submodule(path).register_forward_hook(hook(path)) for path in paths]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def first(output: Any) -> Any:
    """The first element of a tuple or list, else the output itself."""
    return output[0] if isinstance(output, tuple | list) else output


def user_code_error(config: TeacherConfig, what: str, error: Exception) -> UserError:
    """A one-line UserError about an error in the user's code."""
    return UserError(f"teacher.target={config.target}: {what}. {type(error).__name__}: {' '.join(str(error).split())}")
