"""Mutated webhooks: never a crash, and each is stored, quarantined or refused; more of them in `tests/benchmarks`."""

from __future__ import annotations

from pathlib import Path

import pytest

from conv_analytics.privacy import Mask
from tests._helpers.webhook_fuzzing import check

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("masked", [False, True])
def test_each_of_two_thousand_mutated_webhooks_is_somewhere(masked: bool, tmp_path: Path) -> None:
    mask = Mask(b"a key of the tests, long enough") if masked else None
    tally = check(range(2_000 * masked, 2_000 * (masked + 1)), tmp_path, mask)
    assert tally.statuses[503] == pytest.approx(2_000 / 12, abs=2)
    assert tally.folded.tables["events"] > 150
    assert tally.folded.tables["voice_events"] > 150
    assert tally.folded.quarantined > 100
