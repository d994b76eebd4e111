"""Dead air and barge-ins on timelines: those of `turns`, where there is a bot."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import timeline, turns
from tests._helpers.leg_tables import NINE, relations
from tests.analysis.dialogue.test_turns import CALL, as_events, data_of, hostile, spoken


def marked(data: dict[str, Any]) -> tuple[list[tuple[float, float]], list[float]]:
    """The dead air and the barge-ins of a timeline. [s]"""
    frame = timeline(data, "CON-1")
    dead, into = frame[frame["what"] == "dead_air"], frame[frame["what"] == "barge_in"]
    spans = [((row["start_at"] - NINE).total_seconds(), (row["end_at"] - NINE).total_seconds())
             for row in dead.to_dict("records")]  # fmt: skip
    return spans, [(at - NINE).total_seconds() for at in into["start_at"]]


def test_a_call_with_a_bot() -> None:
    data = data_of(*CALL)
    assert marked(data) == ([(14.0, 20.0), (27.0, 60.0)], [12.0])
    assert marked(relations(data)) == marked(data)
    rows = timeline(data, "CON-1").set_index("what")
    assert rows.loc["barge_in", "text"] == "speaks into it: stopped after 0.4 s"
    assert rows.loc["barge_in", "lane_id"] == "c"
    assert list(rows.loc["dead_air", "text"]) == ["nobody speaks, 6.0 s", "nobody speaks, 33.0 s"]
    assert set(rows.loc["dead_air", "lane_kind"]) == {"conversation"}


def test_people_and_music_have_none() -> None:
    people = (("speaking:on", "c", 1), ("speaking:off", "c", 3), ("speaking:on", "h", 15), ("speaking:off", "h", 19))
    assert marked(data_of(*people, who="ch")) == ([], [])
    music = (("play", "p", 4, {"loop": 0}), ("play:stop", "p", 14))
    assert marked(data_of(*people, *music, who="ch")) == ([], [])
    # With a prompt there is a bot; while the music plays, the line is not dead.
    prompt = (("say", "s", 25), ("say:done", "s", 27))
    assert marked(data_of(*people, *music, *prompt, who="ch", ended=40.0))[0] == [(19.0, 25.0), (27.0, 40.0)]


@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_of_turns(seed: int) -> None:
    data = data_of(*as_events(spoken(seed)), ended=90.0)
    spans, into = marked(data)
    whole = turns(data, by="conversation").iloc[0]
    assert (len(spans), len(into)) == (whole["dead_airs"], whole["barge_ins"])
    assert sum(end - start for start, end in spans) == pytest.approx(whole["dead_air_s"])
    rows = turns(data)
    found = rows[rows["barged_in"].fillna(value=False)]
    at = [(end - NINE).total_seconds() - after for end, after in zip(found["end_at"], found["barge_in_s"], strict=True)]
    assert sorted(into) == pytest.approx(sorted(at))
    assert spans


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_is_odd_breaks_it(seed: int) -> None:
    data = data_of(*CALL)
    rows = [row | {"conversation_id": "CON-1"} for row in hostile(seed)]
    odd = pd.DataFrame(rows)
    odd["at"] = pd.to_datetime(odd["at"], utc=True).dt.as_unit("us")
    frame = timeline({**data, "audio_events": odd}, "CON-1")
    dead = frame[frame["what"] == "dead_air"]
    assert ((dead["end_at"] - dead["start_at"]).dt.total_seconds() >= 3).all()
    heard = frame[frame["what"].isin(["speaking", "saying", "playing"])]
    for band in dead.to_dict("records"):
        inside = (heard["start_at"] < band["end_at"]) & (heard["end_at"] > band["start_at"])
        assert (heard[inside]["end_at"] - heard[inside]["start_at"] < pd.Timedelta("200ms")).all()
