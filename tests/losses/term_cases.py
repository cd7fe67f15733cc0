"""Every term that is off by default: how a config switches it on, and what it is by the loops of the references."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import loss_reference as plain
import numpy as np
import pair_reference as pairs
import structure_reference as structure
import torch
from objective_cases import DEAD, STUDENT_LAYERS, TEACHER_CHANNELS, draw_states, make_moments
from scenes import HEADS, LEVELS, MEDIAN, WALK, Scene, standard
from torch import Tensor

from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    BaselineConfig,
    LossConfig,
    LossWeights,
    MacroConfig,
    MicroConfig,
)


@dataclass(frozen=True)
class TermCase:
    """The config that switches a term on, and its reference."""

    term: str
    loss: LossConfig
    align: AlignmentConfig
    reference: Callable[[Scene], float]
    levels: tuple[str, ...] = LEVELS


def micro(name: str, reference: Callable, levels: tuple[str, ...] = LEVELS, **keys: object) -> TermCase:
    config = MicroConfig(**{"relation": 0.0, name: 1.0, **keys})
    return TermCase(f"micro_{name}", LossConfig(weights=LossWeights(0, 0, 1, 0), micro=config), NONE, reference, levels)


def macro(name: str, reference: Callable, **keys: object) -> TermCase:
    config = MacroConfig(**{"graph_relation": 0.0, name: 1.0, **keys})
    levels = ("node",) if "among" in keys else LEVELS
    return TermCase(f"macro_{name}", LossConfig(weights=LossWeights(0, 0, 0, 1), macro=config), NONE, reference, levels)


def align(scale: str, reference: Callable, levels: tuple[str, ...] = ("graph", "node"), **keys: object) -> TermCase:
    weights = AlignmentWeights(**{scale: 1.0})
    config = AlignmentConfig(weights=weights, **keys)
    return TermCase(f"align_{scale}", LossConfig(weights=LossWeights(task=0.0)), config, reference, levels)


def baseline(
    name: str, reference: Callable, levels: tuple[str, ...] = LEVELS, reuse_head: bool = False, **keys: object
) -> TermCase:
    config = BaselineConfig(**{name: 1.0, **keys})
    loss = LossConfig(weights=LossWeights(task=0.0), baseline=config)
    return TermCase(f"baseline_{name}", loss, AlignmentConfig(reuse_head=reuse_head), reference, levels)


NONE = AlignmentConfig()
SOME = ("graph", "some")


def attention(scene: Scene) -> float:
    """Layer by layer, head by head; queries are the wanted nodes, keys all nodes of a graph."""
    keys, batch = scene.loss.micro, scene.batch
    size, wanted = batch.max_nodes, batch.wanted(torch.arange(len(batch.node_rows))).tolist()
    whole = replace(scene.world, sizes=batch.ptr.diff().tolist(), edge_index=batch.edge_index)
    hops, values = structure.hops(whole), []
    for layer in keys.attention_layers or range(1, STUDENT_LAYERS + 1):
        radius = min(layer, keys.attention_radius)
        near = {i: [j for j in range(len(batch.x)) if hops.get((j, i), radius + 1) <= radius] for i in wanted}
        if keys.attention_target == "propagation":
            goal = structure.propagation(whole, radius)
        else:  # the teacher speaks of wanted nodes alone
            near = {i: [j for j in nodes if j in wanted] for i, nodes in near.items()}
        if keys.attention_target == "gat":
            goal = {(wanted[i], wanted[j]): value for (i, j), value in structure.gat(scene.world, radius).items()}
        if keys.attention_target == "cosine":
            rows = dict(zip(wanted, scene.standardised, strict=True))
            goal = {}
            for i, nodes in near.items():
                shares = plain.softmax([plain.cosine(rows[i], rows[j]) / keys.temperature for j in nodes])
                goal |= {(i, j): share for j, share in zip(nodes, shares, strict=True)}
        logits = scene.out.attention[layer].detach().double()
        for graph in whole.graphs:
            for i in set(graph) & set(wanted):
                of = near[i] if keys.attention_form == "shape" else list(graph)
                places = [int(batch.dense_index[j]) % size for j in of]
                for head in range(keys.attention_heads or HEADS // 2):
                    row = logits[int(batch.batch[i]), head, int(batch.dense_index[i]) % size]
                    q = plain.softmax([float(row[place]) for place in places])
                    values.append(plain.kl([goal.get((i, j), 0.0) for j in of], q))
    return sum(values) / len(values)


def profile(scene: Scene) -> float:
    """Distances are those of the whole graph."""
    name, wanted = "macro_distance_profile", scene.batch.wanted(torch.arange(len(scene.batch.node_rows))).tolist()
    world = replace(scene.world, sizes=scene.batch.ptr.diff().tolist(), edge_index=scene.batch.edge_index)
    sides = [
        torch.zeros(len(scene.batch.x), side.size(1)).double() for side in (scene.projected(name), scene.standardised)
    ]
    for whole, side in zip(sides, (scene.projected(name), scene.standardised), strict=True):
        whole[wanted] = side
    return structure.distance_profile(world, *sides, scene.loss.macro.buckets, among=wanted)


def between(name: str, loss: Callable, levels: tuple[str, ...] = LEVELS, projected: bool = False) -> TermCase:
    term = f"baseline_{name}" if projected else ""
    return baseline(name, lambda scene: loss(*scene.units(raw=True, name=term)), levels)


def layered(scene: Scene, measure: Callable) -> list[float]:
    """Student layers 1, 2, 3 and teacher layers 1, 2, 2."""
    name = "align_node{}".format
    return [
        measure(
            scene.out.nodes[s - 1].detach().double()
            if scene.align.measure == "cka"
            else scene.projected(name(s), scene.out.nodes[s - 1]),
            standard(scene.teacher.nodes[t], t),
        )
        for s, t in ((1, 1), (2, 2), (3, 2))
    ]


def restored(scene: Scene) -> Tensor:
    """What the student hands to the teacher's head, in the teacher's units."""
    mean, std = make_moments(2)
    alive = [channel for channel in range(TEACHER_CHANNELS) if channel != DEAD]
    raw = mean.double().repeat(len(scene.raw), 1)
    raw[:, alive] += scene.out.projected.detach().double() * std[alive]
    return raw


def sigmas() -> list[float]:
    return [factor * MEDIAN for factor in (0.25, 0.5, 1, 2, 4)]


def mmd(scene: Scene) -> float:
    return structure.distribution(scene.world, scene.projected("macro_distribution"), scene.standardised, sigmas())


def to_anchors(scene: Scene, among: str = "") -> float:
    """Of rows, all of them or means, to the states that the teacher's shape gives."""
    keys, layer = scene.loss.macro, 0 if scene.level == "graph" else 2
    anchors = standard(draw_states(layer or None, keys.num_anchors), layer or 3)
    rows = scene.units(False, "macro_anchor_relation")
    rows = scene.prototypes(among, *rows) if among else rows
    return pairs.soft_contrast(*rows, anchors, keys.anchor_temperature)


def whitened(scene: Scene, layer: int) -> Tensor:
    """Standardised rows along the principal directions of the taught units, in units of the deviations there."""
    units = standard(draw_states(layer or None, 50), layer or 3).numpy()
    rows = scene.standardised if layer else scene.units(raw=False)[1]
    values, vectors = np.linalg.eigh(sum(np.outer(unit, unit) for unit in units) / len(units))
    signs = [np.sign(column[np.abs(column).argmax()]) for column in vectors.T]
    return torch.from_numpy(rows.numpy() @ vectors * signs / np.sqrt(values))


def dist(scene: Scene) -> float:
    sides = (scene.out.logits.detach().double(), scene.teacher.logits.detach().double())
    return plain.dist(*sides, scene.spec.kind, scene.loss.soft.temperature)


CASES = {
    "edge": micro("edge", lambda s: structure.edge_difference(s.world, s.projected("micro_edge"), s.standardised)),
    "attention": micro("attention", attention),
    "attention shape": micro("attention", attention, SOME, attention_form="shape", attention_heads=3),
    "attention gat": micro("attention", attention, attention_target="gat", attention_layers=[2]),
    "attention gat shape": micro(
        "attention", attention, SOME, attention_target="gat", attention_layers=[1, 3], attention_form="shape"
    ),
    "attention cosine": micro("attention", attention, attention_target="cosine", attention_radius=3),
    "attention cosine shape": micro(
        "attention", attention, SOME, attention_target="cosine", attention_form="shape", temperature=0.5
    ),
    "profile": macro("distance_profile", profile, buckets=3, anchors=40),
    "distribution": macro("distribution", mmd),
    "relation among classes": macro(
        "graph_relation",
        lambda s: plain.graph_relation_cosine(
            *s.prototypes("classes", s.projected("macro_graph_relation"), s.standardised)
        ),
        among="classes",
    ),
    "relation among clusters": macro(
        "graph_relation",
        lambda s: plain.graph_relation_pkt(
            *s.prototypes("clusters", s.projected("macro_graph_relation"), s.standardised)
        ),
        among="clusters",
        measure="pkt",
    ),
    "anchors": macro("anchor_relation", to_anchors, anchor_temperature=0.3),
    "few anchors": macro("anchor_relation", to_anchors, num_anchors=7),
    "anchors of classes": macro("anchor_relation", partial(to_anchors, among="classes"), among="classes"),
    "anchors of clusters": macro("anchor_relation", partial(to_anchors, among="clusters"), among="clusters"),
    "contrast": align(
        "contrast",
        lambda s: pairs.contrast(s.projected("align_contrast"), s.standardised, 0.3),
        LEVELS,
        temperature=0.3,
        measure="cosine",
    ),
    "subgraphs by contrast": align(
        "subgraph",
        lambda s: pairs.contrast(*s.subgraph_means("ego", s.projected("align_subgraph"), s.standardised), 0.1),
        ("graph",),
        measure="contrast",
    ),
    "whitened nodes": align(
        "node", lambda s: plain.align_mse(s.projected("align_node3"), whitened(s, 2)), LEVELS, standardise="whiten"
    ),
    "whitened graphs": align(
        "graph",
        lambda s: plain.align_mse(s.projected("align_graph", s.out.graph), whitened(s, 0)),
        ("graph",),
        standardise="whiten",
    ),
    "cka": align("node", lambda s: pairs.cka(s.student, s.standardised), measure="cka"),
    "cka by layer": align("node", lambda s: sum(layered(s, pairs.cka)) / 3, measure="cka", layers=True),
    "infonce": align(
        "node",
        lambda s: pairs.infonce(s.projected("align_node3"), s.standardised, 0.3),
        measure="infonce",
        temperature=0.3,
    ),
    "walks": align(
        "subgraph",
        lambda s: plain.align_mse(*s.subgraph_means("walk", s.projected("align_subgraph"), s.standardised)),
        LEVELS,
        source="walk",
        walk_length=3,
    ),
    "clusters": align(
        "subgraph",
        lambda s: plain.align_cosine(*s.subgraph_means("cluster", s.projected("align_subgraph"), s.standardised)),
        LEVELS,
        source="cluster",
        measure="cosine",
    ),
    "patches": align(
        "subgraph",
        lambda s: plain.align_mse(s.projected("align_subgraph", s.out.patches), s.patch_means(s.standardised)),
        ("graph",),
        source="patch",
    ),
    "patches by cka": align(
        "subgraph",
        lambda s: pairs.cka(s.out.patches.detach().double(), s.patch_means(s.standardised)),
        ("graph",),
        source="patch",
        measure="cka",
    ),
    "subgraphs by cka": align(
        "subgraph", lambda s: pairs.cka(*s.subgraph_means("ego", s.student, s.standardised)), ("graph",), measure="cka"
    ),
    "graphs by infonce": align(
        "graph", lambda s: pairs.infonce(*s.units(False, "align_graph"), 0.1), ("graph",), measure="infonce"
    ),
    "cluster prototypes": align(
        "graph",
        lambda s: plain.align_mse(*s.prototypes("clusters", s.projected("align_graph"), s.standardised)),
        ("node", "some"),
        prototypes="clusters",
    ),
    "reused head": align(
        "node", lambda s: plain.align_mse(s.out.projected.detach().double(), s.standardised), reuse_head=True
    ),
    "fitnet": baseline("fitnet", lambda s: plain.align_mse(s.projected("baseline_fitnet"), s.raw)),
    "simkd": baseline("fitnet", lambda s: plain.align_mse(restored(s), s.raw), reuse_head=True),
    "at": baseline("at", lambda s: structure.attention_transfer(s.world, s.student, s.raw)),
    "dist": baseline("dist", dist),
    "sp": between("sp", pairs.similarity_preserving),
    "rkd_distance": between("rkd_distance", pairs.rkd_distance),
    "rkd_angle": between("rkd_angle", pairs.rkd_angle, SOME),
    "pkt": between("pkt", plain.graph_relation_pkt),
    "crd": between("crd", lambda s, t: pairs.crd(s, t, 0.07), projected=True),
    "gcrd": baseline("gcrd", lambda s: pairs.infonce(s.projected("baseline_gcrd"), s.raw, 0.075)),
    "mugsi_graph": baseline("mugsi_graph", lambda s: pairs.mugsi_graph(*prototypes_or_graphs(s))),
    "mugsi_cluster": baseline("mugsi_cluster", lambda s: structure.mugsi_clusters(s.world, s.student, s.raw)),
    "mugsi_path": baseline("mugsi_path", lambda s: structure.mugsi_paths(s.world, s.student, s.raw), walk_length=WALK),
}
for kernel in ("cosine", "polynomial", "rbf"):
    CASES[f"lsp {kernel}"] = baseline(
        "lsp", lambda s, k=kernel: structure.lsp(s.world, s.student, s.raw, k, 1.5), kernel=kernel, bandwidth=1.5
    )
    CASES[f"gsp {kernel}"] = baseline(
        "gsp", lambda s, k=kernel: structure.gsp(s.student, s.raw, k, 1.5), kernel=kernel, bandwidth=1.5
    )


def prototypes_or_graphs(scene: Scene) -> list[Tensor]:
    student, teacher = scene.units(raw=True, name="baseline_mugsi_graph")
    return [student, teacher] if scene.level == "graph" else scene.prototypes("classes", student, teacher)
