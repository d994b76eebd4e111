"""Exact tails against sums of exact fractions, and what clusters do to them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.analysis.maths.log_gamma import log_gamma
from conv_analytics.analysis.maths.stats import binomial_tail
from conv_analytics.analysis.maths.tails import beta_binomial_tail, hypergeometric_tail, poisson_tail
from conv_analytics.errors import ConfigError


def fisher(k: int, n: int, cases: int, total: int) -> Fraction:
    terms = (math.comb(cases, i) * math.comb(total - cases, n - i) for i in range(k, min(n, cases) + 1))
    return Fraction(sum(terms), math.comb(total, n))


@st.composite
def groups(draw: st.DrawFn) -> tuple[int, int, int, int]:
    total = draw(st.integers(1, 500))
    n, cases = draw(st.integers(0, total)), draw(st.integers(0, total))
    return draw(st.integers(max(0, n + cases - total), min(n, cases))), n, cases, total


@given(groups())
def test_hypergeometric_is_the_exact_sum(group: tuple[int, int, int, int]) -> None:
    assert float(hypergeometric_tail(*group)) == pytest.approx(float(fisher(*group)), rel=1e-11)


def test_the_tails_of_large_counts_keep_their_digits() -> None:
    assert float(hypergeometric_tail(60, 1000, 100, 20_000)) == pytest.approx(
        float(fisher(60, 1000, 100, 20_000)), rel=1e-11
    )
    # Of 20 million calls, one and a half standard deviations more: as the normal distribution has it.
    spread = math.sqrt(2_000_000 * 0.25 * 0.9)
    normal = 0.5 * math.erfc(1499.5 / spread / math.sqrt(2))
    assert float(hypergeometric_tail(1_001_500, 2_000_000, 10_000_000, 20_000_000)) == pytest.approx(normal, rel=1e-4)


def polya(k: int, n: int, p: Fraction, rho: Fraction) -> Fraction:
    """Tail of an urn with p marked balls to which each draw gives back more of its kind."""
    more = rho / (1 - rho)
    total = Fraction(0)
    for i in range(k, n + 1):
        term = Fraction(math.comb(n, i))
        for step in range(i):
            term *= p + step * more
        for step in range(n - i):
            term *= 1 - p + step * more
        for step in range(n):
            term /= 1 + step * more
        total += term
    return total


@pytest.mark.parametrize("n", [1, 2, 13, 60])
@pytest.mark.parametrize("p", [Fraction(1, 100), Fraction(1, 3), Fraction(9, 10)])
@pytest.mark.parametrize("rho", [Fraction(1, 1000), Fraction(1, 20), Fraction(4, 5)])
def test_beta_binomial_is_the_exact_sum(n: int, p: Fraction, rho: Fraction) -> None:
    ks = sorted({0, 1, n // 3, n // 2, n - 1, n})
    expected = [float(polya(k, n, p, rho)) for k in ks]
    assert beta_binomial_tail(ks, n, float(p), float(rho)) == pytest.approx(expected, rel=1e-9)


def test_beta_binomial_at_its_ends() -> None:
    ks = np.arange(0, 101, 10)
    assert beta_binomial_tail(ks, 100, 0.3, 0) == pytest.approx(binomial_tail(ks, 100, 0.3), rel=1e-10)
    assert beta_binomial_tail(ks, 100, 0.3, 1).tolist() == [1.0] + [0.3] * 10
    assert beta_binomial_tail([0, 1], [0, 1], 0.3, 0.2) == pytest.approx([1, 0.3])
    assert beta_binomial_tail([0, 5], 5, [0, 1], 0.2).tolist() == [1, 1]
    assert float(beta_binomial_tail(1, 5, 0, 0.2)) == 0


def negative_binomial(k: int, mean: float, deff: float) -> float:
    size, going = mean / (deff - 1), (deff - 1) / deff
    start = size * math.log(1 - going) - math.lgamma(size)
    terms = (
        math.exp(math.lgamma(i + size) - math.lgamma(i + 1) + start + i * math.log(going)) for i in range(k, k + 3000)
    )
    return math.fsum(terms)


@pytest.mark.parametrize(("k", "mean"), [(1, 0.01), (3, 0.5), (10, 2.0), (80, 100.0), (180, 100.0)])
def test_poisson_is_the_exact_sum(k: int, mean: float) -> None:
    terms = (math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(k, k + 400))
    assert float(poisson_tail(k, mean)) == pytest.approx(math.fsum(terms), rel=1e-10)
    for deff in (1.5, 4.0):
        assert float(poisson_tail(k, mean, deff=deff)) == pytest.approx(negative_binomial(k, mean, deff), rel=1e-9)


def test_nothing_is_expected() -> None:
    assert poisson_tail([0, 1], 0.0).tolist() == [1, 0]
    assert float(poisson_tail(0, 0.0, deff=2)) == 1


@given(groups(), st.floats(1, 30))
@settings(max_examples=200)
def test_a_design_effect_draws_a_tail_to_the_middle(group: tuple[int, int, int, int], deff: float) -> None:
    k, n, cases, total = group
    plain, clustered = float(hypergeometric_tail(*group)), float(hypergeometric_tail(*group, deff=deff))
    assert 0 <= clustered <= 1
    spread = math.sqrt(n * cases * (total - cases) * (total - n) / (total**2 * max(total - 1, 1)))
    if k > n * cases / total + 2 * spread * math.sqrt(deff) and spread > 1:
        assert clustered >= plain * (1 - 1e-9)
    if deff == 1:
        assert clustered == plain


@pytest.mark.parametrize("deff", [1.3, 1.9, 2.5, 6.0])
def test_the_variance_is_as_many_times_as_large(deff: float) -> None:
    n, cases, total = 60, 50, 120
    above = hypergeometric_tail(np.arange(0, 51), n, cases, total, deff=deff)
    mass = above - np.append(above[1:], 0)
    mean = float(np.sum(mass * np.arange(51)))
    assert mean == pytest.approx(n * cases / total, rel=1e-6)
    independent = n * cases / total * (1 - cases / total) * (total - n) / (total - 1)
    assert float(np.sum(mass * (np.arange(51) - mean) ** 2)) == pytest.approx(deff * independent, rel=1e-4)


def test_columns_and_what_is_not_known() -> None:
    assert np.isnan(hypergeometric_tail([math.nan, 1], [3, 3], [4, 4], [9, 9])).tolist() == [True, False]
    assert np.isnan([float(poisson_tail(math.nan, 1)), float(beta_binomial_tail(1, 2, math.nan, 0))]).all()
    assert hypergeometric_tail([[1], [2]], 3, 4, [9, 10]).shape == (2, 2)
    assert hypergeometric_tail([], [], [], []).shape == (0,)
    assert float(hypergeometric_tail(0, 0, 0, 0)) == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hypergeometric_tail(3, 10, 2, 20), "part of all calls"),
        (lambda: hypergeometric_tail(1, 30, 2, 20), "part of all calls"),
        (lambda: hypergeometric_tail(1, 3, 2, 20, deff=0.5), "deff is at least 1"),
        (lambda: beta_binomial_tail(1, 3, 1.2, 0), "between 0 and 1"),
        (lambda: beta_binomial_tail(1, 3, 0.2, -0.1), "between 0 and 1"),
        (lambda: poisson_tail(-1, 2), "0 or more"),
        (lambda: poisson_tail(1, 2, deff=0), "deff is at least 1"),
    ],
)
def test_malformed(call: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        call()  # type: ignore[operator]


def test_log_gamma() -> None:
    values = np.array([1e-3, 0.5, 1, 2, 9.99, 10, 10.01, 171, 1e6, 1e12])
    assert log_gamma(values) == pytest.approx([math.lgamma(value) for value in values], rel=1e-13, abs=1e-13)
