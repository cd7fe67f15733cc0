"""Stage 2: run the teacher once over the training graphs, and keep its logits and states on disk."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor, nn

from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.packed import gather_ranges, pointers
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.errors import UserError
from gnn_distill.models.layers.standardise import Moments, moments_of_rows
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.layerwise_outputs import infer_outputs, open_maps
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.shuffled_teacher import foreign_graphs, foreign_nodes
from gnn_distill.pipeline.subgraph_means import CODE, read_means, subgraphs_key, taught_subgraph_ptr
from gnn_distill.pipeline.teacher import NOT_TEACHERS, teacher_code, untrained_teacher
from gnn_distill.pipeline.teacher_attention import Attention
from gnn_distill.pipeline.teacher_plan import OutputsPlan, TeacherPlan
from gnn_distill.storage import checkpoint
from gnn_distill.storage.blocks import zeros
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.store import Entry

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings
    from gnn_distill.data.subgraphs.subgraphs import Subgraphs
    from gnn_distill.losses.graph_lookups import Structure

SIGNALS = "signals.safetensors"


def compute_teacher_outputs(
    runtime: Runtime,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    teacher: nn.Module,
    trained: Entry,
    plan: TeacherPlan,
    structure: "Structure | None" = None,
) -> tuple[TeacherOutputs, Entry]:
    """Outputs of the selected teacher for the graphs on which it teaches (found in the store, or computed now).

    Logits stay whatever teacher.control is; with untrained, states are those of the architecture as initialised, and
    with shuffled those of another unit of the same predicted class, the same one throughout. `trained`: the teacher's
    entry in the store; `structure` finds the subgraphs over which the teacher gives means, if it does.
    """
    keep, untrained = plan.outputs, plan.settings.control == "untrained"
    parts = {
        "teacher": trained.path.name,
        "untrained": plan.recipe.seed if untrained else None,
        "layers": keep.layers,
        "attention": keep.attention,
        "dtype": keep.dtype,
    }
    code, subgraphs = [__name__, *teacher_code(plan).modules], None
    if not keep.graph:
        parts["graph"] = False
    if plan.checkpoint:  # of one that is trained it is in the teacher's own key
        parts["max_pairs"] = plan.recipe.max_pairs
    if keep.subgraphs is not None:
        parts["subgraphs"], code = subgraphs_key(keep.subgraphs), [*code, CODE]
        subgraphs = structure.subgraphs(keep.subgraphs.source, keep.subgraphs)
    if plan.recipe.sampling:
        parts["maps"] = True
    made_with = code_of(code, without=NOT_TEACHERS).to_key()
    made_with["numerics"] = runtime.numerics
    ids = taught_graphs(task, keep.visible)
    if len(ids) > len(taught_graphs(task)):
        parts["graphs"] = keep.visible

    def compute(folder: Path) -> None:
        state_source = teacher
        if untrained:
            state_source = runtime.fabric.to_device(untrained_teacher(plan, task.spec))
        if plan.recipe.sampling:
            layers = layers_kept(keep.layers, len(teacher.state_channels))
            found = infer_outputs(teacher, state_source, task, encodings, keep, layers, folder)
            checkpoint.save(folder / SIGNALS, found)
            return
        if task.split_by_graph:
            batches = evaluation_batches(task.graphs.num_nodes, ids, 256, plan.recipe.max_pairs)
        else:
            batches = list(ids.split(1))
        collated = (collate(task.graphs, encodings, picked).to(runtime.fabric.device) for picked in batches)
        outputs = read_teacher(teacher, state_source, collated, task, keep, folder, subgraphs)
        kept = [*outputs["nodes"].values(), *(outputs[part] for part in ("graph", "subgraphs") if part in outputs)]
        outputs["moments"] = [Moments.of(states) for states in kept]
        checkpoint.save(folder / SIGNALS, outputs)

    what = f"signals of {plan.settings.name} on {task.spec.name}"
    entry = runtime.entry("signals", parts, made_with, compute, what)
    return read_outputs(entry.path / SIGNALS, task, plan, subgraphs), entry


def read_outputs(
    file: Path, task: GraphTask, plan: TeacherPlan, subgraphs: "Subgraphs | None" = None
) -> TeacherOutputs:
    """What `compute_teacher_outputs` has written, as far as the student is taught it and with the control's states."""
    state = checkpoint.load(file, verify=False)
    if "layers" in state:
        state = open_maps(state, file.parent)
    row, node_ptr = layout(task, plan.outputs.visible)
    ids, level = taught_graphs(task, plan.outputs.visible), task.spec.level
    taught, measured = None, [Moments(*pair) for pair in state["moments"]]
    if plan.outputs.visible == "train" and level == "node":
        taught = places(task.graphs.node_ptr, ids, task.splits.train)
        measured[: len(state["nodes"])] = (moments_of_rows(states, taught) for states in state["nodes"].values())
    foreign = None
    if plan.settings.control == "shuffled":
        logits, kind, seed = state["logits"], task.spec.kind, plan.recipe.seed
        if level == "graph":
            foreign = foreign_graphs(logits, kind, node_ptr, seed)
        else:
            foreign = foreign_nodes(logits, kind, taught, len(ids), seed)
    attention = None
    if plan.outputs.attention:
        edge_ptr = pointers(task.graphs.num_edges[ids])
        attention = Attention(state["edge_attention"], state["self_attention"], edge_ptr)
    means = None
    if subgraphs is not None:
        means = read_means(state, subgraphs, ids, task.spec.kind, plan.settings.control, plan.recipe.seed)
    kept = (state["logits"], state.get("graph"), state["nodes"], state["num_layers"], measured)
    starts = task.graphs.node_ptr[:-1]
    return TeacherOutputs(row, starts, node_ptr, *kept, level, plan.outputs.visible, taught, foreign, attention, means)


def places(
    node_ptr: Int[Tensor, " graphs+1"], ids: Int[Tensor, " chosen"], rows: Int[Tensor, " picked"]
) -> Int[Tensor, " picked"]:
    """Positions of the nodes `rows` of all graphs once the graphs `ids` alone, which hold them, are concatenated."""
    return torch.searchsorted(gather_ranges(node_ptr, ids), rows)


def layout(task: GraphTask, visible: str) -> tuple[Int[Tensor, " all_graphs"], Int[Tensor, " rows+1"]]:
    """The outputs' row of every graph (-1 where it is not taught), and where each row's nodes begin."""
    ids = taught_graphs(task, visible)
    row = torch.full((len(task.graphs),), -1).index_copy(0, ids, torch.arange(len(ids)))
    return row, pointers(task.graphs.num_nodes[ids])


@torch.inference_mode()
def read_teacher(
    teacher: nn.Module,
    state_source: nn.Module,
    batches: Iterable[GraphBatch],
    task: GraphTask,
    keep: OutputsPlan,
    folder: Path,
    subgraphs: "Subgraphs | None" = None,
) -> dict:
    """Logits of `teacher` and states of `state_source`, in the order in which the taught graphs are packed.

    Of the states only what is kept is read; large ones are written to maps of files in `folder`, batch by batch.
    `subgraphs`: over which means of the last node states are kept.
    Raises UserError where attention or node states are kept of a model that has none.
    """
    row, node_ptr = layout(task, keep.visible)
    ids = taught_graphs(task, keep.visible)
    subgraph_ptr = None if subgraphs is None else taught_subgraph_ptr(subgraphs, ids)
    graphs, num_nodes = len(node_ptr) - 1, int(node_ptr[-1])
    edge_ptr = pointers(task.graphs.num_edges[ids])
    kept: dict[str, Tensor] = {}
    nodes: dict[int, Tensor] = {}
    num_layers = 0

    def put(target: dict, key: str | int, length: int, rows: Tensor, values: Tensor, dtype: torch.dtype) -> None:
        if key not in target:
            target[key] = zeros(folder, (length, *values.shape[1:]), dtype)
        target[key][rows] = values.to("cpu", dtype)

    for batch in batches:
        rows = row[batch.graph_ids.cpu()]
        node_rows = gather_ranges(node_ptr, rows)
        out, states = teacher(batch), state_source(batch)
        num_layers = len(states.nodes)
        if not num_layers and (keep.layers != "none" or subgraphs is not None):
            raise UserError("The teacher returns no node states. Choose regime=graph_states, which reads none.")
        if task.spec.level == "graph":
            put(kept, "logits", graphs, rows, out.logits, torch.float32)
        else:
            put(kept, "logits", num_nodes, node_rows, out.logits, torch.float32)
        if keep.graph:
            put(kept, "graph", graphs, rows, states.graph, torch.float32)
        if subgraphs is not None:
            means, of_rows = subgraphs.operator(batch) @ states.nodes[-1], gather_ranges(subgraph_ptr, rows)
            put(kept, "subgraphs", int(subgraph_ptr[-1]), of_rows, means, getattr(torch, keep.dtype))
        for layer in layers_kept(keep.layers, num_layers):
            put(nodes, layer, num_nodes, node_rows, states.nodes[layer - 1], getattr(torch, keep.dtype))
        if keep.attention:
            if states.edge_attention is None or states.self_attention is None:
                raise UserError(
                    "loss.micro.attention_target=gat: the teacher has no attention of its own. Choose teacher=gat, "
                    "or loss.micro.attention_target=propagation or cosine."
                )
            edges = gather_ranges(edge_ptr, rows)
            put(kept, "edge_attention", int(edge_ptr[-1]), edges, states.edge_attention, torch.float32)
            put(kept, "self_attention", num_nodes, node_rows, states.self_attention, torch.float32)
    return {**kept, "nodes": nodes, "num_layers": num_layers}


def layers_kept(layers: str, num_layers: int) -> range:
    """Layers whose node states are kept, counted from 1: all, the last, or none."""
    first = {"all": 1, "last": num_layers, "none": num_layers + 1}[layers]
    return range(first, num_layers + 1)
