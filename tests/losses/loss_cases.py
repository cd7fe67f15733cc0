"""Every loss on states, as a function of a world and of both sides' states of its nodes, beside its reference."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import loss_reference as plain
import pair_reference as pairs
import structure_reference as structure
import torch
from torch import Tensor
from worlds import HEADS, World, states

from gnn_distill.losses import alignment, attention, contrast, macro, micro
from gnn_distill.losses.prepare import class_means
from gnn_distill.losses.published import states as baselines
from gnn_distill.losses.published import structure as structure_baselines
from gnn_distill.models.layers.padding import pad

SIGMAS = (0.5, 1.0, 3.0)


@dataclass(frozen=True)
class Case:
    """loss and reference take (world, student states, teacher states), both [nodes, channels]."""

    loss: Callable[[World, Tensor, Tensor], Tensor]
    reference: Callable[[World, Tensor, Tensor], float]
    zero: bool = True
    """Whether a student with the teacher's states is at zero."""
    per_graph: bool = False
    """Whether what a graph is taught does not depend on the others' states."""


def _padded(loss: Callable, world: World, *sides: Tensor, **more: object) -> Tensor:
    batch = world.batch
    return loss(*(pad(side, batch.dense_index, batch.mask.shape) for side in sides), mask=batch.mask, **more)


def _head(number: int, channels: int) -> Tensor:
    return torch.linspace(-1, 1, HEADS * channels, dtype=torch.float64).view(HEADS, channels)[number]


def _logits(world: World, student: Tensor) -> Tensor:
    """Attention logits that three heads might have: Σ_c w_hc·s_ic·s_jc, padding keys at the lowest number."""
    mask = world.batch.mask
    dense = pad(student, world.batch.dense_index, mask.shape)
    heads = [dense * _head(number, student.size(1)).to(student.dtype) @ dense.mT for number in range(HEADS)]
    return torch.stack(heads, dim=1).masked_fill(~mask[:, None, None, :], torch.finfo(student.dtype).min)


def _attention(target: str, radius: int, shape: bool, heads: int = HEADS) -> Case:
    def loss(world: World, student: Tensor, teacher: Tensor) -> Tensor:
        batch = world.batch
        messages = attention.message_matrix(batch.edge_dense_index, batch.mask)
        near = attention.hop_support(messages, batch.mask, radius)
        if target == "propagation":
            goal = attention.propagation_target(messages, batch.mask, radius).to(teacher.dtype)
        elif target == "gat":
            weights = (world.edge_attention.to(teacher.dtype), world.self_attention.to(teacher.dtype))
            goal = attention.gat_target(batch.edge_dense_index, *weights, batch.dense_index, batch.mask, radius)
        else:
            goal = attention.cosine_target(pad(teacher, batch.dense_index, batch.mask.shape), near, 0.3)
        logits = _logits(world, student)
        return attention.attention_distillation(logits, goal, batch.mask, near if shape else None, heads)

    def reference(world: World, student: Tensor, teacher: Tensor) -> float:
        def logit(head: int, i: int, j: int) -> float:
            return structure.dot(_head(head, student.size(1)) * student[i], student[j])

        goals = {
            "propagation": lambda: structure.propagation(world, radius),
            "gat": lambda: structure.gat(world, radius),
            "cosine": lambda: structure.cosine_target(world, teacher, radius, 0.3),
        }
        return structure.attention(world, logit, goals[target](), radius, shape, heads)

    return Case(loss, reference, zero=False, per_graph=True)


def _clusters(world: World, *sides: Tensor) -> Tensor:
    """Means of clusters, padded: by an operator such as Subgraphs makes."""
    owner = world.batch.batch
    key, part = (owner * 10 + world.cluster).unique(return_inverse=True)
    graph = key // 10
    operator = torch.zeros(len(key), len(part), dtype=sides[0].dtype)
    operator[part, torch.arange(len(part))] = 1
    means = [operator / operator.sum(dim=1, keepdim=True) @ side for side in sides]
    counts = torch.bincount(graph)
    most = int(counts.max())
    place = torch.cat([graph_number * most + torch.arange(count) for graph_number, count in enumerate(counts)])
    mask = torch.arange(most) < counts.unsqueeze(1)
    return structure_baselines.mugsi_clusters(*(pad(values, place, mask.shape) for values in means), mask)


def _profile(buckets: int) -> Case:
    return Case(
        lambda world, s, t: _padded(macro.distance_profile, world, s, t, spd=world.batch.spd, buckets=buckets),
        partial(structure.distance_profile, buckets=buckets),
        per_graph=True,
    )


def _rows(loss: Callable, reference: Callable, **more: object) -> Case:
    """A loss between rows, whatever graph they belong to."""
    return Case(lambda world, s, t: loss(s, t), lambda world, s, t: reference(s, t), **more)


def _first(count: int, loss: Callable) -> Callable:
    """On some rows, where a reference over triples takes its time."""
    return lambda s, t: loss(s[:count], t[:count])


def _prototypes(world: World, s: Tensor, t: Tensor, loss: Callable, means: Callable) -> Tensor:
    return loss(means(s, world.cluster), means(t, world.cluster))


KERNELS = {"cosine": 1.0, "polynomial": 1.0, "rbf": 1.5}
CASES = {
    "relation": Case(
        lambda world, s, t: micro.neighbourhood_relation(s, t, world.edge_index, 0.2),
        lambda world, s, t: plain.neighbourhood_relation(s, t, world.edge_index, 0.2),
        per_graph=True,
    ),
    "edge": Case(
        lambda world, s, t: micro.edge_difference(s, t, world.edge_index), structure.edge_difference, per_graph=True
    ),
    "attention_propagation_mass": _attention("propagation", 1, shape=False),
    "attention_propagation_shape": _attention("propagation", 2, shape=True),
    "attention_gat_mass": _attention("gat", 1, shape=False, heads=2),
    "attention_gat_shape": _attention("gat", 3, shape=True),
    "attention_cosine_mass": _attention("cosine", 2, shape=False),
    "attention_cosine_shape": _attention("cosine", 1, shape=True, heads=1),
    "graph_relation_cosine": _rows(macro.graph_relation_cosine, plain.graph_relation_cosine),
    "graph_relation_pkt": _rows(macro.graph_relation_pkt, plain.graph_relation_pkt),
    "graph_relation_prototypes": Case(
        partial(_prototypes, loss=macro.graph_relation_cosine, means=class_means),
        partial(_prototypes, loss=plain.graph_relation_cosine, means=pairs.group_means),
    ),
    "distance_profile_1": _profile(1),
    "distance_profile_3": _profile(3),
    "distribution": Case(
        lambda world, s, t: _padded(macro.distribution, world, s, t, bandwidths=torch.tensor(SIGMAS)),
        partial(structure.distribution, bandwidths=SIGMAS),
        per_graph=True,
    ),
    "align_mse": _rows(alignment.align_mse, plain.align_mse, per_graph=True),
    "align_cosine": _rows(alignment.align_cosine, plain.align_cosine, per_graph=True),
    "cka": _rows(alignment.align_cka, pairs.cka),
    "soft_contrast": Case(
        lambda world, s, t: contrast.soft_contrast(s, t, states(7, 6, s.size(1)), 0.2),
        lambda world, s, t: pairs.soft_contrast(s, t, states(7, 6, s.size(1)), 0.2),
        per_graph=True,
    ),
    "contrast": _rows(contrast.contrast, partial(pairs.contrast, tau=0.1)),
    "infonce": _rows(alignment.infonce, partial(pairs.infonce, tau=0.1), zero=False),
    "gcrd": _rows(baselines.gcrd, partial(pairs.infonce, tau=0.075), zero=False),
    "crd": _rows(baselines.crd, partial(pairs.crd, tau=0.07), zero=False),
    "at": Case(
        lambda world, s, t: baselines.attention_transfer(s, t, world.batch.batch, world.batch.num_graphs),
        structure.attention_transfer,
        per_graph=True,
    ),
    "sp": _rows(baselines.similarity_preserving, pairs.similarity_preserving),
    "rkd_distance": _rows(baselines.rkd_distance, pairs.rkd_distance),
    "rkd_angle": _rows(_first(9, baselines.rkd_angle), _first(9, pairs.rkd_angle)),
    "mugsi_graph": _rows(baselines.mugsi_graph, pairs.mugsi_graph, per_graph=True),
    "mugsi_clusters": Case(_clusters, structure.mugsi_clusters, per_graph=True),
    "mugsi_paths": Case(
        lambda world, s, t: structure_baselines.mugsi_paths(s, t, world.walks), structure.mugsi_paths, per_graph=True
    ),
}
for kernel, width in KERNELS.items():
    CASES[f"lsp_{kernel}"] = Case(
        lambda world, s, t, k=kernel, w=width: structure_baselines.lsp(s, t, world.edge_index, k, w),
        partial(structure.lsp, kernel=kernel, bandwidth=width),
        per_graph=True,
    )
    CASES[f"gsp_{kernel}"] = _rows(
        partial(structure_baselines.gsp, kernel=kernel, bandwidth=width, block_pairs=100),
        partial(structure.gsp, kernel=kernel, bandwidth=width),
    )
