"""What runs share of probes: found again only where nothing that determines it differs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from probed_graphs import SETTINGS, Scene, scene_of

from gnn_distill.analysis import examine as module
from gnn_distill.analysis.examine import examine
from gnn_distill.analysis.shared import digest
from gnn_distill.analysis.states import Subject
from gnn_distill.config.schema.data import FarMotifConfig, PathsConfig
from gnn_distill.config.schema.probe import ProbeSettings
from gnn_distill.data.sources.far_motif import load
from gnn_distill.storage.store import Store

QUICK = replace(SETTINGS, untrained=1, resamples=100, layers="last", folds=3)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of(load(FarMotifConfig(num_train=10, num_val=10, num_test=10), PathsConfig()))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each model that is examined, and not found, is a twin."""
    calls, real = [], module.examine_one

    def count(*args: object) -> object:
        calls.append(args[-1])
        return real(*args)

    monkeypatch.setattr(module, "examine_one", count)
    return calls


def subject(scene: Scene, seed: int, spd: bool = True) -> Subject:
    return scene.subject(np.random.default_rng(seed).standard_normal((len(scene.held.unit), 4)), spd)


def run(scene: Scene, store: Store | None, settings: ProbeSettings = QUICK, **subjects: Subject) -> dict:
    return examine(scene.task, subjects, scene.held, scene.types, scene.targets, settings, store=store)


def test_rows_of_a_table_pay_for_twins_and_teacher_once_and_find_the_same(
    scene: Scene, examined: list[bool], tmp_path: Path
) -> None:
    settings, store = replace(QUICK, untrained=2), Store(tmp_path)
    teacher = subject(scene, 0)
    for number, row in enumerate([subject(scene, 1), subject(scene, 2)]):
        shared = run(scene, store, settings, teacher=teacher, student=row)
        # Twins of teacher and student are built alike here: their states are the same, and so is what is found.
        assert examined == ([False, True, True, False] if number == 0 else [False])
        examined.clear()
        plain = run(scene, None, settings, teacher=teacher, student=row)
        assert digest(shared) == digest(plain)
        examined.clear()


@pytest.mark.parametrize("change", ["hops of the far range", "told", "another teacher"])
def test_whatever_else_is_asked_is_examined_again(
    scene: Scene, examined: list[bool], tmp_path: Path, change: str
) -> None:
    store = Store(tmp_path)
    run(scene, store, teacher=subject(scene, 0))
    examined.clear()
    settings = replace(QUICK, far=[4, 8]) if change == "hops of the far range" else QUICK
    other = subject(scene, int(change == "another teacher"), spd=change != "told")
    run(scene, store, settings, teacher=other)
    assert examined == ([False] if change == "another teacher" else [False, True])


def test_more_twins_add_to_those_that_are_known(scene: Scene, examined: list[bool], tmp_path: Path) -> None:
    store = Store(tmp_path)
    run(scene, store, teacher=subject(scene, 0))
    examined.clear()
    run(scene, store, replace(QUICK, untrained=3), teacher=subject(scene, 0))
    assert examined == [True, True]


def test_a_digest_knows_every_part() -> None:
    values = np.arange(6, dtype=np.float32)
    same = [{"a": values, "b": [1, "x"]}, {"a": values.copy(), "b": (1, "x")}]
    others = [
        {"a": values.reshape(2, 3), "b": [1, "x"]},
        {"a": values.astype(np.float64), "b": [1, "x"]},
        {"a": values + np.eye(6, dtype=np.float32)[5], "b": [1, "x"]},
        {"a": values, "b": [1], "c": "x"},
        {"b": values, "a": [1, "x"]},
        {"a": values, "b": [1, None]},
        replace(SETTINGS, seed=3),
        replace(SETTINGS, seed=4),
    ]
    assert len({digest(value) for value in same}) == 1
    assert len({digest(value) for value in [same[0], *others]}) == 1 + len(others)
