"""A call from Python leaves its process as it found it, and raises exceptions instead of ending it."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from copy import deepcopy
from io import StringIO

import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime

from gnn_distill.config.hydra_errors import explain
from gnn_distill.errors import UserError
from gnn_distill.interruption import Interrupted
from gnn_distill.training.randomness import random_states, restore_random_states


@contextmanager
def isolated(progress: bool = True) -> Iterator[None]:
    """Within it errors of the user's are UserErrors, and a signal is a KeyboardInterrupt.

    After it all is as before: Hydra, random generators, threads and determinism of torch, environment variables, import
    path, filters of warnings, handlers and levels of logging. progress: whether what is printed within it is shown.
    """
    shown = nullcontext() if progress else redirect_stdout(StringIO())
    with _hydra(), _numbers(), _process(), _logging(), warnings.catch_warnings(), shown:
        try:
            yield
        except Interrupted as signal:
            raise KeyboardInterrupt(f"stopped by {signal}") from signal
        except UserError:
            raise
        except (Exception, SystemExit) as stop:
            if (error := explain(stop)) is None:
                raise
            raise error from stop


@contextmanager
def _hydra() -> Iterator[None]:
    """A caller may be within a Hydra application of its own."""
    hydra, job = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    runtime = deepcopy(JobRuntime.instance().conf)
    versions = {kind: dict(vars(one)) for kind, one in Singleton._instances.items() if kind.__name__ == "VersionBase"}
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = hydra, job
        JobRuntime.instance().conf = runtime
        for kind, values in versions.items():
            vars(kind()).update(values)


@contextmanager
def _numbers() -> Iterator[None]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    states, threads = random_states(device), torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    try:
        yield
    finally:
        restore_random_states(states, device)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill


@contextmanager
def _process() -> Iterator[None]:
    environment, path = dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        sys.path[:] = path


@contextmanager
def _logging() -> Iterator[None]:
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(one for one in known if isinstance(one, logging.Logger))]
    before = [(one, list(one.handlers), one.level, one.propagate, one.disabled) for one in loggers]
    disabled = logging.root.manager.disable
    try:
        yield
    finally:
        logging.disable(disabled)
        for one, handlers, level, propagate, off in before:
            one.handlers[:] = handlers
            one.setLevel(level)
            one.propagate, one.disabled = propagate, off
