"""Linear models of nodes: on their features, and on these smoothed over the graph, as SGC does (Wu et al. 2019)."""

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array, diags_array, eye_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.models.floors.forests import of_all_classes

Columns = csr_array | np.ndarray
"""Features [examples, columns]."""
DENSE = 0.2
"""Share of features that are not 0 from which they are kept as a plain array."""
STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse strengths of the penalty, of which the best on validation is kept."""
MOST_ITERATIONS = 100


def node_features(graphs: PackedGraphs, features: Features) -> Columns:
    """[nodes, columns]: continuous ones as models read them, categorical ones one-hot."""
    if features.kind == "categorical":
        offsets = np.cumsum([0, *features.sizes[:-1]])
        columns = (graphs.x.numpy() + offsets).ravel()
        ptr = np.arange(0, len(columns) + 1, features.width)
        return csr_array((np.ones(len(columns), np.float32), columns, ptr), (len(graphs.x), sum(features.sizes)))
    x = graphs.x.numpy().astype(np.float32)
    if features.mean:
        x = (x - np.array(features.mean, np.float32)) / np.array(features.std, np.float32)
    return csr_array(x) if np.count_nonzero(x) < DENSE * x.size else x


def smoothing(graphs: PackedGraphs) -> csr_array:
    """[nodes, nodes]: S = D^(-1/2) (A + I) D^(-1/2), where A_ij = 1 for an edge from j to i, D_ii = Σ_j (A + I)_ij."""
    size, (source, target) = len(graphs.x), graphs.global_edge_index.numpy()
    loops = csr_array(eye_array(size, dtype=np.float32))
    joined = csr_array((np.ones(len(source), np.float32), (target, source)), (size, size)).maximum(loops)
    scale = diags_array((joined.sum(axis=1) ** -0.5).astype(np.float32))
    return csr_array(scale @ joined @ scale)


def linear_predictions(
    train: Columns,
    y: Float[np.ndarray, "taught targets"],
    spec: TaskSpec,
    score: Callable[[Callable[[Columns], Float[np.ndarray, "examples outputs"]]], float],
) -> Callable[[Columns], Float[np.ndarray, "examples outputs"]]:
    """A function from features [examples, columns] to probabilities, or values in original units.

    Every target is fitted to the examples whose label is known. `score` says of such a function how good it is on
    validation, higher is better: it chooses the strength of the penalty.
    """
    candidates = [_fitted(train, y, spec, strength) for strength in STRENGTHS]
    scores = np.nan_to_num([score(candidate) for candidate in candidates], nan=-np.inf)
    return candidates[int(np.argmax(scores))]


def _fitted(train: Columns, y: np.ndarray, spec: TaskSpec, strength: float) -> Callable[[Columns], np.ndarray]:
    models = []
    for column in y.T:
        known = ~np.isnan(column)
        seen = np.unique(column[known])
        if spec.kind == "regression":
            models.append(Ridge(1 / strength).fit(train[known], column[known]) if len(seen) else None)
        elif len(seen) < 2:
            models.append(seen)
        else:
            with warnings.catch_warnings():  # more iterations change little of a floor
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS)
                models.append(model.fit(train[known], column[known].astype(int)))

    def predict(x: Columns) -> np.ndarray:
        if spec.kind == "regression":
            return np.stack([np.zeros(x.shape[0]) if one is None else one.predict(x) for one in models], axis=1)
        if spec.kind == "multiclass":
            return _shares(models[0], x, spec.num_outputs)
        return np.stack([_shares(one, x, 2)[:, 1] for one in models], axis=1)

    return predict


def _shares(model: LogisticRegression | np.ndarray, x: Columns, classes: int) -> Float[np.ndarray, "examples classes"]:
    """Probabilities; of a target of which one class was seen that class, of one without any label all alike."""
    if isinstance(model, LogisticRegression):
        return of_all_classes(model.predict_proba(x), model.classes_, classes)
    if not len(model):
        return np.full((x.shape[0], classes), 1 / classes)
    return of_all_classes(np.ones((x.shape[0], 1)), model, classes)
