"""Talk and mutes: sweeps by hand, odd events, identities."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import mute, talk
from conv_analytics.analysis.dialogue.mute import MUTES
from conv_analytics.analysis.dialogue.talk import TALK_CONVERSATIONS, TALK_MEMBERS
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from tests._helpers.leg_tables import as_pandas, at, relations, statuses, tables

#: Published vector: who speaks from when to when.
TURNS = [("a", 0, 6.5), ("c", 6.9, 9), ("a", 8.7, 20), ("c", 12, 12.4), ("c", 21.5, 24), ("a", 23, 41)]


def audio(*rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Rows of ``(what, leg, second)``, and whose event it is where that is not the leg's member."""
    return [
        {"conversation_id": "CON-1", "event_id": place, "type": f"audio:{what}", "at": at(second), "leg_id": leg,
         "from_member_id": by[0] if by else f"MEM-{leg}"}
        for place, (what, leg, second, *by) in enumerate(rows, 1)
    ]  # fmt: skip


def speech(*turns: tuple[str, float, float]) -> list[dict[str, Any]]:
    return audio(
        *((f"speaking:{way}", who, end) for who, *ends in turns for way, end in zip(("on", "off"), ends, strict=True))
    )


def same(function: Any, data: dict[str, pd.DataFrame], **how: Any) -> pd.DataFrame:
    """What it gives; pandas and DuckDB agree, whatever the order of rows, and however often they stand there."""
    found: pd.DataFrame = function(data, **how)
    by = [name for name in ("conversation_id", "member_id", "leg_id") if name in found]
    shuffled = {name: pd.concat([frame, frame]).sample(frac=1, random_state=3) for name, frame in data.items()}
    for other in (function(relations(data), **how), function(shuffled, **how)):
        pd.testing.assert_frame_equal(found, as_pandas(other, by), check_dtype=False)
    return found


@pytest.mark.slow
def test_the_published_turns() -> None:
    data = tables(audio_events=speech(*TURNS))
    rows = same(talk, data).set_index("member_id")
    assert rows["talk_s"].to_dict() == {"MEM-a": 35.8, "MEM-c": 5.0}
    assert rows["overlap_s"].to_dict() == {"MEM-a": 1.7, "MEM-c": 1.7}
    assert rows["interruptions"].to_dict() == {"MEM-a": 1, "MEM-c": 0}
    assert rows["backchannels"].to_dict() == {"MEM-a": 0, "MEM-c": 1}
    assert rows["longest_s"].to_dict() == {"MEM-a": 18.0, "MEM-c": 2.5}
    whole = same(talk, data, by="conversation").iloc[0]
    assert whole[["window_s", "talk_s", "silence_s", "overlap_s"]].to_list() == pytest.approx([41.0, 39.1, 1.9, 1.7])
    assert whole[["members", "turns", "interruptions", "backchannels"]].to_list() == [2, 6, 1, 1]


def legs(answered: float = 0.0, ended: float = 60.0) -> list[dict[str, Any]]:
    return [
        row for leg in "ac" for row in statuses(leg, ("started", 0.0), ("answered", answered), ("completed", ended))
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(speech(("a", 5, 15)), {"talk_s": 10.0, "silence_s": 50.0, "window_s": 60.0}, id="one turn"),
        pytest.param(
            audio(("speaking:on", "a", 5), ("speaking:on", "a", 7), ("speaking:off", "a", 15),
                  ("speaking:off", "a", 20)),
            {"talk_s": 10.0, "turns": 1, "open_turns": 0, "unmatched": 0}, id="told twice",
        ),
        pytest.param(
            audio(("speaking:on", "a", 50)), {"talk_s": 10.0, "open_turns": 1}, id="no end: until the leg's end"
        ),
        pytest.param(audio(("speaking:on", "a", 50), ("speaking:off", "c", 52)), {"unmatched": 1, "open_turns": 1},
                     id="an end without a start"),
        pytest.param(speech(("a", 5, 5.1), ("a", 6, 8)), {"talk_s": 2.0, "blips": 1, "turns": 1}, id="a blip"),
        pytest.param(speech(("a", 5, 15), ("c", 5, 15)), {"talk_s": 10.0, "overlap_s": 10.0, "interruptions": 0},
                     id="both at once"),
        pytest.param(speech(("a", 5, 15), ("c", 15, 20)), {"talk_s": 15.0, "overlap_s": 0.0}, id="one after the other"),
        pytest.param(audio(("speaking:off", "a", 4.9), ("speaking:on", "a", 5), ("speaking:on", "a", 8),
                           ("speaking:off", "a", 9)), {"talk_s": 4.0, "unmatched": 1}, id="in the middle"),
        pytest.param(
            [dict(row, event_id=number) for row, number in zip(
                audio(("speaking:off", "a", 4.9), ("speaking:on", "a", 5), ("speaking:on", "a", 8),
                      ("speaking:off", "a", 9)), (2, 1, 3, 4), strict=True)],
            {"talk_s": 1.0, "unmatched": 0, "open_turns": 0}, id="its end is older than its start",
        ),
        pytest.param(audio(("speaking:on", None, 5, "MEM-x"), ("speaking:off", None, 8, "MEM-x")), {"talk_s": 3.0},
                     id="no leg"),
    ],
)  # fmt: skip
def test_speech_in_all_its_forms(rows: list[dict[str, Any]], expected: dict[str, float]) -> None:
    row = same(talk, tables(audio_events=rows, leg_statuses=legs()), by="conversation").iloc[0]
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_two_legs_of_a_member_speak_once() -> None:
    both = [dict(row, member_id="MEM-1") for row in legs()]
    rows = same(talk, tables(audio_events=speech(("a", 5, 15), ("c", 10, 20)), leg_statuses=both))
    assert rows[["member_id", "talk_s", "overlap_s"]].to_numpy().tolist() == [["MEM-1", 15.0, 0.0]]


@pytest.mark.parametrize("by", ["member", "conversation"])
def test_other_conversations_change_nothing(by: str) -> None:
    mine = tables(audio_events=speech(("a", 5, 15), ("c", 20, 30)))
    others = tables(audio_events=speech(("a", 1, 2)), leg_statuses=legs())
    both = {name: pd.concat([frame.assign(conversation_id="CON-2"), *([mine[name]] if name in mine else [])])
            for name, frame in others.items()}  # fmt: skip
    alone, found = same(talk, mine, by=by), same(talk, both, by=by)
    found = found[found["conversation_id"] == "CON-1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, alone)
    assert found["window_s"].unique().tolist() == [25.0]


@pytest.mark.parametrize("seed", range(3))
def test_talk_and_silence_are_the_window(seed: int) -> None:
    dice = random.Random(seed)
    turns, hundredths = [], {who: [0] * 20_000 for who in "abc"}
    for who, spoken in hundredths.items():
        now = dice.randrange(300)
        while len(turns) < 15 * (1 + "abc".index(who)):
            start, now = now, now + dice.randrange(30, 900)
            turns.append((who, start / 100, now / 100))
            spoken[start:now] = [1] * (now - start)
            now += dice.randrange(1, 400)
    data = tables(audio_events=speech(*turns))
    whole, members = talk(data, by="conversation").iloc[0], talk(data)
    active = [sum(each) for each in zip(*hundredths.values(), strict=True)]
    assert whole["talk_s"] == pytest.approx(sum(number > 0 for number in active) / 100)
    assert whole["overlap_s"] == pytest.approx(sum(number > 1 for number in active) / 100)
    assert whole["talk_s"] + whole["silence_s"] == pytest.approx(whole["window_s"])
    assert 0 <= whole["overlap_s"] <= whole["talk_s"] <= whole["window_s"]
    assert members["talk_s"].sum() == pytest.approx(sum(active) / 100)
    assert members["overlap_s"].sum() == pytest.approx(sum(number for number in active if number > 1) / 100)


@pytest.mark.parametrize("by", ["member", "conversation"])
def test_no_speech(by: str) -> None:
    columns = TALK_MEMBERS if by == "member" else TALK_CONVERSATIONS
    for rows in (speech(), speech(("a", 1, 2))):
        data = {"audio_events": tables(audio_events=speech(("a", 1, 2)))["audio_events"].iloc[: len(rows)]}
        found = talk(data, by=by)
        assert list(found) == [column.name for column in columns]
        assert len(found) == len(rows) // 2
        assert found["talk_s"].dtype == "float64"
        assert found["turns"].dtype == "Int64"
    nulls = data["audio_events"].assign(at=None)
    assert talk({"audio_events": nulls}, by=by).empty


def test_what_is_needed_is_said() -> None:
    with pytest.raises(TableNotFound, match="audio_events"):
        talk({})
    with pytest.raises(ColumnNotFound, match="'at'"):
        talk({"audio_events": pd.DataFrame({"conversation_id": ["CON-1"], "event_id": [1], "type": ["x"]})})
    with pytest.raises(ConfigError, match="'member' or by 'conversation'"):
        talk({}, by="day")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            audio(("mute:on", "a", 5), ("speaking:on", "a", 8), ("mute:off", "a", 10), ("speaking:off", "a", 12)),
            {"muted_s": 5.0, "mutes": 1, "spoke_muted_s": 2.0, "spoke_muted": 1, "left_muted": False},
            id="spoke while muted",
        ),
        pytest.param(audio(("mute:on", "a", 5, "MEM-c"), ("speaking:on", "c", 6), ("speaking:off", "c", 9)),
                     {"member_id": "MEM-a", "muted_s": 55.0, "left_muted": True, "spoke_muted_s": 0.0},
                     id="muted by another, to the end"),
        pytest.param(audio(("mute:on", "a", 5), ("mute:on", "a", 7), ("mute:off", "a", 9), ("mute:off", "a", 11)),
                     {"muted_s": 4.0, "mutes": 1, "unmatched": 0}, id="told twice"),
        pytest.param(audio(("mute:off", "a", 5)), {"muted_s": 0.0, "mutes": 0, "unmatched": 1}, id="only an end"),
        pytest.param(audio(("earmuff:on", "a", 20)), {"earmuffed_s": 40.0, "left_earmuffed": True, "muted_s": 0.0},
                     id="earmuff left on"),
    ],
)  # fmt: skip
def test_mutes(rows: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    found = same(mute, tables(audio_events=rows, leg_statuses=legs()))
    assert len(found) == 1
    assert {name: found.iloc[0][name] for name in expected} == expected


@pytest.mark.parametrize(("what", "name"), [("mute", "muted_s"), ("earmuff", "earmuffed_s")])
def test_a_leg_without_a_member_has_an_end(what: str, name: str) -> None:
    nobody = [dict(row, member_id=None) for row in legs(ended=30.0)]
    data = tables(audio_events=audio((f"{what}:on", "a", 5, None)), leg_statuses=nobody)
    assert same(mute, data).iloc[0][["leg_id", name]].to_list() == ["a", 25.0]


def test_open_speech_of_a_leg_without_a_member_lasts_to_its_end() -> None:
    nobody = [dict(row, member_id=None) for row in legs(ended=30.0)]
    found = same(talk, tables(audio_events=audio(("speaking:on", "a", 5, None)), leg_statuses=nobody))
    assert found.iloc[0][["member_id", "talk_s", "open_turns"]].to_list() == ["a", 25.0, 1]


def test_nobody_was_muted() -> None:
    found = same(mute, tables(audio_events=speech(("a", 1, 2))))
    assert found.empty
    assert list(found) == [column.name for column in MUTES]
    assert str(found["left_muted"].dtype) == "boolean"
