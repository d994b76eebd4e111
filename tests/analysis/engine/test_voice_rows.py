"""No leg counts twice when RTC and Voice events tell of it, and those that only Voice events know are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics import read_events
from conv_analytics.analysis import cost, legs
from conv_analytics.analysis.engine import voice_rows
from conv_analytics.analysis.engine.source import Source
from tests._helpers.leg_tables import as_pandas, relations

pytestmark = pytest.mark.slow

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CON = "CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411"

Tables = Mapping[str, pd.DataFrame]


ENGINES: dict[str, Callable[[Tables], Any]] = {
    "pandas": dict,
    "arrow": lambda frames: {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.items()},
    "duckdb": lambda frames: relations(dict(frames)),
}


def sorted_legs(data: Any) -> pd.DataFrame:
    found = legs(data)
    found = found.to_pandas() if isinstance(found, pa.Table) else found
    return as_pandas(found, ["conversation_id", "leg_id"])


def voice(leg: str, *steps: tuple[str, float], **also: object) -> list[dict[str, Any]]:
    return [
        {"uuid": leg, "conversation_uuid": CON, "status": status, "direction": "outbound", "from": "442079460201",
         "to": "447700900102", "timestamp": (START + timedelta(seconds=second)).isoformat(), "headers": {}, **also}
        for status, second in steps
    ]  # fmt: skip


def rtc(leg: str, *steps: tuple[str, float]) -> list[dict[str, Any]]:
    history = [
        {"status": status, "date": (START + timedelta(seconds=second)).isoformat(), "conversation_id": CON}
        for status, second in steps
    ]
    return [{"type": "leg:status:update", "id": sum(map(ord, leg)), "conversation_id": CON, "application_id": "a",
             "timestamp": history[-1]["date"], "body": {"leg_id": leg, "type": "phone", "direction": "outbound",
             "status": steps[-1][0], "statusHistory": history}}]  # fmt: skip


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Tables]:
    def written(*events: object) -> Tables:
        path = tmp_path / "events.json"
        path.write_text(json.dumps(events), encoding="utf-8")
        return read_events(path)

    return written


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_outcomes_of_legs_that_only_voice_events_know(engine: str, read: Callable[..., Tables]) -> None:
    ends = {
        "busy": ("busy", {"sip_code": 486}, "busy"),
        "cancelled": ("cancelled", {}, "cancelled"),
        "timeout": ("timeout", {}, "no_answer"),
        "unanswered": ("unanswered", {"detail": "unavailable"}, "no_answer"),
        "carrier": ("unanswered", {"detail": "carrier_timeout"}, "no_answer"),
        "declined": ("rejected", {"detail": "declined"}, "declined"),
        "invalid": ("rejected", {"detail": "invalid_number"}, "bad_number"),
        "restricted": ("rejected", {"detail": "restricted"}, "blocked"),
        "route": ("failed", {"detail": "cannot_route"}, "network_failure"),
        "service": ("failed", {"detail": "number_out_of_service"}, "bad_number"),
        "internal": ("failed", {"detail": "internal_error"}, "failed"),
        "new": ("failed", {"detail": "never seen before"}, "failed"),
    }
    events = []
    for leg, (status, also, _) in ends.items():
        events += voice(leg, ("started", 0), ("ringing", 1)) + voice(leg, (status, 5), **also)
        # What follows hides nothing; after `rejected` nothing follows.
        events += voice(leg, ("completed", 6), duration="0", price="0") if status != "rejected" else []
    events += voice("up", ("started", 0), ("ringing", 1), ("answered", 4))
    events += voice("up", ("completed", 64), duration="60", price="0.0127", rate="0.0127", network="23410")
    found = sorted_legs(ENGINES[engine](read(*events))).set_index("leg_id")
    assert found["outcome"].to_dict() == {leg: outcome for leg, (_, _, outcome) in ends.items()} | {"up": "answered"}
    up = found.loc["up"]
    assert (up["pdd_s"], up["talk_s"], up["billed_s"], up["network_code"]) == (1.0, 60.0, 60.0, "23410")
    assert up["price"] == pytest.approx(0.0127)
    assert (found["ended_at"].dropna() > START).all()
    assert not found["open"].any()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_no_leg_counts_twice(engine: str, read: Callable[..., Tables]) -> None:
    dashed, plain = "4b7e1c90-2d3f-4a58-9c61-70e8d2f5a3b6", "4B7E1C902d3f4a589c6170e8d2f5a3b6"
    steps = [("started", 0.0), ("ringing", 1.0), ("answered", 4.0), ("completed", 64.0)]
    billing = {"type": "sip:status", "id": 900, "conversation_id": CON, "application_id": "a", "timestamp":
               START.isoformat(), "body": {"price": "0.02", "duration": "60", "channel": {"id": dashed}}}  # fmt: skip
    later = [(status, second + 0.004) for status, second in steps]
    alone = [*rtc(dashed, *steps), billing]
    # In other words: another spelling of the leg, some milliseconds later, with a price that is not the same.
    told_twice = [*alone, *voice(plain, *later[:3]), *voice(plain, later[3], price="0.03", duration="61")]
    wanted, both = (sorted_legs(ENGINES[engine](read(*events))) for events in (alone, told_twice))
    pd.testing.assert_frame_equal(both, wanted)
    assert len(both) == 1
    assert "duplicate" not in both["flags"].iloc[0]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_voice_events_add_what_is_missing(engine: str, read: Callable[..., Tables]) -> None:
    knock = {"type": "sip:ringing", "application_id": "a", "from": "knocker:1", "timestamp": START.isoformat(),
             "body": {"direction": "inbound", "channel": {"id": "knocking", "type": "phone"}}}  # fmt: skip
    events = [
        # Its end was never delivered, nor its bill.
        *rtc("cut", ("started", 0), ("ringing", 1), ("answered", 4)),
        *voice("cut", ("started", 0.1), ("answered", 4.1)),
        *voice("cut", ("completed", 64), price="0.03", duration="60"),
        # Nobody but the Voice events knows the conversation that it came to.
        knock,
        *voice("knocking", ("answered", 3)),
        # It never rang, as its statuses tell; Voice events say at once that every leg does.
        *rtc("silent", ("started", 0), ("busy", 9)),
        *voice("silent", ("started", 0), ("ringing", 0.007), ("busy", 9.1), ("completed", 9.2)),
        # Not answered, says one; over, says the other.
        *rtc("over", ("started", 0), ("timeout", 30)),
        *voice("over", ("completed", 30.2), price="0", duration="0"),
    ]
    data = ENGINES[engine](read(*events))
    found = sorted_legs(data).set_index("leg_id")
    assert found["conversation_id"].to_dict() == dict.fromkeys(("cut", "knocking", "over", "silent"), CON)
    cut = found.loc["cut"]
    assert (cut["status"], cut["talk_s"], cut["price"], cut["open"]) == ("completed", 60.0, pytest.approx(0.03), False)
    assert found.loc["knocking", ["answered", "transferred"]].tolist() == [True, False]
    assert found.loc["silent", ["outcome", "ringing_at"]].isna().tolist() == [False, True]
    assert found.loc["over", "outcome"] == "no_answer"
    spent = cost(data)
    spent = spent.to_pandas() if isinstance(spent, pa.Table) else as_pandas(spent, [])
    assert spent["spend"].sum() == pytest.approx(0.03)


@pytest.mark.slow
def test_without_voice_rows_nothing_is_done(read: Callable[..., Tables], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(voice_rows, "counting_frame", never)
    monkeypatch.setattr(voice_rows, "counting_lazy", never)
    frames = read(*rtc("a", ("started", 0), ("completed", 9)))
    for engine in ENGINES.values():
        assert len(sorted_legs(engine(frames))) == 1
    asked = Source.of(relations(dict(frames)))
    legs(asked)
    # Once per table, however often the table is read.
    assert sum(question[0] == "rows that count" for question in asked.cache) <= 4
