import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gnn_distill.results.significance import (
    average_ranks,
    corrected_t,
    differences,
    gap_recovered,
    holm,
    interval,
    paired_t,
    smallest_effect,
    smallest_p,
    wilcoxon,
)

A = np.array([0.81, 0.79, 0.84, 0.80, 0.83])
B = np.array([0.78, 0.80, 0.79, 0.77, 0.80])


def test_paired_t_is_that_of_scipy():
    expected = stats.ttest_rel(A, B)
    outcome = paired_t(differences(A, B))
    assert (outcome.test, outcome.n) == ("paired_t", 5)
    assert outcome.statistic == pytest.approx(expected.statistic)
    assert outcome.p == pytest.approx(expected.pvalue)


def test_corrected_t_by_hand():
    # d = 1, 2, 3, 4, 5: mean 3, variance 2.5; (1/5 + 0.25) 2.5 = 1.125; t = 3 / 1.06066 = 2.82843 at 4 degrees.
    outcome = corrected_t(np.arange(1.0, 6.0), overlap=0.25)
    assert outcome.statistic == pytest.approx(2.8284271)
    assert outcome.p == pytest.approx(0.0474207, abs=1e-7)
    assert outcome.p > paired_t(np.arange(1.0, 6.0)).p


def test_corrected_t_without_overlap_is_the_paired_t():
    d = differences(A, B)
    assert corrected_t(d, 0.0)[1:] == paired_t(d)[1:]


def test_wilcoxon_is_exact():
    assert wilcoxon(np.array([1.0, 2, 3, 4, 5])).p == 2 * 2**-5
    assert wilcoxon(np.array([1.0, 2, 3, 4, -5])).p == 2 * 10 / 32  # sums of ranks 1 to 5 that are at most 5: 10
    # Ties share ranks: of |1, 1, 2| the ranks are 1.5, 1.5, 3; all negative or all positive: 2 of 8 signs.
    assert wilcoxon(np.array([1.0, 1, 2])).p == 2 / 8
    assert wilcoxon(np.array([0.0, 0, 1, 2, 3])).p == 2 / 8  # zeros are left out


@pytest.mark.parametrize("n", range(1, 9))
def test_smallest_p_of_wilcoxon_is_reached(n):
    assert wilcoxon(np.arange(1.0, n + 1)).p == pytest.approx(smallest_p("wilcoxon", n))


def test_t_tests_reach_any_p_from_two_pairs_on():
    assert smallest_p("paired_t", 1) == smallest_p("corrected_t", 1) == 1
    assert smallest_p("paired_t", 2) == 0
    assert paired_t(np.array([1.0, 1.000001])).p < 1e-6


@pytest.mark.parametrize("overlap", [0.0, 0.25])
def test_smallest_effect_has_p_alpha(overlap):
    d = np.array([-1.0, 0, 1, 2])
    d = d - d.mean() + smallest_effect(4, 0.01, overlap) * d.std(ddof=1)
    assert corrected_t(d, overlap).p == pytest.approx(0.01)
    assert smallest_effect(1, 0.01) == math.inf


@pytest.mark.parametrize("test", [paired_t, wilcoxon, lambda d: corrected_t(d, 0.25)])
def test_nothing_is_made_of_too_little(test):
    assert math.isnan(test(np.array([])).p)
    assert test(np.zeros(4)).p == 1  # nothing differs


@pytest.mark.parametrize("test", [paired_t, lambda d: corrected_t(d, 0.25)])
def test_t_of_pairs_that_differ_by_the_same_is_unknown(test):
    a = np.array([0.81, 0.84, 0.90])
    d = differences(a, a - 0.01)
    assert np.ptp(d) == 0  # though a - (a - 0.01) has rounding errors
    assert math.isnan(test(d).p)
    assert math.isnan(test(d[:1]).p)
    assert math.isnan(interval(d).low)
    assert interval(d).mean == pytest.approx(0.01)


def test_differences_keep_what_is_no_rounding_error():
    assert differences([1e-5, 3e-5], [2e-5, 1e-5]) == pytest.approx([-1e-5, 2e-5], rel=1e-9)
    assert differences([1000.0], [1000.0001]) == pytest.approx([-1e-4], rel=1e-4)
    assert not differences([0.0, 0.0], [0.0, 0.0]).any()


def test_holm_by_hand():
    p = pd.Series([0.01, 0.04, 0.03, 0.005], index=list("abcd"))
    # In order: 4 × 0.005, 3 × 0.01, 2 × 0.03, then 0.04, which may not fall below the one before.
    assert holm(p).to_dict() == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm(pd.Series([0.6, 0.7])).tolist() == [1, 1]


def test_holm_counts_what_is_missing():
    adjusted = holm(pd.Series([0.01, math.nan, 0.02], index=list("abc")))
    assert adjusted["a"] == pytest.approx(0.03)
    assert adjusted["c"] == pytest.approx(0.04)
    assert math.isnan(adjusted["b"])


def test_interval_by_t_is_that_of_scipy():
    expected = stats.ttest_rel(A, B).confidence_interval(0.95)
    assert interval(differences(A, B))[1:3] == pytest.approx(expected)


@pytest.mark.parametrize("n", [5, 12])
def test_interval_of_folds_is_that_of_the_corrected_test(n):
    d = np.random.default_rng(0).normal(1, 1, n)
    _, low, high, _ = interval(d, overlap=0.25)
    assert corrected_t(d - low, 0.25).p == pytest.approx(0.05)
    assert corrected_t(d - high, 0.25).p == pytest.approx(0.05)


def test_interval_from_ten_pairs_on_is_a_bootstrap():
    skew = np.random.default_rng(0).exponential(1, 30)
    first, again = interval(skew), interval(skew)
    assert first == again
    expected = stats.bootstrap((skew,), np.mean, n_resamples=9999, rng=0).confidence_interval
    assert first[1:3] == pytest.approx(expected, abs=0.02)
    assert first.high - first.mean > first.mean - first.low  # unlike an interval by t


ALONE = np.array([0.70, 0.71, 0.69, 0.72, 0.70])
TEACHER = np.array([0.80, 0.83, 0.79, 0.81, 0.82])
DISTILLED = np.array([0.78, 0.77, 0.76, 0.80, 0.77])


@pytest.mark.parametrize("overlap", [0.0, 0.25])
def test_fieller_bounds_are_the_shares_that_the_test_just_rejects(overlap):
    share = gap_recovered(DISTILLED, ALONE, TEACHER, True, overlap)
    assert share.share == pytest.approx((0.776 - 0.704) / (0.81 - 0.704))
    assert share.low < share.share < share.high
    for bound in (share.low, share.high):
        assert corrected_t((DISTILLED - ALONE) - bound * (TEACHER - ALONE), overlap).p == pytest.approx(0.05)


def test_gap_of_a_metric_that_is_better_low():
    mirrored = gap_recovered(-DISTILLED, -ALONE, -TEACHER, False)
    assert mirrored == gap_recovered(DISTILLED, ALONE, TEACHER, True)
    assert math.isnan(gap_recovered(DISTILLED, ALONE, TEACHER, False).share)  # the teacher is worse


def test_no_share_of_a_gap_that_is_not_sure():
    unsure = ALONE + np.array([0.05, -0.03, 0.06, -0.02, 0.05])
    share = gap_recovered(DISTILLED, ALONE, unsure, True)
    assert share.gap.mean > 0 > share.gap.low
    assert all(math.isnan(value) for value in share[:3])
    assert math.isnan(gap_recovered(DISTILLED[:1], ALONE[:1], TEACHER[:1], True).share)


@pytest.mark.parametrize(("n", "rounds", "least"), [(5, 1500, 0.93), (20, 60, 0.83)])
def test_intervals_of_the_share_cover_it(n, rounds, least):
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(rounds):
        alone = 70 + rng.normal(0, 2, n)
        gain, gap = 6 + rng.normal(0, 1.5, n), 10 + rng.normal(0, 1.5, n)
        share = gap_recovered(alone + gain, alone, alone + gap, True)
        covered += share.low <= 0.6 <= share.high
    assert least <= covered / rounds < 1


def test_average_ranks_with_ties():
    means = pd.DataFrame({"acc": [0.9, 0.8, 0.8], "mae": [0.1, 0.3, 0.2]}, index=list("abc"))
    ranks = average_ranks(means, pd.Series({"acc": True, "mae": False}))
    assert ranks.to_dict() == {"a": 1, "b": (2.5 + 3) / 2, "c": (2.5 + 2) / 2}


def test_average_ranks_leave_out_columns_with_holes():
    means = pd.DataFrame({"x": [3.0, 2, 1, math.nan], "y": [1.0, math.nan, 3, math.nan]}, index=list("abcd"))
    ranks = average_ranks(means, pd.Series({"x": True, "y": True}))
    assert ranks[list("abc")].tolist() == [1, 2, 3]  # of x alone
    assert math.isnan(ranks["d"])


def test_import_costs_neither_torch_nor_scipys_statistics():
    modules = "gnn_distill.results.comparison, gnn_distill.results.rendering"
    code = f"import sys, {modules}; sys.exit(bool({{'scipy.stats', 'torch', 'rich.table'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
