"""Any scores: what a table says of them does not hang on what it should not."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores_of_runs import RMSE, table

from gnn_distill.results.comparison import BETTER, WORSE
from gnn_distill.results.significance import TESTS, holm
from gnn_distill.results.tables import Cell, Comparison

P_VALUES = st.lists(st.floats(0, 1) | st.just(math.nan), max_size=10)
SCORES = st.lists(st.integers(0, 1000).map(lambda score: score / 1000), min_size=5, max_size=5)
KINDS = st.sampled_from(list(TESTS))
MIRRORED = {"": "", BETTER: WORSE, WORSE: BETTER}


@given(P_VALUES)
def test_holm_keeps_the_order_and_lowers_nothing(values: list[float]) -> None:
    p = pd.Series(values, dtype=float)
    adjusted = holm(p)
    assert adjusted.isna().equals(p.isna())
    known = sorted(zip(p.dropna(), adjusted.dropna(), strict=True))
    assert all(before <= after <= 1 for before, after in known)
    assert [after for _, after in known] == sorted(adjusted.dropna())
    rejected = [(len(p) - place) * before for place, (before, _) in enumerate(known)]
    assert [after for _, after in known] == [min(1, max(rejected[: place + 1])) for place in range(len(known))]


@given(P_VALUES, st.floats(0, 1) | st.just(math.nan))
def test_one_more_comparison_never_helps_the_others(values: list[float], more: float) -> None:
    alone, together = (holm(pd.Series(some, dtype=float)) for some in (values, [*values, more]))
    assert all(one <= other for one, other in zip(alone.dropna(), together[: len(values)].dropna(), strict=True))


def cell(of: str, kd: list[float], full: list[float], **more: object) -> Cell:
    return table({"kd": kd, "full": full}, **more).cells[of, "data"]


def compared(kd: list[float], full: list[float], **more: object) -> Comparison:
    return cell("full", kd, full, **more).comparison


def same(value: float) -> object:
    return pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True)


@given(SCORES, SCORES, KINDS, st.integers(-10_000, 10_000))
def test_a_constant_added_to_all_scores_changes_no_difference(
    kd: list[float], full: list[float], test: str, constant: int
) -> None:
    before = compared(kd, full, test=test)
    after = compared([score + constant for score in kd], [score + constant for score in full], test=test)
    assert after.effect == same(before.effect)
    assert after.outcome[1:] == same(before.outcome[1:])
    assert after.mark == before.mark


@given(SCORES, SCORES, KINDS)
def test_rows_that_change_places_change_the_sign_of_the_effect(kd: list[float], full: list[float], test: str) -> None:
    one, other = compared(kd, full, test=test), compared(full, kd, test=test)
    assert other.effect == same((-one.effect.mean, -one.effect.high, -one.effect.low, one.effect.n))
    assert other.outcome.p == same(one.outcome.p)
    assert other.mark == MIRRORED[one.mark]


@given(SCORES, SCORES, KINDS)
def test_errors_are_scores_with_the_other_sign(kd: list[float], full: list[float], test: str) -> None:
    errors = [-score for score in kd], [-score for score in full]
    one, other = cell("full", kd, full, test=test), cell("full", *errors, **RMSE, test=test)
    assert other.mean == same(-one.mean)
    assert (other.best, other.second) == (one.best, one.second)
    assert other.comparison.effect == same(one.comparison.effect)
    assert other.comparison.outcome[1:] == same(one.comparison.outcome[1:])


@given(SCORES, SCORES, KINDS, st.permutations(range(5)))
def test_seeds_in_another_order_say_the_same(kd: list[float], full: list[float], test: str, order: list[int]) -> None:
    one = compared(kd, full, test=test)
    other = compared([kd[place] for place in order], [full[place] for place in order], test=test)
    assert other.effect == same(one.effect)
    assert other.outcome[1:] == same(one.outcome[1:])
