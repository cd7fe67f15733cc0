"""Turns hold every neighbour once, in order, whatever the edges."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gnn_distill.data.encodings.neighbour_rounds import NeighbourRounds

EDGES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


@given(EDGES, st.integers(0, 8))
def test_turns_and_the_rest_hold_all_neighbours(edges: list[tuple[int, int]], stop: int) -> None:
    rows, neighbours = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    found = NeighbourRounds(rows, neighbours, 7)
    assert (found.order[found.rank] == np.arange(7)).all()
    there = [[] for _ in range(7)]
    for turn in found.rounds(stop):
        for rank, neighbour in enumerate(turn):
            there[found.order[rank]].append(int(neighbour))
    for rank, more in enumerate(found.rest(stop)):
        assert len(more) > 0
        there[found.order[rank]] += more.tolist()
    assert there == [sorted(neighbour for row, neighbour in edges if row == node) for node in range(7)]
