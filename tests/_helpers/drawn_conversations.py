"""Conversations to draw."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pandas as pd
import pytest

NINE = pd.Timestamp("2026-05-04T09:00:00Z")

#: Changes of clocks: of an hour in both directions, at midnight, of half an hour, of a day, by a new offset.
CLOCK_CHANGES = {
    "Europe/London": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "America/Santiago": ("2026-04-05T03:00Z", "2026-09-06T04:00Z"),
    "America/Sao_Paulo": ("2018-02-18T02:00Z", "2018-11-04T03:00Z"),
    "America/Havana": ("2026-03-08T05:00Z", "2026-11-01T05:00Z"),
    "America/St_Johns": ("2010-03-14T03:31Z", "2010-11-07T02:31Z"),
    "Australia/Lord_Howe": ("2026-04-04T15:00Z", "2026-10-03T15:30Z"),
    "Pacific/Apia": ("2011-12-30T10:00Z",),
    "Pacific/Kwajalein": ("1993-08-21T12:00Z",),
    "Asia/Kathmandu": ("1985-12-31T18:30Z", "2026-03-29T01:00Z"),
    "Asia/Pyongyang": ("2015-08-14T15:00Z", "2018-05-04T15:00Z"),
}


def events(*rows: tuple[float, str, dict[str, Any]], conversation: str = "CON-1") -> dict[str, pd.DataFrame]:
    """A table of events: seconds after nine, type, body; `member` in a body sends it."""
    made = [
        {"conversation_id": conversation, "event_id": number, "from_member_id": body.pop("member", "MEM-1"),
         "type": kind, "at": NINE + pd.Timedelta(seconds=second), "body": json.dumps(body)}
        for number, (second, kind, body) in enumerate(rows, 1)
    ]  # fmt: skip
    names = ["conversation_id", "event_id", "from_member_id", "type", "at", "body"]
    frame = pd.DataFrame(made, columns=pd.Index(names))
    return {"events": frame.assign(at=pd.to_datetime(frame["at"], utc=True).dt.as_unit("us"))}


def at_the_ends_of_the_calendar(test: Callable[..., None]) -> Any:
    """Run a test with a first and a last instant at the ends of the calendar, in several zones."""
    test = pytest.mark.parametrize(
        ("first", "last"),
        [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:30Z"),
            ("9999-12-31T23:59:00Z", "9999-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ],
    )(test)
    return pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])(test)


def instants(*texts: str) -> pd.Series[Any]:
    """A column of instants, also of those that pandas does not parse."""
    return pd.Series([datetime.fromisoformat(text) for text in texts]).astype("datetime64[us, UTC]")


def many(count: int, members: int = 6) -> dict[str, pd.DataFrame]:
    """A conversation with so many events: members that join, write and speak."""
    rows: list[tuple[float, str, dict[str, Any]]] = [
        (0, "member:joined", {"member": f"MEM-{m}"}) for m in range(members)
    ]
    kinds = ("message", "audio:dtmf", "audio:speaking:on", "audio:speaking:off", "message:seen", "custom:note")
    bodies: tuple[dict[str, Any], ...] = (
        {"message_type": "text", "text": "Hello, is anybody there?"}, {"digit": "5", "dtmf_seq": 1}, {}, {},
        {"event_id": 3}, {"what": "ever"},
    )  # fmt: skip
    for number in range(count - members):
        body = dict(bodies[number % 6]) | {"member": f"MEM-{number // 6 % members}"}
        rows.append((1 + number * 0.7, kinds[number % 6], body))
    return events(*rows)


def of_type(frames: Any, kind: str) -> str:
    """The conversation with the fewest events that has one of this type."""
    table = frames["events"]
    having = table[table["type"] == kind]["conversation_id"].unique()
    return str(table[table["conversation_id"].isin(having)].groupby("conversation_id").size().idxmin())
