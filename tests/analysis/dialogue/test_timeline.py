"""The timeline: bands, marks and their ends, by hand and over a world."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from conv_analytics import Conversations, export
from conv_analytics.analysis import timeline
from conv_analytics.analysis.dialogue.timeline import TIMELINE
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from conv_analytics.sandbox import Sandbox
from tests._helpers.leg_tables import at, relations, typed


def events(*rows: tuple[Any, ...]) -> dict[str, pd.DataFrame]:
    """The table of events: rows of ``(type, second, member, body)``; they are numbered from 1."""
    return {"events": typed(pd.DataFrame([
        {"conversation_id": "CON-1", "event_id": place, "type": kind, "at": at(second), "from_member_id": member,
         "body": json.dumps(body[0] if body else {})}
        for place, (kind, second, member, *body) in enumerate(rows, 1)
    ]))}  # fmt: skip


def only(found: pd.DataFrame, what: str) -> dict[str, Any]:
    rows = found[found["what"] == what]
    assert len(rows) == 1, found[["what", "text", "order_flag"]]
    return {str(name): value for name, value in rows.iloc[0].items()}


CALL = (
    ("member:joined", 0, "MEM-1", {"member_id": "MEM-1", "user": {"display_name": "Ann", "id": "USR-1"}}),
    ("member:invited", 1, "MEM-1", {"member_id": "MEM-2", "user": {"name": "bob"}, "invited_by": "USR-1"}),
    ("sip:ringing", 2, "MEM-2", {"channel": {"id": "leg-2", "type": "phone"}, "direction": "outbound"}),
    ("sip:answered", 5, "MEM-2", {"channel": {"id": "leg-2", "type": "phone"}, "direction": "outbound"}),
    ("member:joined", 5, "MEM-2", {"member_id": "MEM-2"}),
    ("audio:mute:on", 8, "MEM-1", {"rtc_id": "leg-2"}),
    ("audio:dtmf", 9, "MEM-2", {"digit": "5", "channel": {"id": "leg-2"}}),
    ("audio:say", 10, None, {"text": "Hello", "say_id": "S-1", "language": "en-GB"}),
    ("audio:say:done", 14, None, {"say_id": "S-1"}),
    ("audio:record", 15, "MEM-1", {"recording_id": "ab-cd"}),
    ("audio:record:stop", 18, "MEM-1", {"record_id": "abcd"}),
    ("audio:record:done", 20, "MEM-1", {"recording_id": "ABCD", "size": 120}),
    ("sip:hangup", 30, "MEM-2", {"channel": {"id": "leg-2"}, "reason": {"sip_code": "486", "code": "REMOTE_BUSY"}}),
    ("message", 31, "MEM-1", {"message_type": "text", "text": "x" * 42}),
    ("video:hologram:on", 32, "MEM-1", {}),
)


def test_a_call_from_bodies_alone() -> None:
    data = events(*CALL)
    tables = {"hangups": typed(pd.DataFrame([
        {"conversation_id": "CON-1", "event_id": 13, "type": "sip:hangup", "at": at(30), "leg_id": "leg-2",
         "from_member_id": "MEM-2", "sip_code": 486, "reason_code": "REMOTE_BUSY"}])),
        "call_events": typed(pd.DataFrame([
            {"conversation_id": "CON-1", "event_id": number, "type": f"sip:{step}", "at": at(second), "leg_id": "leg-2",
             "from_member_id": "MEM-2", "direction": "outbound", "channel_type": "phone"}
            for number, step, second in ((3, "ringing", 2), (4, "answered", 5))]))}  # fmt: skip
    found = timeline({**data, **tables}, "CON-1")
    pd.testing.assert_frame_equal(found, timeline(relations({**data, **tables}), "CON-1"))
    assert found.drop_duplicates("lane").sort_values("lane")["lane_name"].to_list() == [
        "conversation", "Ann", "bob", "phone outbound"
    ]  # fmt: skip
    muted = only(found, "muted")
    assert (muted["lane_id"], muted["member_id"], muted["text"]) == ("leg-2", "MEM-2", "muted by another member")
    assert (muted["open_end"], muted["end_at"], muted["event_id"]) == (True, at(30), 6)
    assert only(found, "dtmf")["text"] == "digit 5"
    assert only(found, "message")["text"] == "text, 42 characters"
    assert only(found, "hangup")["text"] == "486 busy (REMOTE_BUSY)"
    saying = only(found, "saying")
    assert (saying["lane"], saying["start_at"], saying["end_at"], saying["end_event_id"]) == (0, at(10), at(14), 9)
    assert only(found, "recording")["end_at"] == at(18)
    bands = found[(found["lane_id"] == "leg-2") & (found["shape"] == "band")].set_index("what")
    assert bands.loc["ringing", ["start_at", "end_at", "event_id", "end_event_id"]].to_list() == [at(2), at(5), 3, 4]
    assert bands.loc["answered", ["start_at", "end_at", "event_id", "end_event_id"]].to_list() == [at(5), at(30), 4, 13]
    others = found[found["what"] == "event"].set_index("text")
    assert set(others.index) == {"invites bob", "recording ready, 120 B", "video hologram on"}
    assert others.loc["invites bob", ["lane", "to_lane"]].to_list() == [1, 2]
    assert json.loads(others.loc["video hologram on", "detail"]) == {}


@pytest.mark.parametrize(
    ("rows", "what", "expected"),
    [
        pytest.param([("audio:mute:off", 5, "MEM-1")], "muted",
                     {"open_start": True, "open_end": False, "end_at": at(5), "end_event_id": 3}, id="only an end"),
        pytest.param([("audio:mute:on", 5, "MEM-1")], "muted",
                     {"open_end": True, "end_at": at(10), "event_id": 3}, id="only a start: until the member left"),
        pytest.param([("audio:mute:on", 5, "MEM-1"), ("audio:mute:on", 6, "MEM-1"), ("audio:mute:off", 7, "MEM-1")],
                     "event", {"order_flag": "duplicate", "event_id": 4}, id="a second start"),
        pytest.param([("audio:mute:on", 5, "MEM-1"), ("audio:mute:off", 6, "MEM-1"), ("audio:mute:off", 7, "MEM-1")],
                     "event", {"order_flag": "duplicate", "event_id": 5}, id="a second end"),
        pytest.param([("audio:mute:on", 5, "MEM-1"), ("audio:mute:off", 4, "MEM-1")], "muted",
                     {"start_at": at(5), "end_at": at(5), "order_flag": "late"}, id="its end is older than its start"),
        pytest.param([("custom:x", -3, "MEM-1")], "event", {"order_flag": "late", "start_at": at(-3)}, id="late"),
        pytest.param([("custom:x", None, None)], "event", {"lane": 0, "start_at": pd.NaT}, id="no instant"),
        pytest.param([("audio:dtmf", 4, "MEM-1", {"digits": "1"}), ("member:joined", 5, "MEM-1", {})], "event",
                     {"order_flag": "duplicate", "text": "member joined"}, id="joined twice"),
        pytest.param([("message", 5, "MEM-9", {"message_type": "image"})], "unknown",
                     {"open_start": True, "open_end": True, "lane_name": "MEM-9"}, id="never seen to join"),
    ],
)  # fmt: skip
def test_odd_events(rows: list[tuple[Any, ...]], what: str, expected: dict[str, Any]) -> None:
    data = events(("member:joined", 0, "MEM-1"), ("member:left", 10, "MEM-1"), *rows)
    data["events"] = data["events"].sample(frac=1, random_state=1)
    if what != "event" or "late" not in expected.values():
        # Numbers are by time here, but for those that are late.
        data["events"].loc[data["events"]["event_id"] == 2, "event_id"] = 99
    found = only(timeline(data, "CON-1"), what)
    for name, value in expected.items():
        assert found[name] == value or (pd.isna(found[name]) and pd.isna(value)), (name, found[name])


def test_order_and_copies_of_rows_change_nothing() -> None:
    data = events(*CALL)["events"]
    mixed = pd.concat([data, data]).sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(timeline({"events": data}, "CON-1"), timeline({"events": mixed}, "CON-1"))


def test_nothing_and_too_little() -> None:
    empty = timeline({"events": events(*CALL)["events"].iloc[:0]}, "CON-1")
    assert empty.empty
    assert list(empty) == [column.name for column in TIMELINE]
    assert str(empty["start_at"].dtype) == "datetime64[us, UTC]"
    with pytest.raises(ConfigError, match="nothing about conversation 'CON-2'"):
        timeline(events(*CALL), "CON-2")
    with pytest.raises(TableNotFound, match="'events'"):
        timeline({"users": pd.DataFrame()}, "CON-1")
    with pytest.raises(ColumnNotFound, match="verdict"):
        timeline(events(*CALL), "CON-1", quality=pd.DataFrame({"leg_id": ["a"]}))
    nulls = events(*CALL)["events"].assign(type=None, body="{broken", from_member_id=None)
    assert timeline({"events": nulls}, "CON-1")["what"].eq("event").all()


@pytest.mark.slow
def test_every_event_of_a_world_is_in_a_row() -> None:
    with Sandbox(conversations=12) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        frames = export(client, rate=0)
    ids = frames["events"]["conversation_id"].value_counts().index[:8]
    hangups = frames["hangups"][["conversation_id", "leg_id"]].assign(verdict="poor")
    for conversation_id in ids:
        found = timeline(frames, conversation_id, quality=hangups)
        wanted = frames["events"].loc[frames["events"]["conversation_id"] == conversation_id, "event_id"]
        assert set(wanted) == set(found["event_id"].dropna()) | set(found["end_event_id"].dropna())
        assert (found["end_at"] >= found["start_at"]).all()
        assert found["to_lane"].dropna().isin(found["lane"]).all()
        names = found.groupby("lane")["lane_id"].nunique()
        assert (names == 1).all()
        answered = found[(found["what"] == "answered") & (found["shape"] == "band")]
        known = answered["lane_id"].isin(hangups["leg_id"])
        assert answered.loc[known, "level"].eq("poor").all()
        assert answered.loc[~known, "level"].isna().all()


@pytest.mark.parametrize("code", ["1" + "0" * 400, "Infinity", "-Infinity", "NaN", '"Infinity"', '"nan"', "[]", "true"])
def test_a_hangup_whose_code_is_no_finite_number(code: str) -> None:
    given = events(("sip:hangup", 1, "MEM-1"))
    given["events"]["body"] = f'{{"reason": {{"sip_code": {code}}}}}'
    assert only(timeline(given, "CON-1"), "hangup")["text"] == "hangup"


def test_a_body_of_endless_depth_is_an_event_without_one() -> None:
    given = events(("sip:hangup", 1, "MEM-1"))
    given["events"]["body"] = "[" * 200_000 + "]" * 200_000
    assert only(timeline(given, "CON-1"), "hangup")["text"] == "hangup"


def test_a_transcript_without_a_leg_leaves_the_event_its_leg() -> None:
    given = events(("audio:asr:done", 1, "MEM-1", {"rtc_id": "leg-2", "asr": {"results": [{"text": "yes"}]}}))
    audio = given["events"][["conversation_id", "event_id", "type", "at", "from_member_id"]].assign(leg_id="leg-2")
    heard = audio.drop(columns=["type"]).assign(alternative=1, text="yes", confidence=0.9, leg_id=None)
    alone = timeline(given | {"audio_events": audio}, "CON-1")
    both = timeline(given | {"audio_events": audio, "transcripts": heard}, "CON-1")
    assert only(both, "asr")["leg_id"] == only(alone, "asr")["leg_id"] == "leg-2"
