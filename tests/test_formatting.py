"""Numbers as they are shown."""

import numpy as np
import pytest

from gnn_distill.formatting import counted


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((1, "graph"), "1 graph"),
        ((0, "graph"), "0 graphs"),
        ((1_234_567, "graph"), "1,234,567 graphs"),
        ((np.int64(2), "entry", "entries"), "2 entries"),
        ((1, "run is", "runs are"), "1 run is"),
        ((1.0, "day"), "1 day"),
        ((0.5, "day"), "0.5 days"),
    ],
)
def test_a_noun_is_in_the_number_of_its_count(words: tuple, shown: str) -> None:
    assert counted(*words) == shown
