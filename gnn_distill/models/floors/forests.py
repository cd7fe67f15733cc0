"""Random forests (Breiman 2001) on a vector per graph, for every kind of task, with missing labels."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from gnn_distill.data.task import TaskSpec

TREES, FEWEST_TREES = 100, 25
"""Of all forests of a task together, and of each of them at least."""
MOST_FORESTS = 16
SHARE = 0.1
"""Columns that a split of a regression tree may choose from; of a classification tree the root of their number."""


def number_of_forests(y: Float[np.ndarray, "examples targets"]) -> int:
    """How many forests a task needs: one for each group of targets that are known of the same examples."""
    return len([*_groups(y)])


def forest_predictions(
    train: Float[np.ndarray, "taught columns"],
    y: Float[np.ndarray, "taught targets"],
    asked: Float[np.ndarray, "examples columns"],
    spec: TaskSpec,
    seed: int,
    threads: int = 1,
) -> Float[np.ndarray, "examples outputs"]:
    """Probabilities, of binary tasks and of every label those of 1; of a regression values in original units.

    A target without any label is 0 everywhere, or of classes 1/2.
    """
    outputs = np.full((len(asked), spec.num_outputs), 0.0 if spec.kind == "regression" else 0.5)
    groups = [*_groups(y)]
    trees = max(TREES // max(len(groups), 1), FEWEST_TREES)
    kind, share = (RandomForestRegressor, SHARE) if spec.kind == "regression" else (RandomForestClassifier, "sqrt")
    for known, targets in groups:
        forest = kind(trees, max_features=share, random_state=seed % 2**32, n_jobs=threads)
        forest.fit(train[known], y[known][:, targets] if len(targets) > 1 else y[known][:, targets[0]])
        forest.n_jobs = 1  # threads would add up the trees' votes in an order left to chance
        if spec.kind == "regression":
            outputs[:, targets] = forest.predict(asked).reshape(len(asked), -1)
        elif spec.kind == "multiclass":
            outputs[:] = of_all_classes(forest.predict_proba(asked), forest.classes_, spec.num_outputs)
        else:
            found = zip(_listed(forest.predict_proba(asked)), _listed(forest.classes_), strict=True)
            for target, (shares, classes) in zip(targets, found, strict=True):
                outputs[:, target] = of_all_classes(shares, classes, 2)[:, 1]
    return outputs


def of_all_classes(
    shares: Float[np.ndarray, "examples seen"], seen: Float[np.ndarray, " seen"], classes: int
) -> Float[np.ndarray, "examples classes"]:
    """Probabilities of every class from those of the classes that were seen, 0 for the others."""
    whole = np.zeros((len(shares), classes))
    whole[:, seen.astype(int)] = shares
    return whole


def _groups(y: Float[np.ndarray, "examples targets"]) -> Iterator[tuple[Int[np.ndarray, " known"], list[int]]]:
    """The examples that are known, and the targets of which it is these; without targets of which none is."""
    alike: dict[bytes, list[int]] = {}
    present = ~np.isnan(y)
    for target in range(y.shape[1]):
        alike.setdefault(present[:, target].tobytes(), []).append(target)
    for targets in alike.values():
        if len(known := present[:, targets[0]].nonzero()[0]):
            yield known, targets


def _listed(found: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    """scikit-learn returns a list only of several targets."""
    return found if isinstance(found, list) else [found]
