"""What terms read of the graphs besides a batch: found once per data set, and looked up batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jaxtyping import Int32
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig

if TYPE_CHECKING:  # what finds them is slow to import
    from gnn_distill.data.subgraphs.anchors import Anchors
    from gnn_distill.data.subgraphs.subgraphs import Subgraphs


class Structure(Protocol):
    """Finds what terms read when one first needs it, and never before."""

    def subgraphs(self, source: str, align: AlignmentConfig) -> Subgraphs:
        """Subgraphs of all graphs: ego networks and walks as `align` has them, clusters, fragments."""

    def walks(self, length: int) -> Int32[Tensor, "nodes steps"]:
        """A random walk from every node of all graphs."""

    def anchors(self, count: int) -> Anchors:
        """A sample of the taught nodes with the distances between them."""
