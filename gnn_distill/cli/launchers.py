"""Several processes for one run: which a launcher started, whether the config asks for as many, how they meet."""

import os
from typing import TYPE_CHECKING, NamedTuple

from gnn_distill import ranks
from gnn_distill.errors import UserError, refuse
from gnn_distill.formatting import counted

if TYPE_CHECKING:
    from gnn_distill.config.schema.run import TrainerConfig

MPI = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
    "JSM_NAMESPACE_SIZE": "JSM_NAMESPACE_RANK",
}
"""Variables of Open MPI, MPICH, MVAPICH and jsrun, by which processes do not meet here."""
FIRST_PORT = 15_000


class Launched(NamedTuple):
    """What a launcher says of this process."""

    size_name: str
    """The variable that holds the number of processes."""
    size: int
    rank: int


def launched() -> Launched | None:
    """What torchrun, srun or another launcher says of this process; None: it was started by itself."""
    pairs = {"WORLD_SIZE": "RANK"}
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        pairs["SLURM_STEP_NUM_TASKS"] = "SLURM_PROCID"
    # SLURM_NTASKS alone is what a job may start: a script of sbatch, or a shell of salloc, is itself one process.
    elif "SLURM_PROCID" in os.environ and os.environ.get("ENVIRONMENT") != "BATCH":
        pairs["SLURM_NTASKS"] = "SLURM_PROCID"
    for size, rank in (pairs | MPI).items():
        if _number(size):
            return Launched(size, _number(size), _number(rank))
    return None


def is_follower() -> bool:
    """Whether another process of the same run speaks for this one."""
    return (found := launched()) is not None and found.rank > 0


def refuse_sweep() -> None:
    """Raise UserError if a launcher started several processes: each would make the whole sweep."""
    if (found := launched()) and found.size > 1:
        raise UserError(
            f"{found.size_name}={found.size}: a launcher started several processes, and each would make the whole "
            "sweep. Start a sweep without a launcher; trainer.devices then starts the processes of each run."
        )


def processes_to_start(trainer: "TrainerConfig") -> int:
    """How many processes a run has to start for itself; 1: none, it is one process, or a launcher started all.

    Raises:
        UserError: if a launcher started more or fewer than the config says, or they are for several machines.
    """
    found, several = launched(), trainer.num_nodes > 1
    if found is None:
        if several:
            raise refuse(
                "trainer.num_nodes",
                trainer.num_nodes,
                "a run starts processes on one machine alone. Start it on each one with torchrun or srun, as "
                f"srun --nodes={trainer.num_nodes} does.",
            )
        return _devices_here() if trainer.devices == "auto" else int(trainer.devices)
    if trainer.devices != "auto" and found.size != int(trainer.devices) * trainer.num_nodes:
        raise UserError(
            f"{found.size_name}={found.size}: a launcher started {counted(found.size, 'process', 'processes')}, and "
            f"trainer.devices={trainer.devices} on trainer.num_nodes={trainer.num_nodes} are "
            f"{int(trainer.devices) * trainer.num_nodes}. Set trainer.devices to the number of processes on a machine, "
            "or auto; or start as many as that, with torchrun --nproc-per-node or srun --ntasks-per-node. If there is "
            "only one process, unset the variable."
        )
    if found.size % trainer.num_nodes:
        raise refuse("trainer.num_nodes", trainer.num_nodes, f"must divide {found.size_name}={found.size}.")
    if found.size > 1 and (found.size_name in MPI or (found.size_name == "WORLD_SIZE" and "RANK" not in os.environ)):
        raise UserError(
            f"{found.size_name}={found.size}: the processes of a run meet by what torchrun or srun tell them. Start "
            "them with one of these."
        )
    return 1


def meet(trainer: "TrainerConfig") -> None:
    """Meet the other processes that a launcher started for this run, if it did."""
    found = launched()
    if found is None or found.size == 1:
        return
    if found.size_name != "WORLD_SIZE":
        os.environ |= _as_torchrun(found)
    import torch

    on_cuda = trainer.accelerator == "cuda" or (trainer.accelerator == "auto" and torch.cuda.is_available())
    ranks.join("nccl" if on_cuda else "gloo")


def _as_torchrun(found: Launched) -> dict[str, str]:
    """The variables that torchrun would set, of what srun says."""
    from lightning_fabric.plugins.environments import SLURMEnvironment

    nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_NODELIST", "127.0.0.1")
    # Every process knows the port without asking: it is made of the job's number and the step's.
    port = FIRST_PORT + (_number("SLURM_JOB_ID") * 7 + _number("SLURM_STEP_ID")) % 10_000
    own = {
        "WORLD_SIZE": found.size,
        "RANK": found.rank,
        "LOCAL_RANK": _number("SLURM_LOCALID"),
        "GROUP_RANK": _number("SLURM_NODEID"),
        "MASTER_ADDR": os.environ.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or port,
    }
    return {name: str(value) for name, value in own.items()}


def _devices_here() -> int:
    """The GPUs of this machine, or the one CPU."""
    import torch

    return max(1, torch.cuda.device_count())


def _number(name: str) -> int:
    """The value of a variable; 0 if it is not set, or not a number."""
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0
