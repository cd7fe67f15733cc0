"""What is found in a batch on the host and stays with it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from gnn_distill.data.packed import moved

if TYPE_CHECKING:
    from gnn_distill.data.batching import GraphBatch


class Derived:
    """A function of a batch on the host whose value stays with the batch, and goes with it to a GPU.

    What depends on the numbers in a batch, such as which edges are loops, makes a GPU wait for the host. So it is found
    where batches are made: by whoever calls this before the batch is sent. Else it is found when first asked for.
    """

    _numbers = count()

    def __init__(self, name: str, find: Callable[[GraphBatch], Any]) -> None:
        self.name, self.find = f"{name} {next(self._numbers)}", find

    def __call__(self, batch: GraphBatch) -> Any:
        """The value for this batch, on its device."""
        if self.name not in batch.derived:
            batch.derived[self.name] = moved(self.find(batch.to("cpu")), batch.ptr.device)
        return batch.derived[self.name]
