import math

import pytest

from gnn_distill.config.schema.objective import Ramp
from gnn_distill.losses.schedule import ramp_factor

ALWAYS, NEVER = Ramp(), Ramp(enter=[1.0, 1.0])
RISE, FALL = Ramp(enter=[0.2, 0.6]), Ramp(leave=[0.5, 0.9])
BUMP = Ramp(enter=[0.0, 0.4], leave=[0.6, 1.0])


@pytest.mark.parametrize("form", ["linear", "cosine"])
@pytest.mark.parametrize(
    ("ramp", "progress", "expected"),
    [
        *((ALWAYS, progress, 1.0) for progress in (0.0, 0.5, 1.0)),
        *((NEVER, progress, 0.0) for progress in (0.0, 0.999, 1.0)),
        *((RISE, progress, value) for progress, value in ((0.0, 0), (0.2, 0), (0.4, 0.5), (0.6, 1), (1.0, 1))),
        *((FALL, progress, value) for progress, value in ((0.0, 1), (0.5, 1), (0.7, 0.5), (0.9, 0), (1.0, 0))),
        *((BUMP, progress, value) for progress, value in ((0.0, 0), (0.2, 0.5), (0.5, 1), (0.8, 0.5), (1.0, 0))),
        (Ramp(enter=[0.6, 0.6]), 0.5999, 0.0),
        (Ramp(enter=[0.6, 0.6]), 0.6, 1.0),
        (Ramp(leave=[0.6, 0.6]), 0.5999, 1.0),
        (Ramp(leave=[0.6, 0.6]), 0.6, 0.0),
    ],
)
def test_ramps_begin_and_end_where_they_say(form: str, ramp: Ramp, progress: float, expected: float) -> None:
    assert ramp_factor(ramp, form, progress) == pytest.approx(expected, abs=1e-12)


def test_forms_differ_between_the_ends() -> None:
    assert ramp_factor(RISE, "linear", 0.3) == pytest.approx(0.25)
    assert ramp_factor(RISE, "cosine", 0.3) == pytest.approx((1 - math.cos(math.pi / 4)) / 2)
    assert ramp_factor(FALL, "linear", 0.6) == pytest.approx(0.75)
