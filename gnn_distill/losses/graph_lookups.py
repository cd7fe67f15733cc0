"""What terms read of the graphs besides a batch: found once per data set, and looked up batch by batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from jaxtyping import Int32
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.batching import GraphBatch

if TYPE_CHECKING:  # what finds them is slow to import
    from gnn_distill.data.subgraphs.anchors import Anchors
    from gnn_distill.data.subgraphs.subgraphs import Subgraphs

T = TypeVar("T")


class Structure(Protocol):
    """Finds what terms read when one first needs it, and never before."""

    def subgraphs(self, source: str, align: AlignmentConfig) -> Subgraphs:
        """Subgraphs of all graphs: ego networks and walks as `align` has them, clusters, fragments."""

    def walks(self, length: int) -> Int32[Tensor, "nodes steps"]:
        """A random walk from every node of all graphs."""

    def anchors(self, count: int) -> Anchors:
        """A sample of the taught nodes with the distances between them."""


class LastValue:
    """A function of batches that remembers its last value, for a batch that returns in every step."""

    def __init__(self, derive: Callable[[GraphBatch], T]) -> None:
        self.derive, self.batch, self.value = derive, None, None

    def __call__(self, batch: GraphBatch) -> T:
        if self.batch is None or self.batch() is not batch:
            self.batch, self.value = weakref.ref(batch), self.derive(batch)
        return self.value
