"""Refusing launchers that start a command several times, for data parallelism: each would make the same run."""

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
"""Variables of torchrun, Open MPI, MPICH, MVAPICH and jsrun: number of processes, index of this one."""


def refuse_several_processes() -> None:
    """Raise SystemExit if a launcher started several processes; in the first one its cause is a UserError."""
    for size, rank in _launcher_variables():
        if _number(size) < 2:
            continue
        error = UserError(
            f"{size}={os.environ[size]}: a launcher started several processes, and each would make the same run. A "
            "run takes one process: torchrun --nproc-per-node=1, srun --ntasks=1, mpirun -n 1. If there is only one, "
            "unset the variable. To make several runs at once: -m hydra/launcher=joblib."
        )
        raise SystemExit(1) from None if _number(rank) else error


def _launcher_variables() -> Iterator[tuple[str, str]]:
    """Names of a launcher's variables: the number of processes, index of this one."""
    yield from SIZES.items()
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        yield "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"
    # SLURM_NTASKS alone is what a job may start: a script of sbatch, or a shell of salloc, is itself one process.
    elif "SLURM_PROCID" in os.environ and os.environ.get("ENVIRONMENT") != "BATCH":
        yield "SLURM_NTASKS", "SLURM_PROCID"


def _number(name: str) -> int:
    """The value of a variable; 0 if it is not set, or not a number."""
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0
