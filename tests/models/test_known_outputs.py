"""teacher=file: outputs that were computed elsewhere, in the units and the order in which they are said to be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_tasks import make_node_task, make_spec, make_task

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import collate
from gnn_distill.errors import UserError
from gnn_distill.models import build_teacher
from gnn_distill.models.known_outputs import check_known_outputs, read_known_outputs

RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(24, 1)) * 3


def config(folder: Path, outputs: str = "standardised", **arrays: Any) -> TeacherConfig:
    path = folder / "teacher.npz"
    np.savez(path, **arrays)
    return TeacherConfig(name="file", outputs=outputs, outputs_file=str(path))


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


@pytest.mark.parametrize(
    ("kind", "outputs", "values", "expected"),
    [
        ("binary", "standardised", Z, Z),
        ("binary", "logits", Z[:, 0], Z),
        ("binary", "standardised", np.concatenate([Z, 3 * Z], axis=1), 2 * Z),
        ("binary", "probabilities", sigmoid(Z), Z),
        ("binary", "probabilities", np.concatenate([1 - sigmoid(Z), sigmoid(Z)], axis=1), Z),
        ("binary", "logits", sigmoid(Z), sigmoid(Z)),
        ("multilabel", "probabilities", sigmoid(np.tile(Z, 2)), np.tile(Z, 2)),
        ("regression", "standardised", np.tile(Z, 2), np.tile(Z, 2)),
        ("regression", "original", np.tile(Z, 2) * [2.0, 0.5] + [3.0, -5.0], np.tile(Z, 2)),
    ],
)
def test_outputs_are_in_the_units_of_the_task(
    kind: str, outputs: str, values: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    known = read_known_outputs(config(tmp_path, outputs, logits=values), make_spec(kind))
    torch.testing.assert_close(known.logits.double(), torch.from_numpy(expected), rtol=1e-3, atol=1e-3)
    assert (known.graph, known.by_id) == (None, False)


def test_probabilities_of_classes_become_logits(tmp_path: Path) -> None:
    shares = torch.rand(5, 3).softmax(dim=1)
    known = read_known_outputs(config(tmp_path, "probabilities", logits=shares.numpy()), make_spec("multiclass"))
    torch.testing.assert_close(known.logits.softmax(dim=1), shares)


def test_the_teacher_says_of_each_graph_what_its_row_says(tmp_path: Path) -> None:
    """Rows in another order are found by their ids; graphs without one are NaN."""
    task = make_task()
    ids = RANDOM.permutation(24)[:20]
    states = RANDOM.normal(size=(24, 5))
    for arrays in ({"logits": Z, "graph": states}, {"logits": Z[ids], "graph": states[ids], "ids": ids}):
        teacher = build_teacher(config(tmp_path, **arrays), task.spec)
        asked = torch.from_numpy(ids[[3, 0, 7]])
        out = teacher(collate(task.graphs, None, asked))
        torch.testing.assert_close(out.logits, torch.from_numpy(Z[asked]).float())
        torch.testing.assert_close(out.graph, torch.from_numpy(states[asked]).float())
        assert out.nodes == ()
    left_out = torch.from_numpy(np.setdiff1d(np.arange(int(ids.max())), ids)[:1])
    assert teacher(collate(task.graphs, None, left_out)).logits.isnan().all()


@pytest.mark.parametrize(
    ("outputs", "arrays", "message"),
    [
        ("standardised", {"logits": sigmoid(Z)}, "are between 0 and 1. Say what they are: teacher.outputs=probabil"),
        ("probabilities", {"logits": Z}, "holds no probabilities. Choose teacher.outputs=logits"),
        ("probabilities", {"logits": np.tile(sigmoid(Z), 2)}, "holds no probabilities"),
        ("logits", {"logits": np.tile(Z, 3)}, r"logits is \[24, 3\]; small needs \[graphs, 1\]"),
        ("logits", {"logits": Z, "graph": Z[:3]}, r"graph is \[3, 1\], not \[24, channels\]"),
        ("logits", {"logit": Z}, "unknown array logit. Did you mean 'logits'"),
        ("logits", {"graph": Z}, "has no array `logits`"),
        ("logits", {"logits": Z[:0]}, "logits has no rows"),
        ("logits", {"logits": np.array(["a"])}, "logits must hold numbers"),
        ("logits", {"logits": np.array([{}])}, "cannot be read"),
        ("logits", {"logits": Z, "ids": np.zeros(24, int)}, "ids must be 24 different whole numbers"),
        ("logits", {"logits": Z, "ids": np.arange(24) / 2}, "ids must be 24 different whole numbers"),
    ],
)
def test_a_file_that_is_none_is_refused(outputs: str, arrays: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_known_outputs(config(tmp_path, outputs, **arrays), make_spec())


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_a_torn_file_is_refused(content: bytes, tmp_path: Path) -> None:
    file = config(tmp_path, logits=Z)
    Path(file.outputs_file).write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read. Write it by numpy.savez"):
        read_known_outputs(file, make_spec())


def holes(part: str) -> Callable[[Any], np.ndarray]:
    def values(task: Any) -> np.ndarray:
        found = Z.copy()
        found[getattr(task.splits, part)[0]] = np.nan
        return found

    return values


def test_it_is_scored_where_it_says_something_of_all(tmp_path: Path) -> None:
    task = make_task()
    for part, scored in (("val", False), ("test", False)):
        file = config(tmp_path, logits=holes(part)(task))
        assert check_known_outputs(read_known_outputs(file, task.spec), file, task, "logits") is scored
    file = config(tmp_path, logits=Z)
    assert check_known_outputs(read_known_outputs(file, task.spec), file, task, "logits")


@pytest.mark.parametrize(
    ("give", "make", "message"),
    [
        ("logits", lambda task: {"logits": Z[:20]}, r"20 rows, but small has 24 graphs. Give one row per graph"),
        ("logits", lambda task: {"logits": Z, "ids": np.arange(1, 25)}, r"the largest id is 24, but small has 24 gra"),
        (
            "logits",
            lambda task: {"logits": Z[:1] + 9, "ids": np.array([2**60])},
            r"the largest id is 1,152,921,504,606",
        ),
        ("logits", lambda task: {"logits": holes("train")(task)}, r"logits has no finite values for 1 of 12 training"),
        ("graphs", lambda task: {"logits": Z}, r"has no graph states. Add an array `graph`"),
        (
            "graphs",
            lambda task: {"logits": Z, "graph": holes("train")(task)},
            r"graph has no finite values for 1 of 12 training graphs",
        ),
    ],
)
def test_what_is_not_known_is_refused(give: str, make: Callable, message: str, tmp_path: Path) -> None:
    task = make_task()
    file = config(tmp_path, **make(task))
    with pytest.raises(UserError, match=message):
        check_known_outputs(read_known_outputs(file, task.spec), file, task, give)


def test_of_nodes_nothing_is_known(tmp_path: Path) -> None:
    file, task = config(tmp_path, logits=np.tile(Z, 3)), make_node_task()
    with pytest.raises(UserError, match="small nodes is about nodes"):
        check_known_outputs(read_known_outputs(file, task.spec), file, task, "logits")


@pytest.mark.parametrize("said", ["standardised", "original"])
def test_a_regression_in_other_units_than_said_is_refused(said: str, tmp_path: Path) -> None:
    task = make_task("regression")
    mean, std = np.array(task.spec.target_mean), np.array(task.spec.target_std)
    labels = task.graphs.y.double().numpy() * std + mean
    task = replace(task, graphs=replace(task.graphs, y=torch.from_numpy(labels).float()))
    right = {"original": labels, "standardised": (labels - mean) / std}
    file = config(tmp_path, said, logits=right[said])
    assert check_known_outputs(read_known_outputs(file, task.spec), file, task, "logits")
    (other,) = {*right} - {said}
    file = config(tmp_path, said, logits=right[other])
    with pytest.raises(UserError, match=rf"teacher\.outputs={said}: read so, .* Set teacher\.outputs={other}\."):
        check_known_outputs(read_known_outputs(file, task.spec), file, task, "logits")
