"""How many runs of a table are made at once on this machine, and by which of Hydra's launchers."""

from collections.abc import Sequence

from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.errors import refuse

MOST = 8
"""Runs at once that `auto` starts: each process holds the libraries and its data."""


def check_jobs(jobs: str, launcher: Sequence[str]) -> None:
    """Raise UserError unless `table.jobs` is a number of runs, and not said beside a launcher, which says it itself."""
    if jobs != "auto" and not (jobs.isdecimal() and int(jobs)):
        raise refuse("table.jobs", jobs, "must be auto or a whole number, at least 1.")
    if launcher and jobs not in ("auto", "1"):
        raise refuse("table.jobs", jobs, f"{launcher[0]} says how runs are started. Leave one of the two out.")


def jobs_at_once(jobs: str, trainer: TrainerConfig) -> int:
    """What `table.jobs` comes to; auto: one for each CPU that this process may use, or each `trainer.threads` of them.

    On a GPU, or where a run has several processes, auto is one.
    """
    if jobs != "auto":
        return int(jobs)
    import torch  # slow, and a table that makes no run needs none of it

    from gnn_distill.cpu import usable_cpus

    on_gpu = trainer.accelerator != "cpu" and (torch.cuda.is_available() or torch.backends.mps.is_available())
    if on_gpu or trainer.devices != "1":
        return 1
    return max(1, min(MOST, usable_cpus() // (trainer.threads or 1)))


def joblib_words(jobs: int) -> list[str]:
    """Overrides for as many processes of this machine; none for one, which needs no other than this.

    They share the CPUs that this process may use: joblib sets OMP_NUM_THREADS for them, unless it is set.
    """
    if jobs == 1:
        return []
    # Runs differ in length: none waits in a batch behind another one while a process is free.
    return ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}", "hydra.launcher.batch_size=1"]
