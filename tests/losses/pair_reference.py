"""Slow plain references of losses between rows that know no graph: loops over rows, pairs and triples, in float64."""

import math
from itertools import permutations

import torch
from loss_reference import cosine, kl, smooth_l1, softmax
from structure_reference import dot, mean, square
from torch import Tensor


def cka(student: Tensor, teacher: Tensor) -> float:
    """By Gram matrices, as Song et al. (2012) write the unbiased estimator of HSIC, which four rows have."""
    if len(student) < 4:
        return 0.0

    def hsic(x: Tensor, y: Tensor) -> float:
        n = len(x)
        k, l = (  # noqa: E741
            [[dot(h[i], h[j]) if i != j else 0.0 for j in range(n)] for i in range(n)] for h in (x, y)
        )
        trace = sum(k[i][j] * l[j][i] for i in range(n) for j in range(n))
        sums = sum(map(sum, k)) * sum(map(sum, l)) / ((n - 1) * (n - 2))
        both = sum(k[i][j] * l[j][m] for i in range(n) for j in range(n) for m in range(n))
        return (trace + sums - 2 / (n - 2) * both) / (n * (n - 3))

    return 1 - hsic(student, teacher) / math.sqrt(hsic(student, student) * hsic(teacher, teacher))


def infonce(student: Tensor, teacher: Tensor, tau: float) -> float:
    rows = range(len(student))
    return mean([-math.log(softmax([cosine(student[i], teacher[j]) / tau for j in rows])[i]) for i in rows])


def soft_contrast(student: Tensor, teacher: Tensor, anchors: Tensor, tau: float) -> float:
    values = []
    for s, t in zip(student, teacher, strict=True):
        p, q = (softmax([cosine(row, anchor) / tau for anchor in anchors]) for row in (t, s))
        values.append(kl(p, q))
    return mean(values)


def contrast(student: Tensor, teacher: Tensor, tau: float) -> float:
    return soft_contrast(student, teacher, teacher, tau)


def crd(student: Tensor, teacher: Tensor, tau: float) -> float:
    return (infonce(student, teacher, tau) + infonce(teacher, student, tau)) / 2


def similarity_preserving(student: Tensor, teacher: Tensor) -> float:
    rows = range(len(student))

    def gram(h: Tensor) -> list[list[float]]:
        products = [[dot(h[i], h[j]) for j in rows] for i in rows]
        return [[value / math.sqrt(sum(x**2 for x in row)) for value in row] for row in products]

    s, t = gram(student), gram(teacher)
    return mean([(s[i][j] - t[i][j]) ** 2 for i in rows for j in rows])


def rkd_distance(student: Tensor, teacher: Tensor) -> float:
    pairs = list(permutations(range(len(student)), 2))

    def distances(h: Tensor) -> list[float]:
        values = [math.sqrt(square(h[i], h[j])) for i, j in pairs]
        return [value / mean(values) for value in values]

    return mean([smooth_l1(a - b) for a, b in zip(distances(student), distances(teacher), strict=True)])


def rkd_angle(student: Tensor, teacher: Tensor) -> float:
    def angle(h: Tensor, i: int, j: int, k: int) -> float:
        return cosine(h[i] - h[j], h[k] - h[j])

    triples = permutations(range(len(student)), 3)
    return mean([smooth_l1(angle(student, *some) - angle(teacher, *some)) for some in triples])


def mugsi_graph(student: Tensor, teacher: Tensor) -> float:
    return mean([square(s / s.norm(), t / t.norm()) / len(s) for s, t in zip(student, teacher, strict=True)])


def group_means(rows: Tensor, label: Tensor) -> Tensor:
    groups = sorted(set(label.tolist()))
    return torch.stack([rows[[i for i, value in enumerate(label.tolist()) if value == g]].mean(dim=0) for g in groups])
