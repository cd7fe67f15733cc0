"""Any state and any rows: what is written comes back, and a byte that changed is noticed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import Damaged
from gnn_distill.storage.run_directory import RunDirectory, read_metrics

TEXT = st.text("ab01/,; \"'\\\n\r\0é😀", max_size=3)
"""Of characters that mean something to some format, and few, so that names collide if they can."""


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Of every type and up to three dimensions, of which some are empty; some are views that lie across memory."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    size = math.prod(shape) * 8
    raw = torch.tensor(list(draw(st.binary(min_size=size, max_size=size))), dtype=torch.uint8)
    dtype = draw(st.sampled_from(list(checkpoint.DTYPES)))
    if dtype == torch.bool:
        raw = raw % 2
    values = raw.view(dtype)[: math.prod(shape)].reshape(shape)  # any bits: NaN, infinities, subnormal numbers
    return values.T if draw(st.booleans()) and len(shape) == 2 else values


NUMBERS = st.integers() | st.floats()
STATES = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXT | tensors(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.integers(), inner, max_size=4),
        max_leaves=8,
    ),
    max_size=4,
)


def same(one: Any, other: Any) -> bool:
    """In type and value, where NaN equals NaN, and dictionaries have their keys in one order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        alike = one.shape == other.shape and one.dtype == other.dtype
        return alike and bits(one) == bits(other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def bits(values: torch.Tensor) -> list[int]:
    return values.contiguous().reshape(-1).view(torch.uint8).tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@given(state=STATES)
@example({"a/b": torch.zeros(1), "a": {"b": torch.ones(2)}})
@example({"a": {1: torch.zeros(1), "1": torch.ones(2)}, "a/1'": torch.ones(3)})
def test_any_state_comes_back(folder: Path, state: dict[str, Any]) -> None:
    checkpoint.save(folder / "state", state)
    assert same(checkpoint.load(folder / "state"), state)


@given(state=STATES, place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_byte_of_any_state_counts(folder: Path, state: dict[str, Any], place: float, change: int) -> None:
    path = folder / "state"
    checkpoint.save(path, state)
    raw = bytearray(path.read_bytes())
    raw[int(place * len(raw))] ^= change
    path.write_bytes(raw)
    with pytest.raises(Damaged):
        checkpoint.load(path)


COLUMNS = TEXT.filter(lambda name: "\r" not in name)
ROWS = st.lists(
    st.tuples(st.sampled_from(["teacher", "student"]), st.dictionaries(COLUMNS, NUMBERS, max_size=4)), max_size=6
)


@given(rows=ROWS)
def test_any_rows_of_metrics_come_back(folder: Path, rows: list[tuple[str, dict[str, float]]]) -> None:
    """At once after each, whatever columns they bring; what a stage never had is left out."""
    run = RunDirectory(folder / "run")
    for epoch, (stage, values) in enumerate(rows):
        run.append_metrics({"stage": stage, "epoch": epoch, **values})
        read = read_metrics(run.path)
        so_far = [{"epoch": number, **more} for number, (name, more) in enumerate(rows[: epoch + 1]) if name == stage]
        columns = {column for row in so_far for column in row}
        expected = {column: [float(row.get(column, "nan")) for row in so_far] for column in columns}
        assert read[stage].keys() == columns
        assert all(repr(read[stage][column]) == repr(expected[column]) for column in columns)
