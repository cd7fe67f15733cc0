"""Slow plain references of the losses: loops over graphs, nodes and pairs, in float64, written from the formulas."""

import math

import torch
from torch import Tensor


def softmax(values: list[float]) -> list[float]:
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    return [weight / sum(weights) for weight in weights]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > 0)


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b) / max(float(a.norm()), 1e-6) / max(float(b.norm()), 1e-6)


def soft_classes(student: Tensor, teacher: Tensor, tau: float) -> float:
    values = [
        kl(softmax([x / tau for x in t]), softmax([x / tau for x in s]))
        for s, t in zip(student.tolist(), teacher.tolist(), strict=True)
    ]
    return tau**2 * sum(values) / len(values)


def soft_binary(student: Tensor, teacher: Tensor, tau: float, counted: Tensor | None = None) -> float:
    total, count = 0.0, 0
    for i in range(student.size(0)):
        for j in range(student.size(1)):
            if counted is None or counted[i, j]:
                p, q = (1 / (1 + math.exp(-float(z[i, j]) / tau)) for z in (teacher, student))
                total += kl([p, 1 - p], [q, 1 - q])
                count += 1
    return tau**2 * total / max(count, 1)


def smooth_l1(error: float) -> float:
    return 0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5


def soft_regression(student: Tensor, teacher: Tensor, y: Tensor | None = None) -> float:
    total = 0.0
    for i in range(student.size(0)):
        for j in range(student.size(1)):
            s, t = float(student[i, j]), float(teacher[i, j])
            label = math.nan if y is None else float(y[i, j])
            if math.isnan(label) or abs(s - label) > abs(t - label):
                total += smooth_l1(s - t)
    return total / student.numel()


def correlation(a: list[float], b: list[float]) -> float | None:
    """Pearson's; None where the second does not vary."""
    centred = [[value - sum(values) / len(values) for value in values] for values in (a, b)]
    lengths = [math.sqrt(sum(value**2 for value in values)) for values in centred]
    if lengths[1] <= 1e-6:
        return None
    return sum(x * y for x, y in zip(*centred, strict=True)) / max(lengths[0], 1e-6) / lengths[1]


def dist(student: Tensor, teacher: Tensor, kind: str, tau: float) -> float:
    if kind == "regression":
        tau, rows = 1.0, [z.tolist() for z in (student, teacher)]
    elif kind == "multiclass":
        rows = [[softmax([x / tau for x in row]) for row in z.tolist()] for z in (student, teacher)]
    else:
        rows = [[[1 / (1 + math.exp(-x / tau)) for x in row] for row in z.tolist()] for z in (student, teacher)]
    columns = [list(zip(*values, strict=True)) for values in rows]
    total = 0.0
    for sides in [columns, *([rows] if kind == "multiclass" and student.size(1) > 2 else [])]:
        found = [correlation(a, b) for a, b in zip(*sides, strict=True)]
        losses = [1 - value for value in found if value is not None]
        total += sum(losses) / max(len(losses), 1)
    return tau**2 * total


def neighbourhood_relation(student: Tensor, teacher: Tensor, edge_index: Tensor, tau: float) -> float:
    values = []
    for node in range(len(student)):
        neighbours = [j for j, i in edge_index.T.tolist() if i == node and j != node]
        if len(neighbours) >= 2:
            p, q = (softmax([cosine(h[node], h[j]) / tau for j in neighbours]) for h in (teacher, student))
            values.append(kl(p, q))
    return sum(values) / max(len(values), 1)


def graph_relation_cosine(student: Tensor, teacher: Tensor) -> float:
    pairs = [(i, j) for i in range(len(student)) for j in range(len(student)) if i != j]
    values = [(cosine(student[i], student[j]) - cosine(teacher[i], teacher[j])) ** 2 for i, j in pairs]
    return sum(values) / max(len(values), 1)


def graph_relation_pkt(student: Tensor, teacher: Tensor) -> float:
    def distribution(states: Tensor, i: int) -> list[float]:
        affinity = [max(1 + cosine(states[i], states[j]), 1e-6) for j in range(len(states)) if j != i]
        return [value / sum(affinity) for value in affinity]

    values = [kl(distribution(teacher, i), distribution(student, i)) for i in range(len(student))]
    return sum(values) / len(values) if len(values) > 1 else 0.0


def align_mse(student: Tensor, teacher: Tensor) -> float:
    rows, dims = student.shape
    return sum(float(student[i, k] - teacher[i, k]) ** 2 for i in range(rows) for k in range(dims)) / (rows * dims)


def align_cosine(student: Tensor, teacher: Tensor) -> float:
    return sum(1 - cosine(s, t) for s, t in zip(student, teacher, strict=True)) / len(student)


def ego_means(states: Tensor, edge_index: Tensor, radius: int) -> Tensor:
    """Mean over each node's ball, by breadth-first search over undirected edges."""
    neighbours = {i: set() for i in range(len(states))}
    for j, i in edge_index.T.tolist():
        neighbours[i].add(j)
        neighbours[j].add(i)
    means = []
    for node in range(len(states)):
        ball = {node}
        for _ in range(radius):
            ball |= {j for i in ball for j in neighbours[i]}
        means.append(torch.stack([states[i] for i in sorted(ball)]).mean(dim=0))
    return torch.stack(means)


def squared_error(logits: Tensor, y: Tensor) -> float:
    errors = [(float(z) - float(t)) ** 2 for z, t in zip(logits.flatten(), y.flatten(), strict=True) if t == t]
    return sum(errors) / max(len(errors), 1)


def binary_cross_entropy(logits: Tensor, y: Tensor, pos_weight: Tensor, smoothing: float) -> float:
    total, count = 0.0, 0
    for i in range(logits.size(0)):
        for j in range(logits.size(1)):
            label = float(y[i, j])
            if not math.isnan(label):
                label = label * (1 - smoothing) + smoothing / 2
                p = 1 / (1 + math.exp(-float(logits[i, j])))
                total -= float(pos_weight[j]) * label * math.log(p) + (1 - label) * math.log(1 - p)
                count += 1
    return total / max(count, 1)
