"""Threads do every task once; a failure is the caller's, and what has not begun by then never does."""

import time

import pytest
import torch

from gnn_distill.data.encodings.workers import in_threads


def test_results_are_told_in_order():
    told = []
    in_threads(lambda task: time.sleep(0.01 * (task % 3)) or task, range(20), told.append)
    assert told == list(range(20))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_begins_after_a_failure(error):
    begun, threads = [], torch.get_num_threads()

    def work(task: int) -> int:
        begun.append(task)
        time.sleep(0.01)
        return task

    def advance(count: int) -> None:
        raise error

    with pytest.raises(error):
        in_threads(work, range(200), advance)
    assert len(begun) <= 2 * threads + 1
    assert torch.get_num_threads() == threads


def test_workers_may_write_what_inference_has_made() -> None:
    with torch.inference_mode():
        result = torch.zeros(3)

        def work(task: int) -> int:
            result[task] = task
            return 1

        in_threads(work, range(3), lambda count: None)
    assert result.tolist() == [0, 1, 2]
