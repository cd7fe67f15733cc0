"""Losses on a small fixed batch: the published ones by their authors' formulas, in numpy, and all as recorded.

Losses and their plain references could change together; these numbers would not.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.losses import alignment, macro, micro, soft
from gnn_distill.losses.contrast import contrast, soft_contrast
from gnn_distill.losses.published import states as baselines
from gnn_distill.losses.published import structure as structure_baselines
from gnn_distill.losses.published.predictions import dist

# Two graphs: a ring of four with one chord, and a path of three; both directions of every edge.
PAIRS = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (4, 5), (5, 6)]
EDGES = np.array([*PAIRS, *((b, a) for a, b in PAIRS)]).T
GRAPH = np.array([0, 0, 0, 0, 1, 1, 1])
K = np.arange(7 * 3).reshape(7, 3)
S, T = np.sin(1.3 * K + 0.2), np.cos(0.7 * K) + 0.1 * K / 20
STUDENT, TEACHER, EDGE_INDEX, BATCH = (torch.from_numpy(values) for values in (S, T, EDGES, GRAPH))
WALKS = torch.tensor([[0, 1, 2], [4, 5, 4], [3, 0, 2]])


def unit(h: np.ndarray) -> np.ndarray:
    return h / np.linalg.norm(h, axis=-1, keepdims=True)


def shares(similarity: np.ndarray) -> np.ndarray:
    """A softmax over the edges to each node."""
    weights, target = np.exp(similarity), EDGES[1]
    return weights / np.array([weights[target == node].sum() for node in target])


def published_lsp() -> float:
    """F.kl_div(log q, p), whose default is a mean over entries: directed edges."""
    p, q = (shares((unit(h)[EDGES[0]] * unit(h)[EDGES[1]]).sum(-1)) for h in (T, S))
    return float((p * (np.log(p) - np.log(q))).mean())


def published_gsp() -> float:
    return float(((unit(S) @ unit(S).T - unit(T) @ unit(T).T) ** 2).mean())


def published_gcrd() -> float:
    logits = unit(S) @ unit(T).T / 0.075
    return float((np.log(np.exp(logits).sum(1)) - np.diag(logits)).mean())


def published_fitnet_on_graphs() -> float:
    return float(((unit(S) - unit(T)) ** 2).mean())


def published_sp() -> float:
    return float(((unit(S @ S.T) - unit(T @ T.T)) ** 2).sum() / len(S) ** 2)


def published_paths() -> float:
    """MuGSI: KL of softmaxes of dot products with a walk's first node, a mean over walks."""
    walks = WALKS.numpy()
    logits = [np.einsum("wd,wld->wl", h[walks[:, 0]], h[walks[:, 1:]]) for h in (T, S)]
    p, q = (np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in logits)
    return float((p * (np.log(p) - np.log(q))).sum(1).mean())


def published_dist() -> float:
    """Correlations of softmaxes, over classes and over examples."""
    s, t = (np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in (S, T))

    def relation(a: np.ndarray, b: np.ndarray) -> float:
        return 1 - np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])

    return float(relation(s, t) + relation(s.T, t.T))


def published_soft_targets() -> float:
    """KLDivLoss(reduction="batchmean") · τ²."""
    p, q = (np.exp(z / 4) / np.exp(z / 4).sum(1, keepdims=True) for z in (T, S))
    return float(16 * (p * (np.log(p) - np.log(q))).sum(1).mean())


LOSSES: dict[str, Callable[[], torch.Tensor]] = {
    "lsp": lambda: structure_baselines.lsp(STUDENT, TEACHER, EDGE_INDEX),
    "gsp": lambda: structure_baselines.gsp(STUDENT, TEACHER),
    "gcrd": lambda: baselines.gcrd(STUDENT, TEACHER),
    "mugsi_graph": lambda: baselines.mugsi_graph(STUDENT, TEACHER),
    "sp": lambda: baselines.similarity_preserving(STUDENT, TEACHER),
    "mugsi_paths": lambda: structure_baselines.mugsi_paths(STUDENT, TEACHER, WALKS),
    "soft_classes": lambda: soft.soft_classes(STUDENT, TEACHER, 4.0),
    "lsp rbf": lambda: structure_baselines.lsp(STUDENT, TEACHER, EDGE_INDEX, "rbf"),
    "gsp rbf": lambda: structure_baselines.gsp(STUDENT, TEACHER, "rbf"),
    "at": lambda: baselines.attention_transfer(STUDENT, TEACHER, BATCH, 2),
    "rkd_distance": lambda: baselines.rkd_distance(STUDENT, TEACHER),
    "rkd_angle": lambda: baselines.rkd_angle(STUDENT, TEACHER),
    "pkt": lambda: macro.graph_relation_pkt(STUDENT, TEACHER),
    "crd": lambda: baselines.crd(STUDENT, TEACHER),
    "mse": lambda: alignment.align_mse(STUDENT, TEACHER),
    "cosine": lambda: alignment.align_cosine(STUDENT, TEACHER),
    "cka": lambda: alignment.align_cka(STUDENT, TEACHER),
    "relation": lambda: micro.neighbourhood_relation(STUDENT, TEACHER, EDGE_INDEX),
    "edge": lambda: micro.edge_difference(STUDENT, TEACHER, EDGE_INDEX),
    "graph_relation": lambda: macro.graph_relation_cosine(STUDENT, TEACHER),
    "soft_binary": lambda: soft.soft_binary(STUDENT, TEACHER, 4.0),
    "dist": lambda: dist(STUDENT, TEACHER, "multiclass"),
    "soft_contrast": lambda: soft_contrast(STUDENT, TEACHER, TEACHER[:3] + 0.5),
    "contrast": lambda: contrast(STUDENT, TEACHER),
    "soft_regression": lambda: soft.soft_regression(STUDENT, TEACHER),
}
PUBLISHED = {
    "lsp": published_lsp,
    "gsp": published_gsp,
    "gcrd": published_gcrd,
    "mugsi_graph": published_fitnet_on_graphs,
    "sp": published_sp,
    "mugsi_paths": published_paths,
    "soft_classes": published_soft_targets,
    "dist": published_dist,
}
RECORDED = {
    "lsp": 0.0144350606782,
    "gsp": 0.379439251579,
    "gcrd": 10.4281003943,
    "mugsi_graph": 0.632003933365,
    "sp": 0.101514440653,
    "mugsi_paths": 0.0126877790919,
    "soft_classes": 0.401392459704,
    "lsp rbf": 0.00329384969358,
    "gsp rbf": 0.092739066015,
    "at": 0.0956375411981,
    "rkd_distance": 0.130319211544,
    "rkd_angle": 0.221661919126,
    "pkt": 0.561740039047,
    "crd": 11.7954881835,
    "mse": 0.966935108798,
    "cosine": 0.948005900048,
    "cka": 0.597773232465,
    "relation": 0.571285260575,
    "edge": 2.94585563711,
    "graph_relation": 0.442679126842,
    "soft_binary": 0.120307413502,
    "dist": 2.80791964911,
    "soft_contrast": 4.69454916435,
    "contrast": 7.23439358516,
    "soft_regression": 0.423213702722,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_authors_formula_and_reduction(name: str) -> None:
    assert float(LOSSES[name]()) == pytest.approx(PUBLISHED[name](), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_the_number_that_was_recorded(name: str) -> None:
    assert float(LOSSES[name]()) == pytest.approx(RECORDED[name], rel=1e-9)


@pytest.mark.parametrize(
    ("preset", "key", "value"),
    [
        ("lsp", "baseline.lsp", 100),  # scripts of Joshi et al. 2022 on PPI and ogbn-arxiv
        ("gcrd", "baseline.gcrd", 0.1),  # the same on PPI
        ("dist", "baseline.dist", 1),  # code of Huang et al. 2022 for segmentation: both weights 1, no temperature
        ("dist", "soft.temperature", 1),
        ("mugsi", "soft.temperature", 1),  # example of Yao et al. 2024, as the next four
        ("mugsi", "weights.soft", 1),
        ("mugsi", "baseline.mugsi_graph", 0.01),
        ("mugsi", "baseline.mugsi_cluster", 0.01),
        ("mugsi", "baseline.mugsi_path", 0.0001),
    ],
)
def test_what_a_preset_has_of_its_source(preset: str, key: str, value: float) -> None:
    assert OmegaConf.select(OmegaConf.load(CONF_DIR / "loss" / f"{preset}.yaml"), key) == value
