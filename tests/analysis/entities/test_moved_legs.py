"""A leg that a transfer moves into another conversation: both tell of it, and it is one leg."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import busy_hour, calls, conversations, kpi, kpi_values, legs
from tests._helpers.leg_tables import as_pandas, event, hangup, record, relations, statuses, tables

LEG = ["conversation_id", "leg_id"]


def of(conversation: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "conversation_id": conversation} for row in rows]


#: The caller, up for 180 s: in an IVR of CON-1 first, after 60 s moved to CON-2, where an agent is called for 122 s.
CALLER = (("started", 0.0), ("answered", 0.0), ("completed", 180.0))
AGENT = (("started", 58.0), ("answered", 66.0), ("completed", 180.0))


def moved(*, history: bool) -> dict[str, pd.DataFrame]:
    """Both conversations tell the whole history of the leg, or each its own part of it."""
    first = CALLER if history else CALLER[:2]
    caller = {"direction": "inbound"}
    return tables(
        leg_statuses=[
            *of("CON-1", *statuses("a", *first, member_id="MEM-old", **caller)),
            *of("CON-2", *statuses("a", *(CALLER if history else CALLER[2:]), member_id="MEM-a", **caller)),
            *of("CON-2", *statuses("b", *AGENT)),
        ],
        call_events=of("CON-2", event("rtc:transfer", "a", 60, 30, was_member_id="MEM-old", direction="inbound")),
        hangups=of("CON-2", hangup("a", 180, 41, direction="inbound"), hangup("b", 180, 42)),
        call_records=of("CON-2", record("a", 181, 51, duration_s=180, price=0.02)),
    )


KINDS = {"pandas": dict, "duckdb": relations}


@pytest.mark.slow
@pytest.mark.parametrize("history", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_one_leg(kind: str, history: bool) -> None:
    data = KINDS[kind](moved(history=history))
    found = as_pandas(legs(data), LEG)
    assert found[LEG].to_numpy().tolist() == [["CON-2", "a"], ["CON-2", "b"]]
    assert found["talk_s"].to_list() == [180.0, 114.0]
    assert found["transferred"].to_list() == [True, False]
    assert found["price"].fillna(0).to_list() == [0.02, 0.0]
    assert "duplicate" not in "".join(found["flags"])


@pytest.mark.slow
@pytest.mark.parametrize("history", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_counted_once(kind: str, history: bool) -> None:
    data = KINDS[kind](moved(history=history))
    row = as_pandas(busy_hour(data), []).iloc[0]
    assert (row["n"], row["peak"], row["busy_s"]) == (2, 2, 302.0)
    rate = as_pandas(kpi(data, metrics="abr", scope="all"), []).iloc[0]
    assert (rate["k"], rate["n"]) == (2, 2)
    talk = as_pandas(kpi_values(data, measures="talk_s", scope="all"), []).iloc[0]
    assert (talk["n"], talk["total"]) == (2, 294.0)
    # Two sides of one call, and the call is where the leg was moved to.
    call = as_pandas(calls(data), ["call"])
    assert call[["conversation_id", "legs", "direction", "talk_s"]].to_numpy().tolist() == [
        ["CON-2", 2, "inbound", 114.0]
    ]


def test_conversations_have_it_once() -> None:
    found = conversations(moved(history=True)).set_index("conversation_id")
    assert found["legs"].to_dict() == {"CON-2": 2}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_event_without_a_leg_finds_it_by_its_member_of_before(kind: str) -> None:
    data = moved(history=False)
    more = tables(x=of("CON-1", event("sip:ringing", None, 0, 9, from_member_id="MEM-old", direction="inbound")))["x"]
    data["call_events"] = pd.concat([data["call_events"], more], ignore_index=True)
    found = as_pandas(legs(KINDS[kind](data)), LEG)
    assert found["leg_id"].to_list() == ["a", "b"]
    assert found["flags"].iloc[0].startswith("no_leg_id")


@pytest.mark.parametrize("kind", KINDS)
def test_legs_without_an_id_stay_apart(kind: str) -> None:
    alone = [hangup(None, 9, 40, from_member_id=None)]
    data = tables(hangups=[*of("CON-1", *alone), *of("CON-2", *alone), *of("CON-3", hangup("a", 9))])
    assert len(as_pandas(legs(KINDS[kind](data)), LEG)) == 3
