"""Work on many blocks of graphs, in as many threads as torch may use."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def in_threads(work: Callable[[T], int], tasks: Iterable[T], advance: Callable[[int], None]) -> None:
    """Call `work` on every task, none of which may depend on another; `advance` hears what it returns, in order.

    Threads suffice: numpy and LAPACK let others run while they are busy. Of the tasks only a few are there at a time.
    Each thread is torch's only one meanwhile, so that sums do not depend on the number of threads.
    """
    threads = torch.get_num_threads()
    inference = torch.is_inference_mode_enabled()  # each thread has a mode of its own

    def alike(task: T) -> int:
        with torch.inference_mode(inference):
            return work(task)

    pending: deque[Future[int]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        torch.set_num_threads(1)
        try:
            for task in tasks:
                pending.append(pool.submit(alike, task))
                if len(pending) > 2 * threads:
                    advance(pending.popleft().result())
            while pending:
                advance(pending.popleft().result())
        except BaseException:  # an interruption, too: it does not wait for what has not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(threads)
