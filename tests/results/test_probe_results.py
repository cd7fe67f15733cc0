"""Probed runs by method: grouping, pairing, gains and verdicts, files and page."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pages import Page, page_of
from probed_runs import make_probed_run
from scipy import stats

from gnn_distill.config.schema.table import ColumnConfig, RowConfig
from gnn_distill.errors import UserError
from gnn_distill.results.comparison import make_table
from gnn_distill.results.probe_files import write_probes
from gnn_distill.results.probe_numbers import curve, gains, lines, verdict
from gnn_distill.results.probes import Place, by_data_set, find_runs, read_probed
from gnn_distill.results.rendering import to_json

NOISE = (0.0, 0.01, 0.02)


def make_runs(folder: Path, far: float = 0.1, seeds: int = 3, **changes: object) -> list[Path]:
    """The student alone and one that was distilled, for some seeds."""
    found = []
    for seed in range(seeds):
        noise = NOISE[seed]
        found.append(make_probed_run(folder / f"a{seed}", "teacher=none", local=0.1 + noise, far=0.1, seed=seed))
        local, there = 0.5 + 2 * noise, far + 0.002 * seed
        found.append(make_probed_run(folder / f"f{seed}", "loss=kd", local=local, far=there, seed=seed, **changes))
    return found


def methods_of(runs: list[Path]):
    (methods,) = by_data_set(read_probed(Place(run)) for run in runs).values()
    return methods


def test_runs_are_grouped_by_method_whatever_their_seed_and_fold(tmp_path: Path) -> None:
    runs = make_runs(tmp_path)
    runs.append(make_probed_run(tmp_path / "fold", "loss=kd", local=0.5, far=0.1, fold=1))
    methods = methods_of(runs)
    assert [(method.label, len(method.runs)) for method in methods] == [("student alone", 3), ("loss=kd", 4)]
    assert [line.label for line in lines(methods)] == [
        *("student untrained", "teacher untrained", "teacher", "student alone", "loss=kd")
    ]


def test_gains_are_paired_differences_with_their_t_test(tmp_path: Path) -> None:
    methods = methods_of(make_runs(tmp_path, far=0.1))
    (gain,) = [gain for gain in gains(methods) if (gain.state, gain.reach) == ("last", "local")]
    one, other = 0.5 + 2 * np.array(NOISE), 0.1 + np.array(NOISE)
    expected = stats.ttest_rel(one, other)
    assert gain.effect.mean == pytest.approx((one - other).mean())
    assert gain.outcome.p == pytest.approx(expected.pvalue)
    assert (gain.effect.low, gain.effect.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert gain.p_holm >= gain.outcome.p


def test_folds_are_tested_by_the_corrected_t(tmp_path: Path) -> None:
    runs = []
    for fold in range(3):
        runs.append(make_probed_run(tmp_path / f"a{fold}", "teacher=none", local=0.1 + NOISE[fold], far=0.1, fold=fold))
        runs.append(make_probed_run(tmp_path / f"f{fold}", local=0.5 - NOISE[fold], far=0.1, fold=fold))
    gain = next(gain for gain in gains(methods_of(runs)) if gain.reach == "local")
    assert gain.outcome.test == "corrected_t"


@pytest.mark.parametrize(
    ("far", "words"),
    [
        (0.3, "local gained, far gained: synergy"),
        (0.02, "local gained, far lost"),
        (0.098, "local gained, far not shown"),
    ],
)
def test_the_verdict_says_synergy_only_of_two_gains(tmp_path: Path, far: float, words: str) -> None:
    assert verdict(gains(methods_of(make_runs(tmp_path, far=far))), "loss=kd") == words


def test_one_pair_is_not_tested(tmp_path: Path) -> None:
    methods = methods_of(make_runs(tmp_path, seeds=1))
    assert "not tested" in verdict(gains(methods), "loss=kd")
    line = lines(methods)[-1]
    interval = line.interval("last", "local")  # over graphs, since there is one run
    assert (interval.low, interval.mean, interval.high) == pytest.approx((0.49, 0.5, 0.51))
    assert curve(line, "last")["low"].iloc[0] == pytest.approx(0.49)


def test_runs_of_other_data_in_one_pair_are_refused(tmp_path: Path) -> None:
    runs = make_runs(tmp_path, seeds=1, data="bb" * 8)
    with pytest.raises(UserError, match=r"a0 and .*f0 have the same fold and seed, but different data"):
        methods_of(runs)


def test_runs_probed_with_other_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="different settings"):
        methods_of(make_runs(tmp_path, seeds=1, settings_hash="other"))


def test_places_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="no finished run"):
        find_runs([tmp_path])
    runs = make_runs(tmp_path, seeds=1)
    assert [place.folder for place in find_runs([tmp_path, runs[0]])] == sorted(runs)


def test_files_hold_the_same_numbers(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", far=0.3, auroc=1.0)
    output = tmp_path / "output"
    write_probes(output, find_runs([tmp_path / "runs"]), ["runs"])
    assert {file.name for file in output.iterdir()} == {
        *("probe.csv", "probe.md", "probe.tex", "probe.json", "report.html")
    }
    frame = pd.read_csv(output / "probe.csv")
    row = frame[(frame["row"] == "loss=kd") & (frame["states"] == "last") & (frame["quantity"] == "local")].iloc[0]
    assert row["mean"] == pytest.approx(0.52)
    text = (output / "probe.md").read_text()
    assert "| 0.520 [0.470, 0.570]" in " ".join(text.split())
    assert "synergy" in text
    assert json.loads((output / "probe.json").read_text())["data_sets"][0]["verdicts"] == {
        "loss=kd": "local gained, far gained: synergy"
    }
    assert r"\toprule" in (output / "probe.tex").read_text()
    page = Page((output / "report.html").read_text())
    assert "script" not in page.tags
    assert page.tags["svg"] == 4
    assert len(page.ids) == len(set(page.ids))
    assert "local gained, far gained: synergy" in page.text


def test_the_page_of_a_probed_run_shows_its_probes(tmp_path: Path) -> None:
    run = make_probed_run(tmp_path / "run", local=0.5, far=0.1, auroc=1.0)
    page = page_of(run)
    assert "What is in the states: TOY" in page.text
    assert page.tags["svg"] == 4
    (run / "probe.json").unlink()
    assert "What is in the states" not in page_of(run).text


def test_a_damaged_file_of_probes_is_named(tmp_path: Path) -> None:
    run = make_probed_run(tmp_path / "run", local=0.5, far=0.1)
    (run / "probe.json").write_text((run / "probe.json").read_text().replace("0.5", "0.6", 1))
    with pytest.raises(UserError, match=r"probe\.json"):
        page_of(run)


def test_runs_of_a_table_have_the_labels_of_their_rows_and_columns(tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "cells", seeds=2)
    lines = [("alone", runs[0]), ("kd", runs[1]), ("alone", runs[2]), ("kd", runs[3]), ("kd", tmp_path / "gone")]
    config = SimpleNamespace(
        **{"name": "main", "title": None, "reference": "kd", "alone": "alone", "teacher": "teacher"},
        rows={row: RowConfig(f"row {row}") for row in ("alone", "kd")},
        columns={"toy": ColumnConfig(label="Toys", pairs={"seed": [0, 1]})},
        **{"test": "auto", "alpha": 0.05},
    )
    facts = {"metric": "accuracy", "higher_is_better": True, "n_train": 9, "n_test": 9, "stale": False}
    scores = [
        {"row": row, "column": "toy", "seed": seed // 2, "value": 0.5 + seed / 10, "constant": None, **facts}
        for seed, (row, _) in enumerate(lines[:4])
    ]
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "table.json").write_text(to_json(make_table(config, pd.DataFrame(scores), [])))
    paths = [{"row": row, "column": "toy", "path": path} for row, path in lines]
    pd.DataFrame(paths).to_csv(tmp_path / "table" / "scores.csv", index=False)
    methods = by_data_set(map(read_probed, find_runs([tmp_path / "table"])))
    assert {name: [(method.label, len(method.runs)) for method in of_set] for name, of_set in methods.items()} == {
        "Toys": [("row alone", 2), ("row kd", 2)]
    }
