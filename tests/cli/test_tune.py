"""`gnn-distill tune`: equal budgets, validation only, nothing repeated."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from gnn_distill.cli import table, tune
from gnn_distill.experiments import tuning
from gnn_distill.experiments.cells import PlannedRun, plan
from gnn_distill.experiments.studies import Study, read_facts, read_trials
from gnn_distill.storage.checksums import write_json

pytestmark = pytest.mark.usefixtures("no_figures")

TABLE = """
name: tiny
title: A tiny one
rows:
  alone: {label: alone, overrides: [experiment=student_alone], tuned: alone}
  kd: {label: soft targets, overrides: [loss=kd, student.dropout=0.1], tuned: kd}
  shuffled: {label: shuffled, overrides: [teacher.control=shuffled], tuned: kd}
  plain: {label: untuned}
columns:
  small: {label: small, pairs: {seed: [3, 4]}}
  errors: {label: errors, overrides: [dataset.metric=rmse], pairs: {seed: [3]}}
overrides:
  - dataset=typed_edges
  - dataset.num_train=32
  - dataset.num_val=16
  - dataset.num_test=16
  - student.hidden_channels=16
sizes:
  smoke: {columns: [small], overrides: [student.num_layers=1]}
"""
WORDS = ("tune", "--config-dir=own", "table=tiny", "tune.folder=own/tuned", "trainer.threads=1", "tune.startup=2")


class Training:
    """Stands in for `train`: quick, and its metric is that of a formula."""

    def __init__(self) -> None:
        self.configs: list[DictConfig] = []
        self.stop_at = 0
        self.value: Callable[[DictConfig], float | None] = lambda cfg: abs(math.log(cfg.optim.lr / 3e-3))

    def __call__(self, folder: Path, cfg: DictConfig, resume: bool = False) -> float:
        (folder / "half-made").touch()
        if self.stop_at == len(self.configs) + 1:
            self.stop_at = 0
            raise KeyboardInterrupt  # as good as kill -9: nothing of Optuna's runs after it
        assert not cfg.trainer.test
        self.configs.append(cfg)
        print("trained")
        value = self.value(cfg)
        write_json(folder / "summary.json", {"metric": "m", "student": {"val": {"m": value}}})
        return value

    def of(self, teacher: str) -> list[DictConfig]:
        return [cfg for cfg in self.configs if cfg.teacher.name == teacher]


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Training:
    from gnn_distill.pipeline import run

    training = Training()
    monkeypatch.setattr(run, "train_in", training)
    monkeypatch.setattr(tuning, "fingerprint_of", lambda config, pair: "0" * 64)
    (tmp_path / "own" / "table").mkdir(parents=True)
    (tmp_path / "own" / "table" / "tiny.yaml").write_text(TABLE)
    return training


def timeless(folder: Path) -> pd.DataFrame:
    return read_trials(folder).drop(columns=["seconds", "finished"])


def test_every_method_gets_the_same_trials_and_the_best_is_written(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    status, out, err = gnn_distill(*WORDS, "tune.columns=[small]", "tune.trials=3")
    assert (status, err) == (0, "")
    alone, kd = training.of("none"), training.of("gin")
    assert len(alone) == len(kd) == 3
    assert {cfg.seed for cfg in training.configs} == {3}
    # The first trial is the method as it stands; what methods share is drawn alike while draws are random.
    assert [cfg[0].optim.lr for cfg in (alone, kd)] == [2e-3, 2e-3]
    assert alone[1].optim.lr == kd[1].optim.lr != 2e-3
    assert {cfg.student.dropout for cfg in kd} == {0.1}  # what a row sets is not searched

    folder = tmp_path / "outputs" / "tune" / "tiny" / "small_kd"
    trials = read_trials(folder)
    assert list(trials["trial"]) == [1, 2, 3]
    assert list(trials["optim.lr"]) == [cfg.optim.lr for cfg in kd]
    best = trials.loc[trials["value"].idxmax()]
    written = tmp_path / "own" / "tuned" / "small" / "kd.yaml"
    facts = read_facts(written)
    assert float(facts["value"]) == best["value"]
    assert float(facts["as it stands"]) == trials["value"][0]
    assert (facts["trial"], facts["trials"], facts["pairs"]) == (str(best["trial"]), "3", "seed=3")
    assert facts["study"] == "outputs/tune/tiny/small_kd"
    assert facts["command"].startswith("gnn-distill tune table=tiny ")
    assert "small/kd  trial 3/3" in out
    assert "trained" not in out
    assert (tmp_path / "own" / "tuned" / "small" / "alone.yaml").exists()
    assert not (tmp_path / "own" / "tuned" / "small" / "shuffled.yaml").exists()

    # A table takes it up by the group `tuned`.
    status, out, _ = gnn_distill("train", "--config-dir=own", "tuned=small/kd", "loss=kd", "--cfg", "job")
    config = OmegaConf.create(out)
    assert (status, config.optim.lr, config.loss.weights.soft) == (0, best["optim.lr"], best["loss.weights.soft"])


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    words = (*WORDS, "tune.columns=[small]", "tune.rows=[kd]", "tune.trials=3")
    for stop_at in (1, 3):
        training.stop_at = stop_at
        status, out, _ = gnn_distill(*words, "tune.studies=stopped")
        assert (status, len(training.configs)) == (130, stop_at - 1)
    for finished in (2, 3):
        status, out, _ = gnn_distill(*words, "tune.studies=stopped")
        assert status == 0
        assert f"3 trials of each of 1, {finished} of 3 finished" in out
        assert len(training.configs) == 3
    assert gnn_distill(*words, "tune.studies=whole")[0] == 0
    stopped, whole = (timeless(tmp_path / folder / "tiny" / "small_kd") for folder in ("stopped", "whole"))
    assert len(whole) == 3
    pd.testing.assert_frame_equal(stopped, whole)


def test_more_trials_go_on_and_fewer_are_the_first_ones(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    words = (*WORDS, "tune.columns=[small]", "tune.rows=[kd]")
    for trials, trained in ((1, 1), (3, 3), (2, 3)):
        assert gnn_distill(*words, f"tune.trials={trials}")[0] == 0
        assert len(training.configs) == trained
    values = read_trials(tmp_path / "outputs" / "tune" / "tiny" / "small_kd")["value"]
    facts = read_facts(tmp_path / "own" / "tuned" / "small" / "kd.yaml")
    assert float(facts["value"]) == max(values[:2])
    assert gnn_distill(*words, "tune.trials=2", "tune.seed=1")[0] == 0
    assert len(training.configs) == 4  # another study, but the method as it stands has been run


def test_the_metric_says_what_is_better_and_values_are_means_over_pairs(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    training.value = lambda cfg: cfg.seed + cfg.optim.lr
    words = (*WORDS, "tune.rows=[alone]", "tune.trials=2")
    assert gnn_distill(*words, "tune.columns=[small]", "tune.pairs=2")[0] == 0
    assert gnn_distill(*words, "tune.columns=[errors]")[0] == 0
    assert [cfg.seed for cfg in training.configs] == [3, 4, 3, 4, 3, 3]
    for column, seed, choose in (("small", 3.5, max), ("errors", 3, min)):
        values = read_trials(tmp_path / "outputs" / "tune" / "tiny" / f"{column}_alone")["value"]
        assert values[0] == pytest.approx(seed + 2e-3)
        assert read_facts(tmp_path / "own" / "tuned" / column / "alone.yaml")["value"] == repr(choose(values))


def test_a_trial_that_diverges_counts_and_is_never_the_best(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    training.value = lambda cfg: 1.0 if cfg.optim.lr == 2e-3 else None
    words = (*WORDS, "tune.columns=[errors]", "tune.rows=[alone]", "tune.trials=2")
    status, out, _ = gnn_distill(*words)
    assert status == 0
    assert "trial 2/2  rmse diverged  best 1.000 (trial 1)" in out
    assert read_facts(tmp_path / "own" / "tuned" / "errors" / "alone.yaml")["trial"] == "1"
    training.value = lambda cfg: None
    status, out, err = gnn_distill(*words, "tune.seed=1", "table.overrides=['optim.lr=1e-3']")
    assert (status, "training diverged in every trial" in out) == (1, True)
    assert "not finished: errors/alone" in err


def test_a_method_that_fails_stops_no_other_and_its_trial_is_made_again(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    def broken(cfg: DictConfig) -> float:
        if cfg.teacher.name == "none" and len(training.of("none")) == 2:
            raise ValueError("the disk is full")
        return cfg.optim.lr

    training.value = broken
    words = (*WORDS, "tune.columns=[small]", "tune.trials=3")
    status, out, err = gnn_distill(*words)
    assert status == 1
    assert "small/alone: ValueError: the disk is full Log: " in out
    assert err.startswith("gnn-distill tune: not finished: small/alone.")
    assert len(training.of("gin")) == 3
    training.value = lambda cfg: cfg.optim.lr
    assert gnn_distill(*words)[0] == 0
    assert len(read_trials(tmp_path / "outputs" / "tune" / "tiny" / "small_alone")) == 3
    assert len(training.configs) == 7
    assert training.of("none")[1].optim == training.of("none")[2].optim


def test_each_pair_is_searched_by_itself_and_its_runs_take_its_settings(
    gnn_distill: Callable, training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.value = lambda cfg: cfg.optim.lr if cfg.seed == 3 else -cfg.optim.lr
    words = (*WORDS, "tune.columns=[small]", "tune.rows=[alone]", "tune.trials=3", "tune.each_pair=true")
    status, out, err = gnn_distill(*words)
    assert (status, err) == (0, "")
    assert [cfg.seed for cfg in training.configs] == [3, 3, 3, 4, 4, 4]
    assert "small/alone-seed4  trial 3/3" in out
    assert (tmp_path / "outputs" / "tune" / "tiny" / "small_alone-seed3" / "trials.csv").exists()
    folder = tmp_path / "own" / "tuned" / "small"
    assert sorted(path.name for path in folder.iterdir()) == ["alone-seed3.yaml", "alone-seed4.yaml"]
    assert read_facts(folder / "alone-seed4.yaml")["pairs"] == "seed=4"
    rates = [OmegaConf.load(folder / f"alone-seed{seed}.yaml").optim.lr for seed in (3, 4)]
    assert rates[0] > rates[1]

    planned: list[PlannedRun] = []
    monkeypatch.setattr(table, "plan", lambda *given: planned.extend(plan(*given)) or planned)
    assert gnn_distill("table", *WORDS[1:3], "table.size=smoke", "table.status=true", "trainer.threads=1")[0] == 0
    tuned = {dict(run.pair)["seed"]: run for run in planned if run.row == "alone"}
    assert [f"tuned=small/alone-seed{seed}" in tuned[seed].overrides for seed in (3, 4)] == [True, True]
    assert not any("tuned" in word for run in planned if run.row != "alone" for word in run.overrides)


def test_a_size_keeps_its_columns_and_has_studies_of_its_own(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    assert gnn_distill(*WORDS, "table.size=smoke", "tune.trials=1", "tune.rows=[kd]")[0] == 0
    assert [cfg.student.num_layers for cfg in training.configs] == [1]
    assert (tmp_path / "outputs" / "tune" / "tiny_smoke" / "small_kd" / "trials.csv").exists()


WRONG = {
    "tune.rows=[kds]": "tune.rows=kds: the table has none of that name. Choices: alone, kd, shuffled, plain. "
    "Did you mean 'kd'?",
    "tune.rows=[shuffled]": "tune.rows=shuffled: this row takes the tuned settings of kd. Tune that one.",
    "tune.rows=[plain]": "tune.rows=plain: this row takes no tuned settings. To tune it, set "
    "table.rows.plain.tuned=plain.",
    "tune.columns=[large]": "tune.columns=large: the table has none of that name. Choices: small, errors.",
    "tune.pairs=2": "tune.pairs=2: column errors has 1.",
    "tune.each_pair=true tune.pairs=2": "tune.pairs=2: with tune.each_pair=true every pair has its own search.",
    "tune.space=grapf": "row alone, column small: tune.space=grapf: unknown choice. Choices: auto, "
    "distilled, graph, node. Did you mean 'graph'?",
    "table.columns.small.overrides=['dataset.metric=null']": "row alone, column small: dataset.metric=null: tuning "
    "must know what is better. Name the metric in the column.",
    "table.columns.small.overrides=['teacher.layers=2']": "row alone, column small: teacher.layers=2: unknown key.",
    "table.columns.small.overrides=['optim.lr=-1']": "row alone, column small: optim.lr=-1.0: must be above 0.",
}


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_word_is_told_before_anything_runs(
    word: str, gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    status, out, err = gnn_distill(*WORDS, *word.split())
    assert (status, out) == (1, "")
    assert err.startswith(f"gnn-distill tune: {WRONG[word]}")
    assert not training.configs
    assert not (tmp_path / "outputs").exists()


def test_what_is_not_installed_is_named_with_what_installs_it(
    gnn_distill: Callable, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "pip install 'gnn-distill[tune]', or in a checkout: pip install -c constraints.txt -e '.[tune]'\n"
    monkeypatch.setattr(tune, "version", lambda _: "4.9.0")
    err = gnn_distill(*WORDS)[2]
    assert err == f"gnn-distill tune: 'tune' needs Optuna 5 or newer, not 4.9.0: {told}"
    monkeypatch.setattr(tune.util, "find_spec", lambda name: None)
    err = gnn_distill(*WORDS)[2]
    assert err == f"gnn-distill tune: 'tune' needs Optuna and scikit-learn, which are not installed: {told}"


def test_what_another_process_makes_is_waited_for(
    gnn_distill: Callable, training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*WORDS, "tune.columns=[small]", "tune.trials=1", "tune.jobs=1")
    claimed = Study.claim
    with ExitStack() as other:
        claims = []

        @contextmanager
        def claim_first(study: Study, *given: object) -> Iterator:
            # Another process has begun the trial of kd just before.
            if study.folder.name == "small_kd" and not claims:
                twin = Study(study.folder, study.name, study.higher_is_better)
                claims.append((twin, other.enter_context(claimed(twin, *given))[0]))
            with claimed(study, *given) as mine:
                yield mine

        def it_ends(_: float) -> None:
            twin, claim = claims[0]
            twin.tell(claim, 0.75)

        monkeypatch.setattr(Study, "claim", claim_first)
        monkeypatch.setattr(tune.time, "sleep", it_ends)
        status, out, _ = gnn_distill(*words)
    assert (status, len(training.of("none")), len(training.of("gin"))) == (0, 1, 0)
    assert "small/kd: waiting for the last trials, which other processes are running." in out
    assert read_facts(tmp_path / "own" / "tuned" / "small" / "kd.yaml")["value"] == "0.75"


def test_which_settings_mattered_is_told_from_enough_trials_on(
    gnn_distill: Callable, training: Training, tmp_path: Path
) -> None:
    words = (*WORDS, "tune.columns=[small]", "tune.rows=[alone]", "tune.startup=16")
    status, out, _ = gnn_distill(*words, "tune.trials=15")
    told = "unknown: needs 16 trials with finite, different values"
    assert (status, f"small/alone  importance  {told}" in out) == (0, True)
    file = tmp_path / "own" / "tuned" / "small" / "alone.yaml"
    assert read_facts(file)["importance"] == told
    assert gnn_distill(*words, "tune.trials=16")[0] == 0
    shares = dict(share.split() for share in read_facts(file)["importance"].split(", "))
    assert next(iter(shares)) == "optim.lr"  # the formula reads nothing else
    assert float(shares["optim.lr"]) > 0.8
    assert shares.keys() == {"optim.lr", "student.dropout", "optim.weight_decay", "encoding.bias_gain"}


FEW = ("trainer.max_epochs=1", "pretrain.max_epochs=1")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a search of kd on the small column as a process of its own."""
    (tmp_path / "own" / "table").mkdir(parents=True)
    (tmp_path / "own" / "table" / "tiny.yaml").write_text(TABLE)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    started = []

    def start(*words: str) -> subprocess.Popen:
        words = (*WORDS, "tune.columns=[small]", "tune.rows=[kd]", *FEW, *words)
        command = [sys.executable, "-m", "gnn_distill", *words]
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.mark.slow
def test_killed_with_kill_9_it_repeats_no_finished_trial_and_reads_no_test_split(
    tmp_path: Path, start: Callable
) -> None:
    first = start("tune.trials=4", "tune.studies=killed")
    trials = tmp_path / "killed" / "tiny" / "small_kd" / "trials.csv"
    while not (trials.exists() and len(pd.read_csv(trials)) >= 2):
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("summary.json")}
    for studies in ("killed", "whole"):
        assert start("tune.trials=4", f"tune.studies={studies}").wait(timeout=300) == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    pd.testing.assert_frame_equal(timeless(trials.parent), timeless(tmp_path / "whole" / "tiny" / "small_kd"))
    summaries = [json.loads(path.read_text()) for path in tmp_path.rglob("summary.json")]
    assert len(summaries) == 8
    assert all({"train", "val"} == summary[role].keys() for summary in summaries for role in ("teacher", "student"))
    assert not any("test/" in path.read_text() for path in tmp_path.rglob("metrics.csv"))


@pytest.mark.slow
def test_two_processes_share_the_trials_of_a_study_and_one_goes_on_when_the_other_is_killed(
    tmp_path: Path, start: Callable
) -> None:
    folder = tmp_path / "outputs" / "tune" / "tiny" / "small_kd"
    killed, other = start("tune.trials=8"), start("tune.trials=8")
    while not (folder / "trials.csv").exists():
        time.sleep(0.05)
    killed.kill()
    out = other.communicate(timeout=300)[0]
    assert other.returncode == 0
    assert start("tune.trials=8").communicate(timeout=60)[0].startswith("\ntune tiny  8 trials of each of 1, 8 of 8")
    trials = read_trials(folder)
    assert list(trials["trial"]) == [*range(1, 9)]
    assert len({*trials["optim.lr"]}) == 8  # none was made twice
    assert len([*folder.rglob("summary.json")]) == 8
    mine = [line.partition("trial ")[2].partition("/")[0] for line in out.splitlines() if "  trial " in line]
    assert len(mine) == len({*mine})


def test_trials_on_other_data_are_another_study(
    gnn_distill: Callable, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("tune.columns=[small]", "tune.rows=[kd]", "tune.trials=1")
    assert gnn_distill(*WORDS, *few)[0] == 0
    assert "1 of 1 finished" in gnn_distill(*WORDS, *few)[1]
    monkeypatch.setattr(tuning, "fingerprint_of", lambda config, pair: "1" * 64)
    assert "0 of 1 finished" in gnn_distill(*WORDS, *few)[1]
    assert len(training.configs) == 2


def test_data_are_known_by_what_they_are() -> None:
    from hydra import compose, initialize_config_dir

    from gnn_distill.cli.main import CONF_DIR
    from gnn_distill.config import schema

    schema.register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3", job_name="train"):
        sizes = ("dataset.num_train=20", "dataset.num_val=10", "dataset.num_test=10")
        config = compose("train", ["dataset=typed_edges", *sizes])
    told = [tuning.fingerprint_of(config, pair) for pair in ({"seed": 0}, {"seed": 1}, {"dataset.split_seed": 1})]
    assert told[0] == told[1] != told[2]
    assert len(told[0]) == 64
