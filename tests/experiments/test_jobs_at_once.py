"""How many runs are made at once."""

import pytest
import torch

from gnn_distill import cpu
from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.errors import UserError
from gnn_distill.experiments.workers import MOST, check_jobs, joblib_words, jobs_at_once


@pytest.mark.parametrize(
    ("cpus", "threads", "expected"), [(1, None, 1), (2, None, 2), (6, 2, 3), (6, 4, 1), (64, None, MOST)]
)
def test_auto_is_as_many_as_the_cpus_serve(
    cpus: int, threads: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "usable_cpus", lambda: cpus)
    trainer = TrainerConfig(accelerator="cpu", threads=threads)
    assert jobs_at_once("auto", trainer) == expected
    assert jobs_at_once("3", trainer) == 3


def test_auto_is_one_on_a_gpu_and_where_a_run_has_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "usable_cpus", lambda: 4)
    assert jobs_at_once("auto", TrainerConfig(accelerator="cpu", devices="2")) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert jobs_at_once("auto", TrainerConfig(accelerator="auto")) == 1
    assert jobs_at_once("auto", TrainerConfig(accelerator="cpu")) == 4


def test_a_launcher_says_itself_how_many() -> None:
    given = ["hydra/launcher=submitit_slurm"]
    check_jobs("auto", given)
    with pytest.raises(UserError, match=r"table\.jobs=2: hydra/launcher=submitit_slurm says how runs are started"):
        check_jobs("2", given)


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5"])
def test_other_values_are_refused(jobs: str) -> None:
    with pytest.raises(UserError, match=rf"table\.jobs={jobs}: must be auto or a whole number, at least 1"):
        check_jobs(jobs, [])


def test_one_run_at_a_time_needs_no_other_process() -> None:
    assert joblib_words(1) == []
    assert "hydra.launcher.n_jobs=2" in joblib_words(2)
