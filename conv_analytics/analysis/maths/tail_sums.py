"""Sums of the terms of a distribution of counts, by the ratio of each to the next: many tests at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from conv_analytics.proportions import Floats

#: Number of terms added at once, and of tests summed at once.
_BLOCK, _ROWS = 64, 4096
_PRECISION = 1e-17

Places = npt.NDArray[np.intp]
#: A function of each term: at these counts, of the tests at these rows.
Terms = Callable[[Floats, Places], Floats]


def tail_sum(  # noqa: PLR0917 - what a distribution is made of
    k: Floats, mean: Floats, most: Floats, first: Terms, up: Terms, least: Floats | None = None
) -> Floats:
    """Sum of the terms from k on; below the mean, 1 minus the terms before k: terms decrease from there on either side.

    Parameters
    ----------
    k, mean, most
        Where the tail begins, the mean of the distribution, and the largest count it can give; one row each.
    first
        Logarithm of the term at some counts, of the tests at some rows.
    up
        The next term as a multiple of the term at some counts (a block), of the tests at some rows.
    least
        The smallest count that it can give; 0 when absent.

    Returns
    -------
    array
        In 0..1; NaN where k or the mean is.
    """
    lowest = np.zeros(k.size) if least is None else least
    result = np.full(k.size, np.nan)
    known = ~np.isnan(k + mean)
    result[known & (k <= lowest)] = 1.0
    result[known & (k > most)] = 0.0
    inner = known & (k > lowest) & (k <= most)
    above, below = (np.flatnonzero(inner & side) for side in (k > mean, k <= mean))
    for part in (above[at : at + _ROWS] for at in range(0, above.size, _ROWS)):
        result[part] = _sum_up(k[part], most[part], part, first, up)
    for part in (below[at : at + _ROWS] for at in range(0, below.size, _ROWS)):
        result[part] = 1 - _sum_down(k[part] - 1, lowest[part], part, first, up)
    clipped: Floats = np.clip(result, 0.0, 1.0)
    return clipped


def _sum_up(start: Floats, most: Floats, rows: Places, first: Terms, up: Terms) -> Floats:
    total, term, x, active = np.ones(start.size), np.ones(start.size), start.copy(), np.arange(start.size)
    steps = np.arange(_BLOCK, dtype="float64")
    while active.size:
        places = x[active][:, None] + steps
        ratio = np.where(places < most[active][:, None], up(places, rows[active]), 0.0)
        terms = term[active][:, None] * np.cumprod(ratio, axis=1)
        total[active] += terms.sum(axis=1)
        term[active], x[active] = terms[:, -1], x[active] + _BLOCK
        # Falling terms keep falling; the tail of a U-shape may rise to its end.
        falls = (ratio[:, -1] < 1) & (terms[:, -1] <= _PRECISION * total[active] * (1 - ratio[:, -1]))
        active = active[~(falls | (terms[:, -1] == 0))]
    return np.exp(first(start, rows)) * total


def _sum_down(start: Floats, least: Floats, rows: Places, first: Terms, up: Terms) -> Floats:
    total, term, x, active = np.ones(start.size), np.ones(start.size), start.copy(), np.arange(start.size)
    steps = np.arange(_BLOCK, dtype="float64")
    while active.size:
        places = x[active][:, None] - steps
        inside = places > least[active][:, None]
        before = up(np.where(inside, places - 1, least[active][:, None]), rows[active])
        # If a term is impossible, so is each before it.
        inside &= (before > 0) & np.isfinite(before)
        ratio = np.where(inside, 1 / np.where(inside, before, 1.0), 0.0)
        terms = term[active][:, None] * np.cumprod(ratio, axis=1)
        total[active] += terms.sum(axis=1)
        term[active], x[active] = terms[:, -1], x[active] - _BLOCK
        falls = (ratio[:, -1] < 1) & (terms[:, -1] <= _PRECISION * total[active] * (1 - ratio[:, -1]))
        active = active[~(falls | (terms[:, -1] == 0))]
    return np.exp(first(start, rows)) * total


__all__ = ["Places", "Terms", "tail_sum"]
