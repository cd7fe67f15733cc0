import json
import math

import numpy as np
import pytest
from scipy import stats
from scores_of_runs import FOLDS, NAN, RMSE, SEEDS, config, runs, scores, table

from gnn_distill.errors import UserError
from gnn_distill.results.comparison import make_table
from gnn_distill.results.table_files import read_table

KD = [0.70, 0.72, 0.71, 0.73, 0.69]
FULL = [0.80, 0.81, 0.82, 0.82, 0.80]
ALONE = [0.60, 0.62, 0.61, 0.64, 0.60]
TEACHER = [0.85, 0.86, 0.84, 0.88, 0.85]
ALL = {"teacher": TEACHER, "alone": ALONE, "kd": KD, "full": FULL}


def of(made, row):
    return made.cells[row, "data"]


def test_a_cell_holds_mean_and_standard_deviation():
    cell = of(table(ALL), "kd")
    assert cell.mean == pytest.approx(0.71)
    assert cell.std == pytest.approx(np.std(KD, ddof=1))
    assert cell.values.to_dict() == {f"seed {seed}": value for seed, value in enumerate(KD)}
    assert (cell.missing, cell.diverged, cell.stale) == (0, 0, 0)


def test_pairs_that_are_seeds_have_the_paired_t_test():
    made = of(table(ALL), "full").comparison
    expected = stats.ttest_rel(FULL, KD)
    assert made.outcome.test == "paired_t"
    assert made.outcome.p == pytest.approx(expected.pvalue)
    assert made.effect[1:3] == pytest.approx(expected.confidence_interval())
    assert made.p_holm <= 3 * made.outcome.p
    assert made.mark == "*"


def test_pairs_that_are_folds_have_the_corrected_test_of_means_over_seeds():
    folds = {"dataset.fold": [0, 1, 2], "seed": [0, 1]}
    kd, full = [(0.70, 0.72), (0.71, 0.75), (0.74, 0.74)], [(0.76, 0.80), (0.77, 0.75), (0.80, 0.82)]
    made = table({"kd": kd, "full": full}, folds, unit="fold")
    cell = of(made, "full")
    assert cell.values.to_dict() == pytest.approx({"fold 0": 0.78, "fold 1": 0.76, "fold 2": 0.81})
    d = np.array([0.07, 0.03, 0.07])
    t = d.mean() / math.sqrt((1 / 3 + 200 / 800) * d.var(ddof=1))
    outcome = cell.comparison.outcome
    assert (outcome.test, outcome.n) == ("corrected_t", 3)
    assert outcome.statistic == pytest.approx(t)
    assert outcome.p == pytest.approx(2 * stats.t.sf(t, 2))


def test_folds_are_sorted_by_number_and_one_fold_is_no_pair():
    many = table({"kd": [0.7] * 12}, {"dataset.fold": list(range(12))}, unit="fold")
    assert list(of(many, "kd").values.index[-2:]) == ["fold 10", "fold 11"]
    one = table({"kd": KD, "full": FULL}, {"dataset.fold": [0], **SEEDS})
    assert of(one, "full").comparison.outcome[:2] == ("paired_t", 5)


def test_splits_are_paired_like_folds():
    made = table({"kd": KD, "full": FULL}, {"dataset.split_seed": [0, 1, 2, 3, 4]}, unit="split_seed")
    assert made.columns["data"].test == "corrected_t"
    assert of(made, "kd").values.index[0] == "split_seed 0"


@pytest.mark.parametrize("test", ["paired_t", "corrected_t", "wilcoxon"])
def test_the_config_may_choose_the_test(test):
    assert of(table(ALL, test=test), "full").comparison.outcome.test == test


def test_seeds_that_one_row_lacks_are_left_out_before_averaging():
    folds = {"dataset.fold": [0, 1], "seed": [0, 1]}
    made = table({"kd": [(0.70, 0.90), 0.70], "full": [0.80, (0.80, 0.20)]}, folds, unit="fold")
    assert of(made, "full").comparison.effect.mean == pytest.approx(0.1)  # of seed 0 in both folds
    assert (of(made, "kd").missing, of(made, "full").missing) == (1, 1)


def test_lower_is_better():
    rmse = {
        "teacher": [0.8, 0.81, 0.79],
        "alone": [1.2, 1.22, 1.19],
        "kd": [1.0, 1.02, 1.01],
        "full": [0.9, 0.91, 0.92],
    }
    made = table(rmse, {"seed": [0, 1, 2]}, **RMSE)
    full, alone = of(made, "full"), of(made, "alone")
    assert full.best
    assert of(made, "kd").second
    assert full.comparison.effect.mean == pytest.approx(0.1)
    assert (full.comparison.mark, alone.comparison.mark) == ("*", "†")
    assert full.share.share == pytest.approx((0.91 - 3.61 / 3) / (0.8 - 3.61 / 3))
    assert made.ranks["full"] == 1
    assert made.ranks["alone"] == 3


def test_teachers_are_compared_but_neither_best_nor_ranked():
    made = table(ALL)
    assert of(made, "teacher").comparison.mark == "*"
    assert not of(made, "teacher").best
    assert of(made, "full").best
    assert math.isnan(made.ranks["teacher"])


def test_ties_are_both_best():
    made = table({"kd": [0.1, 0.2], "full": [0.2, 0.1], "other": [0.1, 0.1]}, {"seed": [0, 1]})
    assert [of(made, row).best for row in made.rows] == [True, True, False]
    assert not any(of(made, row).second for row in made.rows)
    assert made.ranks == {"kd": 1.5, "full": 1.5, "other": 3}


def test_holm_by_column_and_over_all():
    groups = [runs(row, column, values) for column in ("x", "y") for row, values in ALL.items()]
    made = make_table(config(ALL, {"x": SEEDS, "y": SEEDS}), scores(*groups))
    p = {row: made.cells[row, "x"].comparison.outcome.p for row in ("teacher", "alone", "full")}
    order = sorted(p, key=p.get)
    by_column = np.maximum.accumulate([factor * p[row] for factor, row in zip((3, 2, 1), order, strict=True)])
    by_all = np.maximum.accumulate([factor * p[row] for factor, row in zip((6, 4, 2), order, strict=True)])
    for row, column, everything in zip(order, by_column, by_all, strict=True):
        assert made.cells[row, "x"].comparison.p_holm == pytest.approx(column)
        assert made.cells[row, "y"].comparison.p_holm_all == pytest.approx(everything)
    assert made.cells["kd", "x"].comparison is None
    assert made.wins == {"teacher": (2, 0, 0), "alone": (0, 0, 2), "full": (2, 0, 0)}


def test_wins_are_adjusted_over_all_cells_and_marks_over_columns():
    weak = [value + gain for value, gain in zip(KD, [0.02, 0.01, 0.03, 0.01, 0.02], strict=True)]
    groups = [runs(row, column, values) for column in "xyz" for row, values in {"kd": KD, "full": weak}.items()]
    made = make_table(config(["kd", "full"], dict.fromkeys("xyz", SEEDS)), scores(*groups))
    comparison = made.cells["full", "x"].comparison
    assert comparison.mark == "*"
    assert comparison.p_holm == comparison.outcome.p  # the only one of its column
    assert comparison.p_holm_all == pytest.approx(3 * comparison.outcome.p)
    strict = make_table(config(["kd", "full"], dict.fromkeys("xyz", SEEDS), alpha=0.02), scores(*groups))
    assert (strict.cells["full", "x"].comparison.mark, strict.wins["full"]) == ("*", (0, 3, 0))


def test_missing_cells_leave_holes_and_count_in_the_family():
    made = table({"alone": ALONE, "kd": KD, "full": FULL[:3], "none": []})
    assert math.isnan(of(made, "none").mean)
    assert math.isnan(of(made, "none").comparison.outcome.p)
    assert (of(made, "full").missing, of(made, "none").missing) == (2, 5)
    assert not of(made, "full").best  # three runs of five may be the lucky ones
    assert of(made, "kd").best
    alone, full = of(made, "alone").comparison, of(made, "full").comparison
    assert full.outcome.n == 3
    assert min(alone.p_holm / alone.outcome.p, full.p_holm / full.outcome.p) == pytest.approx(2)
    assert max(alone.p_holm / alone.outcome.p, full.p_holm / full.outcome.p) == pytest.approx(3)
    assert "Missing, of 20 runs: data: full 2, none 5." in made.notes


def test_a_row_that_a_column_does_not_have_is_not_missing_there(tmp_path):
    settings = config(["alone", "kd", "full"], {"x": SEEDS, "y": SEEDS})
    settings.rows["full"].columns = ["y"]
    groups = [
        *(runs(row, "x", values) for row, values in {"alone": ALONE, "kd": KD}.items()),
        *(runs(row, "y", values) for row, values in {"alone": ALONE, "kd": KD, "full": FULL}.items()),
    ]
    made = make_table(settings, scores(*groups))
    assert made.cells["full", "x"].missing == 0
    assert made.cells["full", "x"].comparison is None
    assert (made.planned, made.comparisons, made.comparisons_in("x"), made.comparisons_in("y")) == (25, 3, 1, 2)
    only = made.cells["alone", "x"].comparison
    assert only.p_holm == only.outcome.p
    assert made.wins == {"alone": (0, 0, 2), "full": (1, 0, 0)}
    assert not [note for note in made.notes if "Missing" in note]
    assert [note for note in made.footnotes if "for the 1 to 2 comparisons of a column" in note]
    assert [note for note in made.footnotes if "for all 3 comparisons" in note]
    (tmp_path / "table.json").write_text(json.dumps(made.as_json()))
    again = read_table(tmp_path)
    assert (again.cells["full", "x"].comparison, again.columns) == (None, made.columns)


def test_a_table_without_any_run():
    made = table({"kd": [], "full": []})
    assert len(made.frame()) == 2
    assert "Missing, of 10 runs: data: all 10." in made.notes


def test_one_pair_only():
    made = table({row: values[:1] for row, values in ALL.items()}, {"seed": [0]})
    full = of(made, "full")
    assert (full.mean, full.best) == (0.80, True)
    assert math.isnan(full.std)
    assert math.isnan(full.comparison.outcome.p)
    assert full.comparison.effect.mean == pytest.approx(0.1)
    assert math.isnan(full.share.share)
    assert any("1 pair: no test and no spread can be reported" in note for note in made.notes)


def test_pairs_that_differ_by_the_same_are_not_significant():
    made = table({"kd": KD, "full": [value + 0.1 for value in KD], "same": KD})
    full = of(made, "full").comparison
    assert math.isnan(full.outcome.p)
    assert full.mark == ""
    assert of(made, "same").comparison.outcome.p == 1
    assert any("no test of full" in note for note in made.notes)


def test_without_the_reference_nothing_is_compared():
    made = table({"alone": ALONE, "full": FULL})
    assert (made.reference, made.wins, made.comparisons) == (None, {}, 0)
    assert all(cell.comparison is None for cell in made.cells.values())
    assert any("to compare with" in note for note in made.notes)


def test_shares_of_the_gap():
    made = table(ALL)
    assert of(made, "full").share.share == pytest.approx((0.81 - 0.614) / (0.856 - 0.614))
    assert of(made, "teacher").share is of(made, "alone").share is None
    assert of(table({"kd": KD, "alone": ALONE}), "kd").share is None


def test_no_share_where_the_teacher_is_not_better():
    made = table(ALL | {"teacher": [0.6, 0.7, 0.5, 0.62, 0.61]})
    assert math.isnan(of(made, "full").share.share)
    assert any("no gap to recover. teacher leads alone by −0.8 [" in note for note in made.notes)


def test_runs_that_diverged_are_left_out_and_told():
    made = table({"kd": KD, "full": [*FULL[:4], NAN]})
    full = of(made, "full")
    assert full.mean == pytest.approx(np.mean(FULL[:4]))
    assert (full.diverged, full.missing, full.comparison.outcome.n) == (1, 0, 4)
    assert "Runs without a finite metric, left out: data: full 1." in made.notes


def test_runs_of_another_version_are_told():
    made = make_table(
        config(["kd", "full"], {"data": SEEDS}), scores(runs("kd", "data", KD, stale=True), runs("full", "data", FULL))
    )
    assert (of(made, "kd").stale, of(made, "full").stale) == (5, 0)
    assert "° Runs of another version of the code: data: kd 5." in made.notes


def test_too_few_pairs_for_wilcoxon_are_told():
    made = table(ALL, test="wilcoxon")  # the smallest p of 5 pairs is 1/16
    assert any("no difference can be significant. The smallest p of the test is 0.062" in note for note in made.notes)
    assert not any("can be significant" in note for note in table(ALL).notes)


def test_few_pairs_for_t_are_told():
    made = table({"kd": KD[:3], "full": FULL[:3]}, {"seed": [0, 1, 2]})
    # 4.303 / √3, the quantile of 2 degrees of freedom
    assert (
        "data, 3 pairs: the largest difference must be 2.5 standard deviations or more to be significant." in made.notes
    )


def test_ranks_leave_out_columns_with_holes():
    groups = [runs("kd", "x", KD), runs("full", "x", FULL), runs("kd", "y", FULL)]
    made = make_table(config(["kd", "full"], {"x": SEEDS, "y": SEEDS}), scores(*groups))
    assert made.ranks == {"kd": 2, "full": 1}
    assert any(note.startswith("Ranks leave out y") for note in made.notes)


def test_footnotes_tell_how_pairs_are_made():
    groups = [runs(row, "x", KD, unit="fold") + runs(row, "y", KD) for row in ("kd", "full")]
    made = make_table(config(["kd", "full"], {"x": FOLDS, "y": SEEDS}), scores(*groups), remarks=["Tuned: study 1."])
    assert "5 folds (x), 5 seeds on one split, which supports claims about that split only (y)" in made.footnotes[0]
    assert "Nadeau and Bengio" in made.footnotes[2]
    assert "Holm's correction for the 1 comparisons" not in made.footnotes[2]
    assert made.footnotes[-1] == "Tuned: study 1."


def test_rows_and_columns_that_are_not_in_the_config_are_ignored():
    extra = [runs("other", "data", FULL), runs("kd", "elsewhere", FULL, metric="mae")]
    made = make_table(config(["kd"], {"data": SEEDS}), scores(runs("kd", "data", KD), *extra))
    assert list(made.cells) == [("kd", "data")]


def test_different_metrics_in_a_column_are_refused():
    mixed = scores(runs("kd", "data", KD), runs("full", "data", FULL, metric="roc_auc"))
    with pytest.raises(UserError, match=r"columns.data: .* accuracy and roc_auc"):
        make_table(config(["kd", "full"], {"data": SEEDS}), mixed)


def test_a_run_that_is_there_twice_is_an_error():
    with pytest.raises(ValueError, match="duplicate"):
        make_table(config(["kd"], {"data": SEEDS}), scores(runs("kd", "data", KD), runs("kd", "data", KD)))


CONSTANT = {"constant": 0.7}


def test_where_no_row_is_better_than_a_constant_answer_nothing_is_best():
    made = table({"teacher": [0.70, 0.72, 0.69], "kd": [0.7, 0.7, 0.7], "full": [0.71, 0.69, 0.72]}, more=CONSTANT)
    assert not any(cell.best or cell.second for cell in made.cells.values())
    told = "data: no row is significantly better than a constant prediction, which scores 70.0: nothing was learned"
    assert any(note.startswith(told) for note in made.notes)
    made = table({"teacher": [0.70, 0.72, 0.69], "kd": [0.7, 0.7, 0.7], "full": [0.81, 0.79, 0.82]}, more=CONSTANT)
    assert of(made, "full").best
    assert not any("constant prediction" in note for note in made.notes)
    errors = {"metric": "rmse", "more": {"higher_is_better": False, "constant": 0.7}}
    assert of(table({"kd": [0.71, 0.72], "full": [0.61, 0.6]}, **errors), "full").best
    assert not of(table({"kd": [0.81, 0.82], "full": [0.71, 0.7]}, **errors), "full").best
    assert of(table({"kd": [0.7], "full": [0.71]}, {"seed": [0]}, more=CONSTANT), "full").best
    assert not of(table({"kd": [0.7], "full": [0.69]}, {"seed": [0]}, more=CONSTANT), "kd").best
