"""Timing of contenders that take turns, so that a drift of the machine's speed affects all alike."""

import statistics
import time
from collections.abc import Callable

import torch

Contender = Callable[[], float]
"""Does its work once; returns seconds per item."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def interleave(contenders: dict[str, Contender], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds per item of each contender in every round, without the first `warm_up` rounds.

    Every other round has the reverse order, so that no contender always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(warm_up + rounds):
        names = list(contenders) if index % 2 else list(reversed(contenders))
        for name in names:
            seconds[name].append(contenders[name]())
    return {name: values[warm_up:] for name, values in seconds.items()}


def times_faster(mine: list[float], theirs: list[float]) -> float:
    """Median over the rounds of theirs / mine."""
    return statistics.median(their / my for my, their in zip(mine, theirs, strict=True))


def timed(function: Callable[[], object], items: int = 1, clock: str = "wall") -> Contender:
    """A contender that calls `function`, which handles `items` items."""

    def run() -> float:
        started = CLOCKS[clock]()
        function()
        wait_for_device()
        return (CLOCKS[clock]() - started) / items

    return run


def wait_for_device() -> None:
    """Wait until the GPU, if one is in use, has finished its work."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
