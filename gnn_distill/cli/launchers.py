"""Launchers that start a command several times, for data-parallel training: here each would make the same run."""

import os
from collections.abc import Iterator

from gnn_distill.errors import UserError

SIZES = {
    "WORLD_SIZE": "RANK",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
    "JSM_NAMESPACE_SIZE": "JSM_NAMESPACE_RANK",
}
"""What torchrun, Open MPI, MPICH, MVAPICH and jsrun call the number of processes, and which of them this one is."""


def refuse_several_processes() -> None:
    """Raise SystemExit if a launcher started several of this process; its cause, in the first alone, says why."""
    for size, rank in _started():
        if _number(size) < 2:
            continue
        error = UserError(
            f"{size}={os.environ[size]}: so many processes were started, and each would make the same run. A run takes "
            "one: torchrun --nproc-per-node=1, srun --ntasks=1, mpirun -n 1. If there is one, unset the variable. For "
            "several runs at once: -m hydra/launcher=joblib."
        )
        raise SystemExit(1) from None if _number(rank) else error


def _started() -> Iterator[tuple[str, str]]:
    """Names of the variables that tell of a launcher: the number of processes, and which one this is."""
    yield from SIZES.items()
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        yield "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"
    # SLURM_NTASKS alone tells what a job may start: a script of sbatch, or a shell of salloc, is itself one process.
    elif "SLURM_PROCID" in os.environ and os.environ.get("ENVIRONMENT") != "BATCH":
        yield "SLURM_NTASKS", "SLURM_PROCID"


def _number(name: str) -> int:
    """The value of a variable; 0 where it is none, or no number."""
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0
