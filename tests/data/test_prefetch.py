"""Items made ahead."""

import threading
from collections.abc import Iterator

import pytest

from gnn_distill.data.prefetch import prefetched


def waiting() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"prefetch"}


def test_all_items_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetched(iter(range(100)))) == list(range(100))
    assert list(prefetched(iter([]))) == []
    assert not waiting()


def test_items_are_made_before_they_are_asked_for_but_not_all() -> None:
    made, enough = [], threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 3:
                enough.set()
            yield number

    ahead = prefetched(items(), ahead=2)
    assert next(ahead) == 0
    assert enough.wait(10)  # one in use, two in the queue, one at its door
    assert made == [0, 1, 2, 3]
    assert list(ahead) == list(range(1, 10))


def test_an_error_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("second")

    ahead = prefetched(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="second"):
        next(ahead)
    assert not waiting()


def test_who_stops_early_leaves_no_thread() -> None:
    ahead = prefetched(iter(range(1000)))
    assert next(ahead) == 0
    ahead.close()
    assert not waiting()
