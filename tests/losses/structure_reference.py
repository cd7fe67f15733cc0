"""Slow plain references of losses that read the structure of graphs: loops over graphs, nodes and pairs, in float64."""

import math
from collections.abc import Callable, Sequence

import torch
from loss_reference import cosine, kl, softmax
from torch import Tensor
from worlds import HEADS, World

Matrix = dict[tuple[int, int], float]


def mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)


def dot(a: Tensor, b: Tensor) -> float:
    return sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def square(a: Tensor, b: Tensor) -> float:
    return sum((x - y) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True))


def edges(world: World) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in world.edge_index.T.tolist()]


def hops(world: World) -> dict[tuple[int, int], int]:
    """Edges from the first to the second node along their direction; pairs without a path are absent."""
    result = {}
    for nodes in world.graphs:
        for start in nodes:
            frontier, distance = {start}, 0
            while frontier:
                result.update({(start, node): distance for node in frontier})
                distance += 1
                frontier = {b for a, b in edges(world) if a in frontier and (start, b) not in result}
    return result


def support(world: World, node: int, radius: int) -> list[int]:
    """Nodes whose messages reach `node` in `radius` steps."""
    distance = hops(world)
    return [j for j in range(sum(world.sizes)) if distance.get((j, node), math.inf) <= radius]


def propagation(world: World, radius: int) -> Matrix:
    step = {}
    for node in range(sum(world.sizes)):
        senders = {node} | {a for a, b in edges(world) if b == node}
        step |= {(node, j): 1 / len(senders) for j in senders}
    return power(step, radius)


def gat(world: World, radius: int) -> Matrix:
    step = {(i, i): value for i, value in enumerate(world.self_attention.tolist())}
    for (a, b), value in zip(edges(world), world.edge_attention.tolist(), strict=True):
        step[b, a] = step.get((b, a), 0.0) + value
    return power(step, radius)


def cosine_target(world: World, teacher: Tensor, radius: int, tau: float) -> Matrix:
    result = {}
    for node in range(len(teacher)):
        near = support(world, node, radius)
        values = softmax([cosine(teacher[node], teacher[j]) / tau for j in near])
        result |= {(node, j): value for j, value in zip(near, values, strict=True)}
    return result


def power(step: Matrix, exponent: int) -> Matrix:
    result = step
    for _ in range(exponent - 1):
        longer: Matrix = {}
        for (i, j), a in result.items():
            for (k, m), b in step.items():
                if j == k:
                    longer[i, m] = longer.get((i, m), 0.0) + a * b
        result = longer
    return result


def attention(
    world: World, logit: Callable[[int, int, int], float], target: Matrix, radius: int, shape: bool, heads: int = HEADS
) -> float:
    values = []
    for nodes in world.graphs:
        for i in nodes:
            keys = support(world, i, radius) if shape else list(nodes)
            for head in range(heads):
                q = softmax([logit(head, i, j) for j in keys])
                values.append(kl([target.get((i, j), 0.0) for j in keys], q))
    return mean(values)


def edge_difference(world: World, student: Tensor, teacher: Tensor) -> float:
    values = []
    for i in range(len(student)):
        near = [a for a, b in edges(world) if b == i and a != b]
        if near:
            values.append(
                mean([square(student[i] - student[j], teacher[i] - teacher[j]) / student.size(1) for j in near])
            )
    return mean(values)


def distance_profile(
    world: World, student: Tensor, teacher: Tensor, buckets: int, among: Sequence[int] | None = None
) -> float:
    distance, per_graph = hops(world), []
    for graph in world.graphs:
        gaps: dict[int, list[float]] = {}
        nodes = [i for i in graph if among is None or i in among]
        for i in nodes:
            for j in nodes:
                if i != j:
                    bucket = min(distance.get((i, j), math.inf), buckets + 1) if (i, j) in distance else -1
                    gaps.setdefault(bucket, []).append(cosine(student[i], student[j]) - cosine(teacher[i], teacher[j]))
        if gaps:
            per_graph.append(mean([mean(values) ** 2 for values in gaps.values()]))
    return mean(per_graph)


def distribution(world: World, student: Tensor, teacher: Tensor, bandwidths: list[float]) -> float:
    def kernel(a: Tensor, b: Tensor) -> float:
        return mean([math.exp(-square(a, b) / (2 * sigma**2)) for sigma in bandwidths])

    values = []
    for nodes in world.graphs:
        ss, tt, st = (
            mean([kernel(a[i], b[j]) for i in nodes for j in nodes])
            for a, b in ((student, student), (teacher, teacher), (student, teacher))
        )
        values.append(ss + tt - 2 * st)
    return mean(values)


def lsp(world: World, student: Tensor, teacher: Tensor, kernel: str, bandwidth: float) -> float:
    """A value an edge, as in the published code: p·(log p − log q), p and q shares among the edges to one node."""
    values = []
    for i in range(len(student)):
        near = [a for a, b in edges(world) if b == i and a != b]
        p, q = (softmax([similarity(h[i], h[j], kernel, bandwidth) for j in near] or [0.0]) for h in (teacher, student))
        values += [share * math.log(share / other) for share, other in zip(p, q, strict=True)][: len(near)]
    return mean(values)


def gsp(student: Tensor, teacher: Tensor, kernel: str, bandwidth: float) -> float:
    nodes = range(len(student))
    return mean(
        [
            (
                similarity(student[i], student[j], kernel, bandwidth)
                - similarity(teacher[i], teacher[j], kernel, bandwidth)
            )
            ** 2
            for i in nodes
            for j in nodes
        ]
    )


def similarity(a: Tensor, b: Tensor, kernel: str, bandwidth: float) -> float:
    if kernel == "rbf":
        return math.exp(-square(a, b) / (2 * bandwidth**2))
    return cosine(a, b) ** (2 if kernel == "polynomial" else 1)


def attention_transfer(world: World, student: Tensor, teacher: Tensor) -> float:
    values = []
    for nodes in world.graphs:
        maps = []
        for h in (student, teacher):
            energy = [dot(h[i], h[i]) for i in nodes]
            length = math.sqrt(sum(q**2 for q in energy))
            maps.append([q / length for q in energy])
        values.append(sum((a - b) ** 2 for a, b in zip(*maps, strict=True)))
    return mean(values)


def mugsi_clusters(world: World, student: Tensor, teacher: Tensor) -> float:
    values = []
    for nodes in world.graphs:
        clusters = sorted({int(world.cluster[i]) for i in nodes})
        members = [[i for i in nodes if int(world.cluster[i]) == cluster] for cluster in clusters]
        s, t = ([torch.stack([h[i] for i in some]).mean(dim=0) for some in members] for h in (student, teacher))
        pairs = [(a, b) for a in range(len(members)) for b in range(len(members))] if len(members) > 2 else []
        values.append(sum((cosine(s[a], s[b]) - cosine(t[a], t[b])) ** 2 for a, b in pairs) / 2)
    return mean(values)


def mugsi_paths(world: World, student: Tensor, teacher: Tensor) -> float:
    values = []
    for first, *later in world.walks.tolist():
        p, q = (softmax([dot(h[first], h[j]) for j in later]) for h in (teacher, student))
        values.append(kl(p, q))
    return mean(values)
