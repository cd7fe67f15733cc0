"""Neighbours of many nodes in turns, so that a loop over edges becomes a short loop over arrays."""

import numpy as np
from jaxtyping import Int

LOW = (1 << 32) - 1


class NeighbourRounds:
    """The neighbours of `count` rows: turn d holds the d-th neighbour of all rows that have so many.

    Rows with more neighbours rank before others, so that every turn is about the first ranks, without gaps. The
    neighbours of a row come in ascending order.
    """

    def __init__(self, rows: Int[np.ndarray, " edges"], neighbours: Int[np.ndarray, " edges"], count: int) -> None:
        degree = np.bincount(rows, minlength=count)
        # Pairs of 32 bits are sorted as one integer in a fraction of the time that sorting their indices takes.
        self.order = np.sort((degree.max() - degree) << 32 | np.arange(count)) & LOW
        """The row of every rank."""
        self.rank = np.empty(count, dtype=np.int64)
        self.rank[self.order] = np.arange(count)
        self.degree = degree[self.order]
        """By rank."""
        self.neighbours = np.sort(self.rank[rows] << 32 | neighbours) & LOW
        self.first = self.degree.cumsum() - self.degree
        self.lengths = count - np.searchsorted(self.degree[::-1], np.arange(self.degree[0]), side="right")
        """Number of rows in every turn; it falls."""

    def turns(self, stop: int | None = None) -> list[Int[np.ndarray, " length"]]:
        """The first `stop` turns, or all: neighbours by the rank of their row."""
        return [self.neighbours[self.first[:length] + turn] for turn, length in enumerate(self.lengths[:stop].tolist())]

    def rest(self, start: int) -> list[Int[np.ndarray, " more"]]:
        """The neighbours that have no turn before `start`, of the ranks that have such, one after another."""
        ranks = range(self.lengths[start] if start < len(self.lengths) else 0)
        return [self.neighbours[self.first[r] + start : self.first[r] + self.degree[r]] for r in ranks]
