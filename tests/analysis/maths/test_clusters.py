"""Correlation within clusters and design effects: by hand, and against drawn worlds of which both are known."""

from __future__ import annotations

import numpy as np
import pytest

from conv_analytics.analysis.maths.clusters import ClusterSums, design_effects, intraclass_correlation
from conv_analytics.errors import ConfigError


def test_sums_by_hand() -> None:
    sums = ClusterSums.of([1, 2, 0], [2, 3, 4], [0, 0, 1], 3)
    assert sums.clusters.tolist() == [2, 1, 0]
    assert (sums.k.tolist(), sums.n.tolist()) == ([3, 0, 0], [5, 4, 0])
    assert (sums.kk.tolist(), sums.kn.tolist()) == ([5, 0, 0], [8, 0, 0])
    assert (sums.nn.tolist(), sums.nnn.tolist()) == ([13, 16, 0], [35, 64, 0])


def test_all_alike_and_all_mixed() -> None:
    assert intraclass_correlation(ClusterSums.of([4, 0, 4, 0], [4] * 4, [0] * 4)) == 1
    assert intraclass_correlation(ClusterSums.of([2] * 4, [4] * 4, [0] * 4)) == 0
    # A rate of a group that differs from another's is no correlation within clusters.
    apart = ClusterSums.of([1] * 9 + [9] * 9, [10] * 18, [0] * 9 + [1] * 9)
    assert intraclass_correlation(apart) == 0


@pytest.mark.parametrize(
    ("k", "n", "group"), [([], [], []), ([3], [5], [0]), ([1, 0, 1], [1, 1, 1], [0, 0, 0]), ([0, 0], [5, 5], [0, 0])]
)
def test_what_tells_nothing_is_independent(k: list[int], n: list[int], group: list[int]) -> None:
    sums = ClusterSums.of(k, n, group)
    assert intraclass_correlation(sums) == 0
    assert (design_effects(sums, 0.0) == 1).all()


def drawn(dice: np.random.Generator, clusters: int, size: int, groups: int, *, p: float, rho: float) -> ClusterSums:
    n = np.maximum(dice.poisson(size, clusters), 1)
    rate = dice.beta(p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho, clusters) if rho else np.full(clusters, p)
    return ClusterSums.of(dice.binomial(n, rate), n, dice.integers(0, groups, clusters), groups)


@pytest.mark.parametrize(
    ("clusters", "size", "groups", "p", "rho"),
    [(100, 30, 5, 0.3, 0.2), (40, 50, 5, 0.1, 0.1), (12, 50, 3, 0.1, 0.1), (2000, 2, 10, 0.1, 0.3)],
)
def test_the_correlation_of_drawn_worlds(clusters: int, size: int, groups: int, p: float, rho: float) -> None:
    dice = np.random.default_rng(20_261_129)
    known = [intraclass_correlation(drawn(dice, clusters, size, groups, p=p, rho=rho)) for _ in range(200)]
    assert np.mean(known) == pytest.approx(rho, rel=0.15)
    alone = [intraclass_correlation(drawn(dice, clusters, size, groups, p=p, rho=0)) for _ in range(200)]
    assert np.mean(alone) < rho / 5


def test_the_design_effect_is_the_variance_of_a_group_against_the_rest() -> None:
    dice = np.random.default_rng(20_261_129)
    group = np.repeat([0, 1, 2], [10, 40, 30])
    n = np.repeat([5, 30], 40)
    differences = []
    for _ in range(4000):
        k = dice.binomial(n, dice.beta(0.2 * 4, 0.8 * 4, len(n)))  # rho = 1 / (4 + 1)
        differences.append(ClusterSums.of(k, n, group).k - ClusterSums.of(k, n, group).n * k.sum() / n.sum())
    sums = ClusterSums.of(np.zeros(len(n)), n, group)
    independent = sums.n * (1 - sums.n / n.sum()) * 0.2 * 0.8
    assert np.var(differences, axis=0) / independent == pytest.approx(design_effects(sums, 0.2), rel=0.1)


def test_malformed() -> None:
    with pytest.raises(ConfigError, match="k of n"):
        ClusterSums.of([3], [2], [0])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        design_effects(ClusterSums.of([1], [2], [0]), 1.5)
