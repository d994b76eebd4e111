"""What was planted in a world is found in its export over HTTP, and nothing is found where nothing was planted.

Over a hundred seeds: `python tests/benchmarks/causes.py`; its results are in notebooks/reference/finding-causes.md.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from conv_analytics import Conversations, export
from conv_analytics.analysis import legs
from conv_analytics.sandbox import Sandbox
from tests._helpers.world_tables import WANTED, frames_of
from tests.analysis.finding import FINDERS, find

pytestmark = pytest.mark.slow


def exported(**options: Any) -> tuple[Sandbox, dict[str, pd.DataFrame]]:
    with Sandbox(**options) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        frames = export(client, rate=0)
    return sandbox, {name: frames[name] for name in WANTED}


@pytest.fixture(scope="module")
def planted() -> tuple[Sandbox, dict[str, pd.DataFrame]]:
    return exported(seed=8, conversations=1_500, causes="all", clean=True)


# One worker makes the world for both.
@pytest.mark.xdist_group("planted causes")
def test_each_cause_is_found_first(planted: tuple[Sandbox, dict[str, pd.DataFrame]]) -> None:
    sandbox, frames = planted
    causes = {cause.kind: cause for cause in sandbox.truth().causes}
    assert causes.keys() == FINDERS.keys()
    found = find(legs(frames), frames["audio_events"], pd.Timestamp(causes["mix_shift"].since))
    first = {kind: named[0] if named else None for kind, named in found.named.items()}
    assert first == {kind: cause.network_code or cause.user_id for kind, cause in causes.items()}
    assert set(found.hours) == set(causes["busy_hour"].hours)


@pytest.mark.xdist_group("planted causes")
def test_the_short_way_to_the_tables_gives_the_same(planted: tuple[Sandbox, dict[str, pd.DataFrame]]) -> None:
    sandbox, frames = planted
    made = frames_of(sandbox.world)
    for name in WANTED:
        assert len(made[name]) == len(frames[name]) > 0
        columns = ["conversation_id", "event_id", "leg_id"]
        one, two = (frame[columns].sort_values(columns, ignore_index=True) for frame in (made[name], frames[name]))
        pd.testing.assert_frame_equal(one, two)


def test_a_clean_world_is_silent() -> None:
    sandbox, frames = exported(seed=9, conversations=600, clean=True)
    middle = pd.Timestamp((sandbox.world.start_ms + sandbox.world.end_ms) // 2, unit="ms", tz="UTC")
    found = find(legs(frames), frames["audio_events"], middle)
    assert {kind: named for kind, named in found.named.items() if named} == {}
