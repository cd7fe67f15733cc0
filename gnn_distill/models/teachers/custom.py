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
from gnn_distill.models.probe import check_outputs_repeat, gives_probabilities, small_batch, told
from gnn_distill.models.representations import Representations

ARGUMENTS = ("x", "edge_index", "edge_attr", "batch", "batch_size", "rwse", "lap_pe", "data")
SMALLEST = 1e-6
"""Probabilities are no nearer to 0 and 1 before they become logits."""


def build(config: TeacherConfig, spec: TaskSpec) -> "CustomTeacher":
    """The class `teacher.target`, called with `teacher.kwargs`, as a teacher. Importing it runs its module.

    Raises UserError where it cannot be imported or made, or its outputs on a small graph are not what they must be.
    """
    make = object_of("teacher.target", config.target)
    try:
        module = make(**(config.kwargs or {}))
    except Exception as error:
        raise complaint(config, f"cannot be made with teacher.kwargs={config.kwargs}", error) from error
    if not isinstance(module, nn.Module):
        raise UserError(f"teacher.target={config.target}: gives a {type(module).__name__}, not a torch.nn.Module.")
    return CustomTeacher(module, config, spec)


class CustomTeacher(nn.Module):
    """Calls a module by the names of its arguments, and finds its states by hooks.

    Arguments of `forward`, those that it has: x, edge_index, edge_attr (left out where the data have none), batch (the
    graph of every node), batch_size (how many graphs), rwse and lap_pe (with teacher.rwse, teacher.lap_pe), data (a
    PyG Batch of all these); where it needs one argument alone, `batch` or any other name, that is this Batch, as in
    GraphGym. Features are those of the data set; categories are long [rows, columns].
    Output: logits, [graphs, outputs] or [nodes, outputs]; of a binary task one, or two that become z₁ - z₀; log
    probabilities are logits, too. Probabilities, which a sigmoid or softmax gives whatever the weights are, become
    logits, as teacher.outputs=probabilities says by itself; with teacher.outputs=logits they stay as they are.
    Regression: standardised targets, or, with teacher.outputs=original, their own units.
    Node states: outputs of the submodules `teacher.node_states` (of tuples the first), in the order in which they are
    called; by default of all MessagePassing modules. Graph state: the output of the submodule `teacher.graph_state`,
    or the readout of the last node states (at node level their mean).
    A module with a method `represent(batch: GraphBatch) -> Representations` is asked by that alone; it answers for
    all nodes. Raises UserError, when built, where small graphs show that one of these does not hold, or that outputs
    are others at every pass in evaluation mode.
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
            self.find_out_what_outputs_are(batch)
            self.state_channels = tuple(states.size(1) for states in found.nodes)
            self.graph_channels = found.graph.size(1)
            self.reads_edges = False
            if batch.edge_attr is not None:
                other = self(replace(batch, edge_attr=batch.edge_attr.flip(0)))
                self.reads_edges = not torch.equal(self(batch).logits, other.logits)
        module.train()

    def find_out_what_outputs_are(self, batch: GraphBatch) -> None:
        """Logits or probabilities. Raises UserError where teacher.outputs says what they are not."""
        outputs, key = self.config.outputs, f"teacher.outputs={self.config.outputs}"
        if self.spec.kind == "regression":
            if outputs in ("logits", "probabilities"):
                raise UserError(f"{key}: {self.spec.name} is a regression. Choose standardised or original.")
            return
        bounded = gives_probabilities(self.module, lambda: self.ask(batch).logits)
        if outputs == "probabilities" and not bounded:
            raise UserError(
                f"{key}: {self.config.target} gives values that are none, below 0 or above 1. Choose teacher.outputs="
                "logits."
            )
        self.probabilities = bounded and outputs != "logits"
        if self.probabilities and outputs != "probabilities":
            self.notices = (
                f"{self.config.target} gives probabilities, between 0 and 1 whatever its weights are: they are turned "
                "into logits. teacher.outputs=logits leaves them as they are.",
            )

    def forward(self, batch: GraphBatch) -> Representations:
        found = self.ask(batch)
        logits = self.checked(found.logits, batch)
        nodes = tuple(batch.wanted(states) for states in found.nodes)
        return replace(found, logits=logits if self.spec.level == "graph" else batch.wanted(logits), nodes=nodes)

    def ask(self, batch: GraphBatch) -> Representations:
        """What the module says of a batch, its outputs as they are. Raises UserError for whatever fails in it."""
        try:
            return self.module.represent(batch) if self.represents else self.observe(batch)
        except (UserError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise complaint(self.config, f"fails on {told(batch)}", error) from error

    def observe(self, batch: GraphBatch) -> Representations:
        """What the module says of a batch, with the states that its submodules had on the way."""
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
        """Logits [row, output] in the form that the task has."""
        spec = self.spec
        rows = batch.num_graphs if spec.level == "graph" else len(batch.x)
        if logits.dim() == 1 and spec.num_outputs == 1:
            logits = logits[:, None]
        two = spec.kind == "binary" and logits.shape == (rows, 2)
        if logits.shape != (rows, spec.num_outputs) and not two:
            pooled = "each graph (its nodes pooled by batch, batch_size)" if spec.level == "graph" else "each node"
            raise UserError(
                f"teacher.target={self.config.target}: gives outputs {list(logits.shape)}; {spec.name} needs "
                f"{[rows, spec.num_outputs]}, one row for {pooled}. Correct its forward, or teacher.kwargs."
            )
        if self.probabilities:
            of_classes = two or spec.kind == "multiclass"
            logits = logits.clamp(min=SMALLEST).log() if of_classes else logits.logit(eps=SMALLEST)
        if two:
            return logits[:, 1:] - logits[:, :1]
        if spec.kind == "regression" and self.config.outputs == "original":
            return (logits - logits.new_tensor(spec.target_mean)) / logits.new_tensor(spec.target_std)
        return logits

    def check_states(self, key: str, states: list[Tensor], rows: int) -> None:
        """Raise UserError unless there are states, each of so many rows."""
        target, value = self.config.target, getattr(self.config, key)
        if not states:
            raise UserError(f"teacher.target={target}: no submodule of teacher.{key}={value} is called by its forward.")
        for state in states:
            if not isinstance(state, Tensor) or state.dim() != 2 or len(state) != rows:
                shape = list(state.shape) if isinstance(state, Tensor) else type(state).__name__
                raise UserError(
                    f"teacher.{key}={value}: gives {shape}, not [{rows}, channels]. Name other submodules of "
                    f"{target}: {', '.join(children(self.module))}."
                )


def arguments(config: TeacherConfig, spec: TaskSpec, module: nn.Module) -> dict[str, str]:
    """The arguments that the module's forward gets, and which of ours each is.

    Raises UserError where it needs one that there is not.
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
            f"teacher.target={config.target}: its forward names no argument, so nothing tells what it is to get. Name "
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
                f"teacher.target={config.target}: its forward needs '{name}', which there is not. It may ask for "
                f"{known}.{suggest(name, ARGUMENTS)} Give the argument a default, or wrap the module."
            )
    return accepted


def node_paths(config: TeacherConfig, module: nn.Module) -> tuple[str, ...]:
    """Paths of the submodules whose outputs are the node states. Raises UserError for one that there is not."""
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
    # One inside another is a part of its computation.
    outer = [name for name in found if not any(name != other and name.startswith(f"{other}.") for other in found)]
    if not outer:
        raise UserError(
            f"teacher.target={config.target}: has no MessagePassing submodule, so its node states must be named: "
            f"teacher.node_states=[...]. It has {', '.join(children(module))}."
        )
    return tuple(outer)


def children(module: nn.Module) -> list[str]:
    """Names of a module's parts, two levels deep."""
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
    """The first element of a tuple or list, or what it is."""
    return output[0] if isinstance(output, tuple | list) else output


def complaint(config: TeacherConfig, what: str, error: Exception) -> UserError:
    """One line about an error in the user's own code."""
    return UserError(f"teacher.target={config.target}: {what}. {type(error).__name__}: {' '.join(str(error).split())}")
