"""Neighbours of many nodes in rounds, so that a loop over edges becomes a short loop over arrays."""

import numpy as np
from jaxtyping import Int

LOW = (1 << 32) - 1


class NeighbourRounds:
    """The neighbours of `count` rows: round d contains the d-th neighbour of all rows with more than d neighbours.

    Rows are ranked by descending number of neighbours, so that every round covers the first ranks without gaps. The
    neighbours of a row are in ascending order.
    """

    def __init__(self, rows: Int[np.ndarray, " edges"], neighbours: Int[np.ndarray, " edges"], count: int) -> None:
        degree = np.bincount(rows, minlength=count)
        # Pairs of 32 bits are sorted as one integer in a fraction of the time that sorting their indices takes.
        self.order = np.sort((degree.max() - degree) << 32 | np.arange(count)) & LOW
        """The row at every rank."""
        self.rank = np.empty(count, dtype=np.int64)
        self.rank[self.order] = np.arange(count)
        self.degree = degree[self.order]
        """Number of neighbours by rank."""
        self.neighbours = np.sort(self.rank[rows] << 32 | neighbours) & LOW
        self.first = self.degree.cumsum() - self.degree
        self.lengths = count - np.searchsorted(self.degree[::-1], np.arange(self.degree[0]), side="right")
        """Number of rows in every round, descending."""

    def rounds(self, stop: int | None = None) -> list[Int[np.ndarray, " length"]]:
        """The first `stop` rounds, or all: neighbours by the rank of their row."""
        return [
            self.neighbours[self.first[:length] + index] for index, length in enumerate(self.lengths[:stop].tolist())
        ]

    def rest(self, start: int) -> list[Int[np.ndarray, " more"]]:
        """The neighbours that are in no round before `start`, for each rank that has any."""
        ranks = range(self.lengths[start] if start < len(self.lengths) else 0)
        return [self.neighbours[self.first[r] + start : self.first[r] + self.degree[r]] for r in ranks]
