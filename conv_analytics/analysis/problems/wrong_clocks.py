"""Instants of wrong clocks: starts so far from all others that spans and windows of time would be about them."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.observations import DAY_US, NO_INSTANT, Ints

#: Minimum distance from the other starts; at least as much as these span. [us]
FAR_US = 7 * DAY_US
#: Maximum share of the legs at either end of the data whose clocks may be wrong.
FEW = 0.01
#: Fewer legs do not tell which of them are far from the others.
LEAST_N = 20


def plausible_range(started_us: Ints) -> tuple[int, int] | None:
    """The range outside of which an instant comes from a wrong clock; None where too few starts are known to tell.

    Among the first and the last starts, the gaps longer than all other starts span decide: the innermost of either end.

    >>> day = 86_400_000_000
    >>> starts = np.array([0, *range(20_000 * day, 20_030 * day, day), 20_500 * day])
    >>> low, high = plausible_range(starts)
    >>> (low // day, high // day)
    (19993, 20036)
    """
    known = started_us[started_us != NO_INSTANT]
    if len(known) < LEAST_N:
        return None
    few = max(int(len(known) * FEW), 1)
    # Only the ends are sorted: there may be millions of legs.
    ends = np.partition(known, [few, len(known) - 1 - few])
    early, late = np.sort(ends[: few + 1]), np.sort(ends[len(known) - 1 - few :])
    far = max(FAR_US, int(late[0]) - int(early[-1]))
    early_gaps, late_gaps = np.flatnonzero(np.diff(early) > far), np.flatnonzero(np.diff(late) > far)
    first = early[early_gaps[-1] + 1] if len(early_gaps) else early[0]
    last = late[late_gaps[0]] if len(late_gaps) else late[-1]
    return int(first) - FAR_US, int(last) + FAR_US


def without_wrong_clocks(instants: dict[str, Ints]) -> tuple[dict[str, Ints], int]:
    """Instants with those of wrong clocks as unknown, and how many legs have such a start."""
    started_us = instants["started_at"]
    around = plausible_range(started_us)
    if around is None:
        return instants, 0
    low, high = around
    kept = {name: np.where((values < low) | (values > high), NO_INSTANT, values) for name, values in instants.items()}
    return kept, int(np.count_nonzero(kept["started_at"] != started_us))


__all__ = ["plausible_range", "without_wrong_clocks"]
