"""The processes of a run that was started as one: torchrun's own agent starts them, and ends all if one ends."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from gnn_distill.config.quoting import for_hydra, resume_command
from gnn_distill.cpu import usable_cpus
from gnn_distill.errors import UserError
from gnn_distill.interruption import Interrupted
from gnn_distill.storage.bounded import read_plain_json
from gnn_distill.storage.resume import FILES, MAY_DIFFER
from gnn_distill.storage.run_directory import FAILED, read_summary

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that the agent handles, and passes on to the processes."""


def train_with_ranks(count: int, folder: Path, threads: int | None, resume: bool) -> float:
    """Make the run of this job in `folder` by `count` processes; returns its validation metric.

    threads: of each process; None: its share of the CPUs, unless OMP_NUM_THREADS says how many.

    Raises:
        Interrupted: once a signal has come, or a process was killed: the run can be resumed.
        UserError: in a sweep, with what a failed run has left as its error; a run alone has printed it.
    """
    each = str(threads or os.environ.get("OMP_NUM_THREADS") or max(1, usable_cpus() // count))
    # Hydra's variable is set for this process's errors alone: the others set it themselves.
    with _environment(OMP_NUM_THREADS=each, HYDRA_FULL_ERROR=None, TORCH_CPP_LOG_LEVEL="ERROR"):
        codes = _run(count, ["-m", "gnn_distill", "train", *_words(folder, resume)])
    if any(code > 0 and code != Interrupted.exit_code for code in codes.values()):
        if HydraConfig.get().mode == RunMode.MULTIRUN and (folder / FAILED).exists():
            raise UserError(read_plain_json(folder / FAILED, folder)["error"])
        raise SystemExit(1)
    if codes:
        stopped = Interrupted("the end of one of its processes")
        stopped.announced = True  # by the first process, unless it was killed: SIGTERM may end it after its last word
        if codes.get(0, 0) < 0 and codes[0] != -signal.SIGTERM:
            print(f"gnn-distill train: a process of this run was killed. Resume with: {resume_command(folder)}")
        raise stopped
    summary = read_summary(folder)
    role = next(role for role in ("alone", "student", "teacher") if role in summary)
    return summary[role]["val"][summary["metric"]]


def _run(count: int, arguments: list[str]) -> dict[int, int]:
    """Run Python with these arguments in `count` processes; by rank, exit codes of the first that failed.

    Those of signals are negative.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    meeting = {"run_id": uuid.uuid4().hex, "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    config = LaunchConfig(1, 1, count, max_restarts=0, monitor_interval=0.1, **meeting)
    with _as_before():
        try:
            elastic_launch(config, sys.executable)(*arguments)
        except ChildFailedError as error:
            return {rank: failure.exitcode for rank, failure in error.failures.items()}
        except SignalException:
            return {0: Interrupted.exit_code}
    return {}


def _words(folder: Path, resume: bool) -> list[str]:
    """The command line of each process: that of this job, and its folder."""
    job = HydraConfig.get()
    words = list(job.overrides.task)
    if resume:
        given = (*MAY_DIFFER, *(f"dataset.{name}" for name in FILES))
        return [f"resume={folder}", *(word for word in words if word.lstrip("+~").startswith(given))]
    folders = [source.path for source in job.runtime.config_sources if source.provider == "command-line"]
    return [*(f"--config-dir={own}" for own in folders), *words, f"hydra.run.dir={for_hydra(folder)}"]


@contextmanager
def _environment(**variables: str | None) -> Iterator[None]:
    """Variables of the environment within it; None: not set."""
    before = dict(os.environ)
    os.environ |= {name: value for name, value in variables.items() if value is not None}
    for name in [name for name, value in variables.items() if value is None]:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


@contextmanager
def _as_before() -> Iterator[None]:
    """Leave handlers of signals and logs as they were; the agent's own log repeats what the processes say."""
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for number, handler in handlers.items():
            signal.signal(number, handler)
