"""A command that a launcher starts several times is refused, once, before anything is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gnn_distill.cli.launchers import SIZES, refuse_several_processes
from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.pipeline.runtime import make_fabric

SLURM = ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "ENVIRONMENT")
SEVERAL = {
    "torchrun": {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"},
    "a node without ranks": {"WORLD_SIZE": "4"},
    "Open MPI": {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"},
    "MPICH": {"PMI_SIZE": "16", "PMI_RANK": "0"},
    "srun": {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "0", "ENVIRONMENT": "BATCH"},
    "srun of another version": {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"},
}
ONE = {
    "torchrun": {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"},
    "a script of sbatch": {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "ENVIRONMENT": "BATCH"},
    "a shell of salloc": {"SLURM_NTASKS": "4"},
    "srun, of a job with more": {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
    "no number": {"WORLD_SIZE": "all"},
}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Set the variables of a launcher, and no others."""

    def launch(variables: dict[str, str]) -> None:
        for name in (*SIZES, *SIZES.values(), *SLURM):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return launch


@pytest.mark.parametrize("words", [(), ("-m", "seed=0,1"), ("resume=run",)], ids=["run", "sweep", "resume"])
def test_several_processes_are_refused_by_the_first(
    words: tuple[str, ...], gnn_distill: Callable, launched: Callable, tmp_path: Path
) -> None:
    for variables in SEVERAL.values():
        launched(variables)
        status, out, err = gnn_distill("train", *words, "hydra.run.dir=run", "tracker=none")
        size, value = next(iter(variables.items()))
        assert (status, out) == (1, "")
        assert err.startswith(f"gnn-distill train: {size}={value}: a launcher started several processes")
        assert err.count("\n") == 1
        if rank := next((name for name in variables if name.endswith(("RANK", "PROCID"))), ""):
            launched(variables | {rank: "1"})
            assert gnn_distill("train", *words, "hydra.run.dir=run", "tracker=none") == (1, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("variables", ONE.values(), ids=ONE)
def test_one_process_of_a_launcher_trains(variables: dict[str, str], launched: Callable) -> None:
    launched(variables)
    refuse_several_processes()
    assert make_fabric(TrainerConfig(threads=1, accelerator="cpu")).world_size == 1
