"""Producing items ahead of their use."""

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterator[Item], ahead: int = 2) -> Iterator[Item]:
    """The same items in the same order; a thread produces up to `ahead` of them while one is used.

    An error is raised in place of its item. The thread ends with the items, or when the consumer stops.
    """
    made: Queue = Queue(ahead)
    stopped = Event()

    def put(what: tuple) -> bool:
        while not stopped.is_set():
            try:
                made.put(what, timeout=0.1)
                return True
            except Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(("item", item)):
                    return
            put(("end", None))
        except BaseException as error:
            put(("error", error))

    thread = Thread(target=make, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stopped.set()
        thread.join()
