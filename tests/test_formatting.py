"""Numbers as they are shown."""

import numpy as np
import pytest

from gnn_distill.formatting import Format, counted, describe_difference


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


def test_a_difference_has_the_digits_of_the_scores_beside_it() -> None:
    found = {
        **{"first": "student", "second": "teacher", "value": 0.0347, "low": -0.0123, "high": 0.0812, "p": 0.14},
        **{"n": 9, "first_only": None, "second_only": None},
    }
    told = describe_difference(found, Format.of("rmse", [0.65]), "graph")
    assert told == "student ahead of teacher by 0.035 [−0.012, 0.081], p 0.140: no difference shown"
