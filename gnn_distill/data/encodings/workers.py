"""Processing blocks of graphs in parallel, in as many threads as torch may use."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def in_threads(work: Callable[[T], int], tasks: Iterable[T], advance: Callable[[int], None]) -> None:
    """Call `work` on every task, independently of the others, and `advance` with its results, in order.

    Threads suffice, as numpy and LAPACK release the GIL. Only a few tasks exist at a time. Within each thread torch
    uses one thread, so that sums do not depend on their number.
    """
    threads = torch.get_num_threads()
    inference = torch.is_inference_mode_enabled()  # each thread has its own mode

    def in_same_mode(task: T) -> int:
        with torch.inference_mode(inference):
            return work(task)

    pending: deque[Future[int]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        torch.set_num_threads(1)
        try:
            for task in tasks:
                pending.append(pool.submit(in_same_mode, task))
                if len(pending) > 2 * threads:
                    advance(pending.popleft().result())
            while pending:
                advance(pending.popleft().result())
        except BaseException:  # an interruption, too: pending tasks are cancelled
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(threads)
