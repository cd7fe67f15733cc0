"""Studies, their trials, and the files that they become."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gnn_distill.config.schema.tune import TuneConfig
from gnn_distill.experiments.search_space import Knob
from gnn_distill.experiments.studies import (
    JOURNAL,
    Claim,
    Study,
    Trial,
    read_facts,
    read_trials,
    trials_frame,
    write_settings,
)
from gnn_distill.storage.bounded import Damaged

TRIALS = [
    Trial(number, value, 1.5, "2026-01-02 03:04:05", {"optim.lr": 0.1 / number, "schedule": "constant"})
    for number, value in enumerate((0.5, 0.75, 0.75, float("-inf")), start=1)
]


KNOBS = [Knob("x", "interval(0.0, 1.0)", 0.25), Knob("y", "choice(a, b)", "b"), Knob("z", "interval(0.0, 1.0)", 0.5)]
TUNE = TuneConfig(trials=6, startup=3)


def open_study(folder: Path, name: str = "name") -> Study:
    return Study(folder, name, higher_is_better=True)


def make(study: Study, trials: int = TUNE.trials, **tune: int) -> list[Claim]:
    """Make all trials of a study, and give them; each is worth its x."""
    made = []
    while True:
        with study.claim(replace(TUNE, trials=trials, **tune), KNOBS) as claims:
            for claim in claims:
                study.tell(claim, claim.settings["x"])
        if not claims:
            return made
        made += claims


def told(study: Study) -> list[tuple]:
    return [(trial.number, trial.value, dict(trial.settings)) for trial in study.trials()]


def test_the_first_trial_is_the_method_and_what_methods_share_is_drawn_alike(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    assert make(study)[0].settings == {knob.key: knob.own for knob in KNOBS}
    fewer = Study(tmp_path, "other", higher_is_better=False)
    with fewer.claim(TUNE, KNOBS[:2]) as (first,):
        fewer.tell(first, math.inf)
    with fewer.claim(replace(TUNE, jobs=2), KNOBS[:2]) as drawn:
        assert [{**claim.settings, "z": told(study)[claim.number - 1][2]["z"]} for claim in drawn] == [
            trial.settings for trial in study.trials()[1:3]
        ]


def test_only_finished_trials_are_trials_and_others_are_taken_up_again(tmp_path: Path) -> None:
    study, whole = open_study(tmp_path / "left"), open_study(tmp_path / "whole")
    make(whole)
    make(study, trials=3)
    with study.claim(TUNE, KNOBS) as (left,):
        assert len(study.trials()) == 3
        # While it is under way it is not anybody else's.
        with open_study(tmp_path / "left").claim(replace(TUNE, trials=4), KNOBS) as claims:
            assert claims == []
    assert make(study)[0] == left
    assert told(study) == told(whole)


def test_a_trial_whose_settings_were_not_all_drawn_is_begun_anew(tmp_path: Path) -> None:
    whole = open_study(tmp_path / "whole")
    make(whole)
    lines = (tmp_path / "whole" / JOURNAL).read_bytes().splitlines(keepends=True)
    for number in range(len(lines)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / JOURNAL).write_bytes(b"".join(lines[:number]))
        study = open_study(folder)
        make(study)
        assert told(study) == told(whole), number


@pytest.mark.parametrize("end", [b"", b'{"op_code":5,"wor', b"\0" * 9000, b"\xff\xfe\n", b'{"op_code"\n\n'])
def test_a_torn_end_of_the_journal_is_cut_off(tmp_path: Path, end: bytes) -> None:
    study = open_study(tmp_path)
    make(study, trials=3)
    before = told(study)
    with open(tmp_path / JOURNAL, "ab") as file:
        file.write(end)
    again = open_study(tmp_path)
    assert told(again) == before
    make(again)
    assert told(open_study(tmp_path))[:3] == before
    assert len(told(open_study(tmp_path))) == 6


def test_a_process_that_is_open_writes_behind_no_torn_line(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    make(study, trials=2)
    with open(tmp_path / JOURNAL, "ab") as file:
        file.write(b'{"op_code":4,"worker_id":"another","study_')
    make(study)
    assert len(told(open_study(tmp_path))) == 6


def test_a_line_that_is_damaged_is_told_with_the_file(tmp_path: Path) -> None:
    make(open_study(tmp_path))
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join([*lines[:4], lines[4][:9] + b"\n", *lines[5:]]))
    with pytest.raises(Damaged, match=r"study\.journal: is damaged: a line cannot be read .*Remove it and start again"):
        open_study(tmp_path)


def test_trials_at_once_are_told_apart(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    with study.claim(replace(TUNE, jobs=4), KNOBS) as claims:
        assert [claim.number for claim in claims] == [1, 2, 3, 4]
        for claim in reversed(claims):
            study.tell(claim, 1.0 / claim.number)
        with open_study(tmp_path).claim(replace(TUNE, jobs=4), KNOBS) as rest:
            assert [claim.number for claim in rest] == [5, 6]
    assert [trial.value for trial in study.trials()] == [1, 1 / 2, 1 / 3, 1 / 4]


PROCESS = """
import sys, time
from pathlib import Path
from tests.experiments.test_studies import KNOBS, TUNE, open_study, replace
study, seconds = open_study(Path(sys.argv[1])), float(sys.argv[2])
while True:
    with study.claim(replace(TUNE, trials=8), KNOBS) as claims:
        for claim in claims:
            print(claim.number, flush=True)
            time.sleep(seconds)
            study.tell(claim, claim.settings["x"])
    if not claims:
        break
"""


def process(folder: Path, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", PROCESS, str(folder), str(seconds)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)


def test_two_processes_share_a_study_and_what_a_killed_one_left_is_taken_up(tmp_path: Path) -> None:
    stuck = process(tmp_path, 1000)
    assert stuck.stdout.readline() == "1\n"
    others = [process(tmp_path, 0.1) for _ in range(2)]
    made = [[int(line) for line in other.communicate()[0].split()] for other in others]
    assert sorted(made[0] + made[1]) == [*range(2, 9)]
    assert make(open_study(tmp_path), trials=8) == []
    stuck.kill()
    stuck.wait()
    assert [claim.number for claim in make(open_study(tmp_path), trials=8)] == [1]
    assert [trial.number for trial in open_study(tmp_path).trials()] == [*range(1, 9)]
    assert not any((tmp_path / "running").iterdir())


@pytest.mark.parametrize(("higher_is_better", "number"), [(True, 2), (False, 4)])
def test_the_best_is_the_earliest_of_equals(tmp_path: Path, higher_is_better: bool, number: int) -> None:
    assert Study(tmp_path, "name", higher_is_better).best(TRIALS).number == number


def test_trials_are_read_as_they_were_written(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    make(study)
    written = study.write_trials()
    read = read_trials(tmp_path)
    assert list(read) == ["trial", "value", "seconds", "finished", "x", "y", "z"]
    assert read.equals(trials_frame(written))


def test_settings_become_a_file_of_the_group_tuned(tmp_path: Path) -> None:
    path = tmp_path / "cora" / "kd.yaml"
    settings = {"optim.lr": 0.1, "schedule": "cross_fade", "loss.weights.soft": 1}
    facts = {"value": repr(0.1 + 0.2), "command": "gnn-distill tune 'a: b'"}
    write_settings(path, settings, ["schedule"], facts)
    assert path.read_text().startswith("# @package _global_\n")
    assert OmegaConf.load(path) == {
        "defaults": [{"override /schedule": "cross_fade"}],
        "optim": {"lr": 0.1},
        "loss": {"weights": {"soft": 1}},
    }
    assert read_facts(path) == facts


def test_reading_takes_neither_torch_nor_optuna() -> None:
    code = (
        "import sys, gnn_distill.experiments.studies; sys.exit(bool({'optuna', 'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
