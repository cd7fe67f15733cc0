"""What is printed at the end of a sweep."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pages import make_run

from gnn_distill.results.sweep_summary import describe_repeats, print_sweep, settings_of
from gnn_distill.results.sweeps import read_sweep
from gnn_distill.storage.run_directory import read_summary

T_OF_3_FOLDS = 4.302653
"""Student's t at 97.5 % with 2 degrees of freedom."""


def test_a_sweep_of_folds_alone_is_one_setting(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for fold, test in enumerate((0.5, 0.6, 0.7)):
        make_run(tmp_path / str(fold), f"dataset.fold={fold}", "tracker=none", test=test)
    (setting,) = settings_of(read_sweep(tmp_path))
    assert setting.values == {}
    assert setting.scores["test"] == pytest.approx((0.6, 0.1, 3))
    assert setting.scores["val"] == pytest.approx((0.8125, 0, 3))
    print_sweep(tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "3 runs: mean ± standard deviation over dataset.fold 0, 1, 2",
        "validation accuracy (%)  test accuracy (%)  runs",
        "81.2 ± 0.0               60.0 ± 10.0        3",
        "Test: accuracy (%) 60.0 ± 10.0 over 3 folds; 95 % interval [34.1, 85.9], corrected for training parts that "
        "overlap (Nadeau and Bengio).",
    ]
    sizes = read_summary(tmp_path / "0")["split"]["sizes"]
    half = T_OF_3_FOLDS * 0.1 * (1 / 3 + sizes["test"] / sizes["train"]) ** 0.5
    assert read_sweep(tmp_path).interval("test") == pytest.approx((0.6, 0.6 - half, 0.6 + half, 3), abs=1e-4)


def test_seeds_are_averaged_within_a_fold_before_the_spread_counts(tmp_path: Path) -> None:
    for number, test in enumerate((0.5, 0.7, 0.6, 1.0)):
        make_run(tmp_path / str(number), f"dataset.fold={number // 2}", f"seed={number % 2}", test=test)
    found = read_sweep(tmp_path).interval("test")
    assert (found.mean, found.n) == (pytest.approx(0.7), 2)
    (text,) = describe_repeats(read_sweep(tmp_path))
    assert text.startswith("Test: accuracy (%) 70.0 ± 21.6 over 2 folds, 2 seeds averaged in each; 95 % interval [")


def test_settings_are_averaged_over_seeds_and_the_best_is_first(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for rate, error in ((0.1, 1.25), (0.001, 0.75), (0.01, 1.0)):
        for seed in (0, 1):
            scores = {"val": {"rmse": error + seed / 10}}
            words = (f"optim.lr={rate}", f"seed={seed}")
            make_run(tmp_path / f"{rate}_{seed}", *words, metric="rmse", test=None, student=scores)
    make_run(tmp_path / "unfinished", "optim.lr=1").joinpath("summary.json").unlink()
    sweep = read_sweep(tmp_path)
    assert [setting.values for setting in settings_of(sweep)] == [{"optim.lr": f"{x:g}"} for x in (0.001, 0.01, 0.1)]
    print_sweep(tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "6 runs: mean ± standard deviation over seed 0, 1",
        "optim.lr  validation RMSE  runs",
        "0.001     0.800 ± 0.071    2",
        "0.01      1.050 ± 0.071    2",
        "0.1       1.300 ± 0.071    2",
        "Note: unfinished: without a result",
    ]


def test_a_multirun_ends_with_its_summary(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from gnn_distill.cli import train

    def fake(cfg: DictConfig) -> float:
        job = HydraConfig.get()
        make_run(Path(job.runtime.output_dir) / "made", *job.overrides.task, test=cfg.seed / 10)
        return 0.0

    monkeypatch.setattr(train, "main", fake)
    status, out, err = gnn_distill("train", "-m", "seed=1,3", "tracker=none")
    assert (status, err) == (0, "")
    assert out.endswith("2 runs: mean ± standard deviation over seed 1, 3\n" + TWO)
    assert "standard deviation" not in gnn_distill("train", "-m", "seed=1", "tracker=none", "hydra.sweep.dir=one")[1]


TWO = (
    "validation accuracy (%)  test accuracy (%)  runs\n81.2 ± 0.0               20.0 ± 14.1        2\n"
    "Test: accuracy (%) 20.0 ± 14.1 over 2 seeds; 95 % interval [−107.1, 147.1].\n"
)
