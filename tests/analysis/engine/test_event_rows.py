"""Events without an id, as Voice events are: each counts, and answers are those of the same rows with ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pandas as pd
import polars as pl
import pytest

from conv_analytics import analysis
from conv_analytics.analysis import dtmf, dtmf_paths, ledger, message_funnel, recognition
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import flatten_voice_events
from conv_analytics.tables.webhooks import Received
from tests._helpers.leg_tables import as_pandas, at, relations

Tables = Mapping[str, pd.DataFrame]

ENGINES: dict[str, Callable[[Tables], Any]] = {
    "pandas": dict,
    "polars": lambda frames: {name: pl.from_pandas(frame) for name, frame in frames.items()},
    "duckdb": lambda frames: relations(dict(frames)),
}


def rows(*given: Mapping[str, Any], **always: Any) -> pd.DataFrame:
    """Rows with ids in their order, the last one twice: exported twice."""
    numbered = [
        {"conversation_id": "CON-1", "event_id": number, **always, **row} for number, row in enumerate(given, 1)
    ]
    frame = pd.DataFrame([*numbered, numbered[-1]])
    return frame.assign(event_id=frame["event_id"].astype("Int64"), at=[at(second) for second in frame["at"]])


def audio(*steps: tuple[str, float], **always: Any) -> pd.DataFrame:
    return rows(*({"type": f"audio:{what}", "at": second} for what, second in steps), leg_id="a",
                from_member_id="MEM-a", **always)  # fmt: skip


SPEECH = [("speaking:on", 0), ("speaking:off", 5), ("speaking:on", 6), ("speaking:off", 16)]
MUTES = [("mute:on", 0), ("mute:off", 20), ("mute:on", 30), ("mute:off", 40)]
CHAT = [{"at": second, "from_member_id": who} for second, who in ((0, "c"), (60, "c"), (180, "agent"), (540, "c"))]
HANGUP = {"at": 60, "leg_id": "a", "direction": "inbound", "mos_score": 4.4, "quality_percentage": 98.0,
          "jitter_min_var": 1.0, "jitter_max_var": 100.0, "jitter_loss_rate": 0.0, "flaw_total": 1,
          "packet_cnt": 2900, "packet_loss_perc": 0.0, "byte_in": 498800, "byte_out": 498800}  # fmt: skip
#: Questions, with their options and tables.
ASKED: dict[str, tuple[dict[str, Any], Tables]] = {
    "dtmf": ({}, {"audio_events": audio(("say", 0), ("dtmf", 4), ("dtmf", 9), ("dtmf", 12)).assign(digits="7")}),
    "talk": ({}, {"audio_events": audio(*SPEECH)}),
    "mute": ({}, {"audio_events": audio(*MUTES)}),
    "turns": ({}, {"audio_events": audio(("say", 0), ("say:done", 3), *((what, s + 4) for what, s in SPEECH))}),
    "responses": ({"roles": {"agent": "human"}}, {"messages": rows(*CHAT)}),
    "first_responses": ({"roles": {"agent": "human"}}, {"messages": rows(*CHAT)}),
    "message_funnel": ({}, {"messages": rows(*CHAT)}),
    "message_latency": ({}, {"messages": rows(*CHAT)}),
    "recognition": ({}, {
        "audio_events": audio(("asr:done", 3), ("asr:done", 9)).assign(asr_timeout_reason="start_timeout"),
        "transcripts": rows({"at": 3, "alternative": 1}, {"at": 5, "alternative": 1}, leg_id="a", confidence=0.9),
    }),
    "audio_flow": ({}, {
        "audio_events": audio(("mute:on", 0), ("mute:off", 25), ("mute:on", 30), ("mute:off", 60)),
        "hangups": rows({**HANGUP, "byte_in": 0}, {**HANGUP, "leg_id": "b"}),
        "leg_statuses": rows(*({"leg_id": leg, "status": "answered", "at": 0} for leg in "ab"), direction="inbound"),
    }),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ASKED)
def test_answers_without_ids_are_those_with_ids(name: str, engine: str) -> None:
    options, tables = ASKED[name]
    without = {table: frame.assign(event_id=pd.array([None] * len(frame), "Int64")) for table, frame in tables.items()}
    given, expected = _asked(name, ENGINES[engine](without), options), _with_ids(name)
    ids = [column for column in expected if column.endswith("event_id")]
    if name == "recognition":
        # Attempts are one by their instant where no id says so.
        assert sorted(given["at"]) == [at(3), at(5), at(9)]
        return
    assert len(expected)
    pd.testing.assert_frame_equal(given.drop(columns=ids), expected.drop(columns=ids))


@cache
def _with_ids(name: str) -> pd.DataFrame:
    """The answer of the rows with ids, of frames of pandas: `tests/analysis/test_same.py` asks the other engines."""
    options, tables = ASKED[name]
    return _asked(name, tables, options)


def _asked(name: str, data: Any, options: dict[str, Any]) -> pd.DataFrame:
    found = getattr(analysis, name)(data, **options)
    keys = [
        column for column in ("conversation_id", "leg_id", "audio", "turn", "prompt", "at") if column in found.columns
    ]
    return as_pandas(found, keys)


def voice_events(*steps: tuple[int, Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    always = {"uuid": "9f2c4e6a-8b0d-1f35-5779-9bbddff01123", "from": "447700900123", "to": "442079460000",
              "conversation_uuid": "CON-7d1f7c2a-0000-4000-8000-000000000001"}  # fmt: skip
    bodies = [{**always, "timestamp": f"2026-11-20T10:00:{second:02}.000Z", **own} for second, own in steps]
    given = flatten_voice_events([Received(json.dumps(body).encode(), None) for body in bodies], SeenEvents())
    return {name: table.to_pandas() for name, table in given.tables.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_key_of_voice_events_counts(engine: str) -> None:
    pressed = ((5, "1"), (15, "42"), (30, "7"))
    data = ENGINES[engine](voice_events(*((second, {"dtmf": {"digits": keys}}) for second, keys in pressed)))
    assert as_pandas(dtmf(data), ["prompt"])["digits"].to_list() == ["1427"]
    assert as_pandas(dtmf_paths(data), [])["path"].to_list() == ["1427"]


@pytest.mark.parametrize("engine", ENGINES)
def test_speech_that_voice_events_recognised_is_an_attempt_each(engine: str) -> None:
    said = ((5, ("yes", "yeah")), (15, ("sales please",)))
    data = ENGINES[engine](voice_events(*(
        (second, {"speech": {"results": [{"text": text, "confidence": "0.9"} for text in texts]}})
        for second, texts in said
    )))  # fmt: skip
    found = as_pandas(recognition(data), ["at"])
    assert found[["alternatives", "confidence", "outcome"]].to_numpy().tolist() == [
        [2, 0.9, "heard"],
        [1, 0.9, "heard"],
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_records_of_voice_events_are_no_repeats(engine: str) -> None:
    legs = ("9f2c4e6a-8b0d-1f35-5779-9bbddff01123", "8f2c4e6a-8b0d-1f35-5779-9bbddff01124")
    tables = voice_events(*((30, {"uuid": leg, "status": "completed", "duration": "28"}) for leg in legs))
    found = as_pandas(ledger(ENGINES[engine](tables)), [])
    line = found[(found["table"] == "call_records") & (found["metric"] == "rows")].iloc[0]
    assert (line["n"], line["odd"]) == (2, 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_messages_without_an_id_are_sent_each(engine: str) -> None:
    messages = rows(*CHAT).assign(event_id=pd.array([None] * 5, "Int64"))
    funnel = as_pandas(message_funnel(ENGINES[engine]({"messages": messages})), [])
    assert set(funnel["n"]) == {4}
