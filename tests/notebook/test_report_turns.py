"""The report's section on voice agents."""

from __future__ import annotations

import pandas as pd
import pytest

from conv_analytics import quality_report
from conv_analytics.analysis import legs, turns
from conv_analytics.notebook.report.numbers import Turns
from conv_analytics.notebook.report.turns import turns_of
from tests._helpers.leg_tables import relations
from tests.analysis.dialogue.test_turns import CALL, data_of, data_of_many


@pytest.mark.slow
def test_it_has_the_numbers_of_turns_on_every_engine() -> None:
    data = data_of(*CALL)
    found = turns_of(data, legs(data))
    assert isinstance(found, Turns)
    assert turns_of(relations(data), legs(data)) == found
    sides = turns(data, by="role").set_index("role")
    assert (found.conversations, found.turns, found.open_turns) == (1, 7, 0)
    assert (found.barge_ins.k, found.barge_ins.n) == (sides.loc["bot", "barge_ins"], sides.loc["bot", "barge_in_n"])
    assert (found.stopped.k, found.stopped.n) == (1, 1)
    assert (found.dead_air.k, found.dead_air.n) == (1, 1)
    latencies = {(each.by, each.to): each.latency.p50 for each in found.replies}
    assert {key: round(value or 0, 6) for key, value in latencies.items()} == {
        ("bot", "customer"): 1.5, ("customer", "bot"): 1.0, ("human", "customer"): 6.0, ("customer", "human"): 0.2,
    }  # fmt: skip
    assert [each.n for each in found.bins if each.low == 1.5] == [1]
    assert sum(each.n for each in found.bins) == 1


def test_only_conversations_with_a_bot_count() -> None:
    data = data_of(*CALL)
    people = data_of(("speaking:on", "c", 1), ("speaking:off", "c", 3), ("speaking:on", "h", 5),
                     ("speaking:off", "h", 9), who="ch")  # fmt: skip
    assert turns_of(people, legs(people)) is None
    music = data_of(("play", "p", 1, {"loop": 0}), ("play:stop", "p", 9), who="ch")
    assert turns_of(music, legs(music)) is None
    other = {
        name: frame.assign(
            conversation_id="CON-2", **{key: "x" + frame[key] for key in ("leg_id", "member_id") if key in frame}
        )
        for name, frame in people.items()
    }
    both = {name: pd.concat([data[name], other[name]], ignore_index=True) for name in data}
    found = turns_of(both, legs(both))
    assert found is not None
    assert (found.conversations, found.turns) == (1, 7)


@pytest.mark.slow
def test_the_page_shows_it_where_there_are_bots() -> None:
    data = data_of(*CALL)
    page = quality_report(data).html
    assert "Voice agents" in page
    assert "7 turns in 1 conversation with a bot or prompts." in page
    assert "median 1.50 s, p95 –, of 1 reply to customers" in page
    frame = quality_report(legs(data))
    assert frame.numbers.turns is None
    assert "Voice agents" not in frame.html


def test_dead_air_is_counted_only_in_conversations_with_turns() -> None:
    hold_music = (("play", "p", 10, {"loop": 0}), ("play:stop", "p", 50))
    data = data_of_many({"CON-1": CALL, "CON-2": hold_music, "CON-3": hold_music})
    found = turns_of(data, legs(data))
    assert found is not None
    assert (found.conversations, found.dead_air.k, found.dead_air.n) == (1, 1, 1)
