"""Bits that states save, against loops."""

import numpy as np
from sklearn.linear_model import Ridge

from gnn_distill.analysis.description_length import BLOCKS, bits_saved
from gnn_distill.analysis.ridge import LAMBDAS, standardised


def by_loops(x: np.ndarray, y: np.ndarray, unit: np.ndarray, seed: int) -> float:
    """Blocks of units one after another, each coded by what came before."""
    order = np.random.default_rng(seed).permutation(unit.max() + 1).tolist()
    ends = [max(int(np.ceil(share * len(order))), place) for place, share in enumerate(BLOCKS, start=1)]
    blocks = [order[start:stop] for start, stop in zip([0, *ends], ends, strict=False)]
    rows = [np.isin(unit, block) for block in blocks]
    saved = sent = 0.0

    def fit(penalty: float, chosen: np.ndarray) -> Ridge:
        return Ridge(alpha=penalty * chosen.sum() / 100).fit(x[chosen], y[chosen])

    for number in range(1, len(blocks)):
        earlier, here = np.any(rows[:number], axis=0), rows[number]
        if number == 1:
            penalty = LAMBDAS[len(LAMBDAS) // 2]
            noise = ((y - fit(penalty, earlier).predict(x))[earlier] ** 2).mean()
        else:
            known = np.any(rows[: number - 1], axis=0)
            errors = [((y - fit(p, known).predict(x))[rows[number - 1]] ** 2).mean() for p in LAMBDAS]
            penalty, noise = LAMBDAS[int(np.argmin(errors))], min(errors)
        error = (y - fit(penalty, earlier).predict(x))[here]
        plain, variance = y[here] - y[earlier].mean(), y[earlier].var()
        code = lambda e, v: np.sum(0.5 * np.log2(2 * np.pi * v) + e**2 / (2 * v * np.log(2)))  # noqa: E731
        saved += code(plain, variance) - code(error, noise)
        sent += here.sum()
    return saved / sent


def test_bits_saved_equal_those_of_loops() -> None:
    random = np.random.default_rng(0)
    unit = np.repeat(np.arange(120), 6)
    x = standardised(random.standard_normal((720, 4)))
    y = np.stack([x[:, 0] + 0.5 * random.standard_normal(720), random.standard_normal(720)], axis=1)
    found = bits_saved(x, y, unit, seed=3)
    expected = [by_loops(x, y[:, target], unit, 3) for target in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert found[0] > 0.9  # ½ log₂ of the variance 1.25 over that of the noise, 0.25, is 1.16
    assert abs(found[1]) < 0.15
