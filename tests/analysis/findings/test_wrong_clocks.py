"""Which instants come from wrong clocks."""

from __future__ import annotations

import numpy as np
import pytest

from conv_analytics.analysis.problems.observations import DAY_US, NO_INSTANT
from conv_analytics.analysis.problems.wrong_clocks import FAR_US, plausible_range, without_wrong_clocks

#: 300 legs within 15 days of 2026.
RIGHT = 20_500 * DAY_US + np.arange(300) * DAY_US // 20


@pytest.mark.parametrize(
    "wrong", [[0], [0, 10_957], [0, 20_000], [24_855], [24_855, 59_901], [0, 10_957, 24_855, 59_901]]
)
def test_every_start_far_from_all_others_is_wrong(wrong: list[int]) -> None:
    starts = np.concatenate([np.array(wrong, dtype=np.int64) * DAY_US, RIGHT])
    assert plausible_range(starts) == (RIGHT[0] - FAR_US, RIGHT[-1] + FAR_US)
    kept, count = without_wrong_clocks({"started_at": starts})
    assert count == len(wrong)
    assert kept["started_at"][-300:].tolist() == RIGHT.tolist()


@pytest.mark.parametrize("known", [1, 10, 19, 300])
def test_right_clocks_lose_no_instant(known: int) -> None:
    starts = np.where(np.arange(300) < known, RIGHT, NO_INSTANT)
    instants = {"started_at": starts, "answered_at": RIGHT + 10**7, "ended_at": RIGHT + 10**9}
    kept, count = without_wrong_clocks(instants)
    assert count == 0
    assert all(np.array_equal(kept[name], instants[name]) for name in instants)
