"""The statistics against published numbers, exact sums and each other."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.analysis.maths import stats
from conv_analytics.errors import ConfigError

WILSON = [
    (0, 10, 0.0, 0.277533),
    (1, 1, 0.206549, 1.0),
    (5, 10, 0.236593, 0.763407),
    (45, 50, 0.786398, 0.956524),
    (200, 1000, 0.176377, 0.225919),
    (1650, 1750, 0.930981, 0.952794),
]


@pytest.mark.parametrize(("k", "n", "lo", "hi"), WILSON)
def test_wilson(k: int, n: int, lo: float, hi: float) -> None:
    assert stats.wilson(k, n) == pytest.approx((lo, hi), abs=5e-7)
    # The other side of the coin.
    assert stats.wilson(n - k, n) == pytest.approx((1 - hi, 1 - lo), abs=5e-7)


def test_wilson_takes_columns_and_knows_nothing_of_nothing() -> None:
    lo, hi = stats.wilson([0, 0, 5, math.nan], [0, 10, 10, 10])
    assert np.isnan([lo[0], hi[0], lo[3], hi[3]]).all()
    assert (lo[1], lo[2]) == (0.0, pytest.approx(0.236593, abs=5e-7))
    assert [len(limit) for limit in stats.wilson([], [])] == [0, 0]
    # More confidence is a wider interval.
    assert stats.wilson(5, 10, confidence=0.99)[0] < stats.wilson(5, 10)[0]


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (1, 0)])
def test_what_is_no_rate_is_refused(k: int, n: int) -> None:
    with pytest.raises(ConfigError, match="k of n"):
        stats.wilson(k, n)


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_rate_lies_in_its_interval(case: tuple[int, int]) -> None:
    told = stats.rates(*case)
    if case[1]:
        assert 0 <= told["lo"] <= told["rate"] <= told["hi"] <= 1
        assert told["lo"] < told["hi"]
    else:
        assert np.isnan([told["rate"], told["lo"], told["hi"]]).all()


def test_newcombe() -> None:
    # The worked examples of Newcombe's paper, method 10.
    cases = [
        ((56, 70, 48, 80), (0.2, 0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.6, 0.1705, 0.8090)),
        ((5, 56, 0, 29), (0.0893, -0.0381, 0.1926)),
        ((0, 10, 0, 20), (0.0, -0.1611, 0.2775)),
        ((10, 10, 0, 10), (1.0, 0.6075, 1.0)),
    ]
    for counts, expected in cases:
        assert stats.newcombe(*counts) == pytest.approx(expected, abs=5e-5), counts
    assert np.isnan(stats.newcombe(0, 0, 5, 10)).all()


def exact_tail(k: int, n: int, p: Fraction) -> Fraction:
    return sum((math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1)), Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 7, 50, 300])
@pytest.mark.parametrize("p", [Fraction(1, 1000), Fraction(3, 200), Fraction(1, 2), Fraction(99, 100)])
def test_the_tail_is_the_exact_sum(n: int, p: Fraction) -> None:
    ks = sorted({0, 1, n // 3, n // 2, n - 1, n})
    expected = [float(exact_tail(k, n, p)) for k in ks]
    assert stats.binomial_tail(ks, n, float(p)) == pytest.approx(expected, rel=1e-10)


def test_tails_at_the_ends() -> None:
    assert stats.binomial_tail([0, 3, 3, 3], [5, 5, 5, 5], [0.2, 0.0, 1.0, math.nan]) == pytest.approx(
        [1, 0, 1, math.nan], nan_ok=True
    )
    assert 1.5e-67 < stats.binomial_tail(120, 1000, 0.015) < 2.5e-67
    # The median of a million tosses.
    assert float(stats.binomial_tail(500_000, 1_000_000, 0.5)) == pytest.approx(0.5003989, abs=1e-6)
    assert len(stats.binomial_tail([], [], 0.5)) == 0
    with pytest.raises(ConfigError, match="between 0 and 1"):
        stats.binomial_tail(1, 2, 1.5)


def test_false_discoveries() -> None:
    # The fifteen p values of Benjamini and Hochberg's own example: at 5 % the first four are findings.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
         1.0]  # fmt: skip
    adjusted = stats.benjamini_hochberg(p)
    assert (adjusted <= 0.05).sum() == 4
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)
    assert (np.diff(adjusted) >= 0).all()
    # Any order, with tests that were not made.
    mixed = stats.benjamini_hochberg([*p[::-1], math.nan])
    assert mixed[:-1] == pytest.approx(adjusted[::-1])
    assert math.isnan(mixed[-1])
    assert len(stats.benjamini_hochberg([])) == 0
    with pytest.raises(ConfigError, match="p values"):
        stats.benjamini_hochberg([2.0])


def test_quantiles_need_values() -> None:
    assert [stats.quantile(range(19), q) for q in (0.05, 0.95)] == pytest.approx([math.nan, math.nan], nan_ok=True)
    assert [stats.quantile(range(20), q) for q in (0.05, 0.5, 0.95)] == pytest.approx([0.95, 9.5, 18.05])
    assert [stats.quantile([1.0, 5.0], q) for q in (0, 1)] == [1, 5]
    assert math.isnan(stats.quantile([], 0.5))
    assert math.isnan(stats.quantile([math.nan], 0))
    with pytest.raises(ConfigError, match="between 0 and 1"):
        stats.quantile([1.0], 95)


def test_the_mean_hides_what_the_fifth_percentile_shows() -> None:
    first, second = (stats.summary([4.5] * good + [1.5] * (100 - good)) for good in (95, 94))
    assert (first["mean"], first["p5"]) == pytest.approx((4.35, 4.35))
    assert (second["mean"], second["p5"]) == pytest.approx((4.32, 1.5))
    empty = stats.summary([])
    assert empty["n"] == 0
    assert all(math.isnan(value) for name, value in empty.items() if name != "n")
