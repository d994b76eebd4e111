"""Legs, calls, conversations and the ledger: hand-made tables with the rows they must give."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import calls, conversations, ledger, legs
from conv_analytics.analysis.engine.columns import RESULTS
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from tests._helpers.leg_tables import as_pandas, at, event, hangup, record, relations, statuses, tables

UP = (("started", 0.0), ("ringing", 2.0), ("answered", 10.0), ("completed", 70.0))
KEYS = {"legs": ["conversation_id", "leg_id"], "calls": ["conversation_id", "call"],
        "conversations": ["conversation_id"], "ledger": ["table", "metric"]}  # fmt: skip
FUNCTIONS = {"legs": legs, "calls": calls, "conversations": conversations, "ledger": ledger}


def whole(**also: Any) -> dict[str, pd.DataFrame]:
    """One leg, known in every way."""
    return tables(
        leg_statuses=statuses("a", *UP, reason="ok", **also),
        call_events=[event("sip:ringing", "a", 2.1, 20), event("sip:answered", "a", 10.1, 21)],
        hangups=[hangup("a", 69.9, mos_score=4.2, packet_cnt=2990, byte_in=1000)],
        call_records=[record("a", 75, requested_at=at(0), started_at=at(10), ended_at=at(70), duration_s=60,
                             price=0.015, rate=0.015, network_code="23410")],
    )  # fmt: skip


def one(data: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The only leg."""
    found = legs(data)
    assert len(found) == 1
    return {name: value for name, value in found.iloc[0].items() if not pd.isna(value)}


def test_a_leg_that_is_known_in_every_way() -> None:
    assert one(whole()) == {
        "conversation_id": "CON-1", "leg_id": "a", "technology": "sip", "channel_type": "phone",
        "direction": "outbound", "member_id": "MEM-a", "user_id": "USR-a", "from_address": "442079460999",
        "from_kind": "e164", "to_address": "447700900123", "to_kind": "e164", "remote_address": "447700900123",
        "remote_kind": "e164", "country": "GB", "country_source": "calling_code", "network_code": "23410",
        "started_at": at(0), "ringing_at": at(2), "answered_at": at(10), "ended_at": at(70), "answered": True,
        "open": False, "pdd_s": 2.0, "ring_s": 8.0, "setup_s": 10.0, "talk_s": 60.0, "billed_s": 60.0,
        "status": "completed", "reason": "ok", "reason_code": "REMOTE_HANGUP", "sip_code": 200,
        "outcome": "answered", "outcome_class": "success", "hung_up_by": "this_leg", "mos_score": 4.2,
        "packet_cnt": 2990, "byte_in": 1000, "hangup_event_id": 40, "price": 0.015, "rate": 0.015,
        "transferred": False, "flags": "",
    }  # fmt: skip


def without(*names: str) -> dict[str, pd.DataFrame]:
    return {name: frame for name, frame in whole().items() if name not in names}


def voice(second: float, **also: Any) -> dict[str, Any]:
    """A record from Voice events, which have no id."""
    return record("a", second, **{"source": "voice", "price": 1.0, **also}) | {"event_id": None}


def emptied(name: str) -> dict[str, pd.DataFrame]:
    return {**whole(), name: whole()[name].iloc[:0]}


ANOMALIES = [
        pytest.param(without("leg_statuses"), {"pdd_s": 2.1, "talk_s": 59.8, "flags": ""}, id="no statuses at all"),
        pytest.param(emptied("leg_statuses"), {"talk_s": 59.8, "flags": "no_status"}, id="no status"),
        pytest.param(emptied("hangups"), {"talk_s": 60.0, "flags": "no_hangup", "outcome": "answered"}, id="no hangup"),
        pytest.param(emptied("call_records"), {"talk_s": 60.0, "flags": "no_record"}, id="no record"),
        pytest.param(
            {"hangups": whole()["hangups"]},
            {"answered": True, "outcome": "answered", "flags": "no_start,answer_imputed", "ended_at": at(69.9)},
            id="a hangup and nothing else",
        ),
        pytest.param(
            {"call_records": whole()["call_records"]},
            {"talk_s": 60.0, "setup_s": 10.0, "ended_at": at(70), "flags": ""},
            id="a record and nothing else",
        ),
        pytest.param(
            {"call_events": whole()["call_events"]},
            {"open": True, "status": "answered", "flags": "no_start", "started_at": at(2.1), "outcome": "answered"},
            id="a call that goes on",
        ),
        pytest.param(
            tables(leg_statuses=statuses("a", ("started", 0), ("answered", 10), ("completed", 5), reason="ok")),
            {"flags": "hangup_before_answer", "setup_s": 10.0},
            id="it ends before its answer",
        ),
        pytest.param(
            tables(leg_statuses=statuses("a", ("started", 5), ("ringing", 2), ("answered", 10), ("completed", 20))),
            {"flags": "out_of_order", "ring_s": 8.0, "setup_s": 5.0, "talk_s": 10.0},
            id="it rings before it starts",
        ),
        pytest.param(
            {**whole(), **tables(hangups=[hangup("a", 69.9, 40, mos_score=4.0), hangup("a", 72, 41, mos_score=3.0)])},
            {"flags": "duplicate_hangup", "hangup_event_id": 40, "mos_score": 4.0},
            id="it hangs up twice",
        ),
        pytest.param(
            {**whole(), **tables(call_records=[record("a", 75, 50, price=1.0), record("a", 80, 51, price=2.0)])},
            {"flags": "duplicate_record", "price": 2.0},
            id="it is billed twice",
        ),
        pytest.param(
            {**whole(), **tables(call_records=[voice(75), voice(80, price=2.0)])},
            {"flags": "duplicate_record", "price": 2.0},
            id="Voice events bill it twice",
        ),
        pytest.param(
            {**whole(), **tables(call_records=[voice(75), voice(75, network_code="23410")])},
            {"flags": "duplicate_record", "price": 1.0},
            id="Voice events bill it twice at once",
        ),
        pytest.param(
            {**whole(), **tables(call_records=[voice(75), voice(75)])},
            {"flags": "", "price": 1.0},
            id="a record of Voice events is there twice",
        ),
        pytest.param(
            {**whole(), **tables(call_records=[record("a", 75, ended_at=at(90), duration_s=80, started_at=at(10))])},
            {"flags": "clock", "talk_s": 60.0, "billed_s": 80.0},
            id="its record ends elsewhere",
        ),
        pytest.param(
            {**without("leg_statuses"), **tables(call_records=[record(
                "a", 75, requested_at=at(-90), started_at=at(-80), ended_at=at(-20), duration_s=60)])},
            # Its events tell when it rang and was answered; not even its start is taken from a clock that is 90 s off.
            {"flags": "no_start,clock", "pdd_s": None, "setup_s": None, "started_at": at(2.1), "talk_s": 59.8},
            id="its record is of another clock, and there are no statuses",
        ),
        pytest.param(
            {**whole(), **tables(hangups=[hangup(None, 69.9, from_member_id="MEM-a")])},
            {"leg_id": "a", "flags": "no_leg_id", "hangup_event_id": 40},
            id="a hangup without a leg, of a member with one",
        ),
        pytest.param(
            tables(hangups=[hangup(None, 69.9, from_member_id="MEM-x")]),
            {"leg_id": "member:MEM-x", "flags": "no_leg_id,no_start,answer_imputed"},
            id="a hangup without a leg, of a member without one",
        ),
        pytest.param(
            tables(hangups=[hangup(None, 69.9, from_member_id=None)]),
            {"leg_id": "event:40", "flags": "no_leg_id,no_start,answer_imputed"},
            id="a hangup of nobody",
        ),
        pytest.param(
            tables(hangups=[hangup("a", 9, direction="inbound")]),
            {"remote_address": "442079460999", "country": "GB", "country_source": "number"},
            id="the remote end of an inbound leg calls",
        ),
        pytest.param(
            tables(
                hangups=[hangup("a", 9, to_number="Anonymous")],
                call_records=[record("a", 10, network_code="26201", to_number="Anonymous")],
            ),
            {"remote_kind": "anonymous", "country": "DE", "country_source": "network"},
            id="a withheld number has the country of its network",
        ),
        pytest.param(
            tables(hangups=[hangup("a", 9, to_number=None, to_user="jane", to_type="app")]),
            {"remote_address": "jane", "remote_kind": "user", "country_source": "none"},
            id="a user of the app",
        ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("data", "expected"), ANOMALIES)
def test_anomalies(data: dict[str, pd.DataFrame], expected: dict[str, Any]) -> None:
    found = one(data)
    assert {name: found.get(name) for name in expected} == expected
    if expected.get("flags") == "hangup_before_answer":
        assert "talk_s" not in found


#: SIP code and reason of a leg that failed, whether it rang, and its outcome with the class of it.
UNANSWERED: list[tuple[int | None, str | None, bool, tuple[str, str]]] = [
    (486, "busy", True, ("busy", "user")),
    (480, "timeout", True, ("no_answer", "user")),
    (408, "request_timeout", True, ("no_answer", "user")),
    (408, "request_timeout", False, ("network_failure", "network")),
    (487, "cancelled", True, ("cancelled", "caller")),
    (603, "rejected", True, ("declined", "user")),
    (404, "not_found", False, ("bad_number", "number")),
    (403, "rejected", False, ("blocked", "policy")),
    (503, "service_unavailable", False, ("network_failure", "network")),
    (488, None, False, ("signalling_failure", "signalling")),
    (400, "failed", False, ("signalling_failure", "signalling")),
    (606, None, False, ("signalling_failure", "signalling")),
    (607, None, True, ("declined", "user")),
    (608, None, False, ("blocked", "policy")),
    (302, None, False, ("redirected", "redirect")),
    (599, None, False, ("network_failure", "network")),
    (None, "busy_here", False, ("busy", "user")),
    (None, "flow_failed", False, ("failed", "platform")),
    (None, "new_word", False, ("failed", "platform")),
    (None, None, False, ("failed", "platform")),
]


def test_outcomes_of_unanswered_legs() -> None:
    steps = [[("started", 0.0), *([("ringing", 1.0)] if rang else []), ("failed", 9.0)] for *_, rang, _ in UNANSWERED]
    data = tables(
        leg_statuses=[
            row
            for place, (_, reason, *_) in enumerate(UNANSWERED)
            for row in statuses(f"leg-{place:02d}", *steps[place], reason=reason)
        ],
        hangups=[
            {**hangup(f"leg-{place:02d}", 9, 40 + place), "sip_code": code, "reason_code": None}
            for place, (code, *_) in enumerate(UNANSWERED)
        ],
    )
    found = legs(data).sort_values("leg_id")
    assert [*zip(found["outcome"], found["outcome_class"], strict=True)] == [expected for *_, expected in UNANSWERED]


def test_a_transfer_marks_both_legs() -> None:
    moved = event("rtc:transfer", "b", 30, 30, was_member_id="MEM-a")
    data = whole()
    data["call_events"] = pd.concat([data["call_events"], tables(x=[moved])["x"]], ignore_index=True)
    assert legs(data).set_index("leg_id")["transferred"].to_dict() == {"a": True, "b": True}
    assert calls(data)["transferred"].to_list() == [True]


def two(**second: Any) -> dict[str, pd.DataFrame]:
    """An inbound and an outbound leg of one call."""
    start, end = second.pop("start", 5.0), second.pop("end", 70.0)
    steps = (("started", start), ("ringing", start + 1), ("answered", start + 10), ("completed", end + 1))
    first = hangup("a", 69.9, 40, direction="inbound", reason_code="LOCAL_HANGUP")
    return tables(
        leg_statuses=[*statuses("a", *UP, reason="ok", direction="inbound"), *statuses("b", *steps, reason="ok")],
        hangups=[
            {**first, "reason_code": second.pop("reason_a", "LOCAL_HANGUP")},
            {**hangup("b", end, 41), "reason_code": second.pop("reason_b", "REMOTE_HANGUP")},
        ],
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "who", "confidence"),
    [
        (two(end=69.0), "to", 0.95),
        (two(end=69.0, reason_a="REMOTE_HANGUP", reason_b="LOCAL_HANGUP"), "to", 0.5),
        (two(end=69.0, reason_a="odd", reason_b="odd"), "to", 0.8),
        (two(end=71.0, reason_a="REMOTE_HANGUP", reason_b="LOCAL_HANGUP"), "from", 0.95),
        (two(end=70.0), "to", 0.6),
        (two(end=70.0, reason_a="odd", reason_b="odd"), "unknown", 0.0),
        (two(end=69.0, reason_b="LENGTH_TIMER"), "platform", 0.9),
    ],
)
def test_who_hung_up(data: dict[str, pd.DataFrame], who: str, confidence: float) -> None:
    found = calls(data)
    assert found["hung_up_by"].to_list() == [who]
    assert found["hung_up_confidence"].to_list() == [confidence]
    assert found["hung_up_why"].str.len().min() > 10


def test_legs_that_overlap_are_one_call() -> None:
    found = calls(two())
    assert found[["legs", "answered_legs", "talk_s", "forked"]].to_numpy().tolist() == [[2, 2, 55.0, False]]
    assert calls(two(start=74.9, end=99.0))["legs"].to_list() == [2]
    assert calls(two(start=75.1, end=99.0))["legs"].to_list() == [1, 1]


def test_an_answered_leg_without_an_end_keeps_its_call_open() -> None:
    data = two()
    data["leg_statuses"] = data["leg_statuses"][~(data["leg_statuses"]["status"] == "completed")]
    data["hangups"] = data["hangups"].iloc[:0]
    found = calls(data)
    assert found[["legs", "flags"]].to_numpy().tolist() == [[2, "open,no_hangup"]]
    assert found[["ended_at", "talk_s"]].isna().all(axis=None)
    assert conversations(data)["flags"].to_list() == ["open"]


def test_conversations_add_up() -> None:
    data = {**two(), **tables(
        messages=[{"conversation_id": f"CON-{n}", "event_id": 1, "at": at(100)} for n in (1, 1, 2)],
        conversations=[{"conversation_id": "CON-1", "created_at": at(-1)}],
    )}  # fmt: skip
    found = conversations(data).set_index("conversation_id")
    assert found[["calls", "legs", "messages"]].to_numpy().tolist() == [[1, 2, 1], [0, 0, 1]]
    assert found["kinds"].to_list() == ["calls,messages", "messages"]
    assert found["flags"].to_list() == ["", "no_record"]
    assert found["worst_outcome"].dropna().to_list() == ["answered"]
    assert found["members"].isna().all()


def test_the_ledger_counts_what_is_wrong() -> None:
    data = whole()
    data["hangups"] = pd.concat([data["hangups"], data["hangups"]])
    data["call_records"] = data["call_records"].assign(leg_id=None)
    found = ledger(data).set_index(["table", "metric"])
    assert found.loc[("hangups", "rows"), ["n", "odd", "share"]].to_list() == [2, 1, 0.5]
    assert found.loc[("call_records", "leg_id"), ["n", "missing"]].to_list() == [1, 1]
    assert found.loc[("legs", "no_leg_id"), ["n", "odd"]].to_list() == [1, 1]
    assert found.loc[("legs", "duplicate_hangup"), "odd"] == 0
    assert found.loc[("legs", "country"), ["n", "imputed", "share"]].to_list() == [1, 1, 1.0]
    assert pd.isna(ledger({"hangups": data["hangups"].iloc[:0]}).set_index("table").loc["legs", "share"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["legs", "calls", "ledger"])
def test_duckdb_gives_the_same_of_every_anomaly(name: str) -> None:
    cases = [whole(), two(), *(case.values[0] for case in ANOMALIES)]  # noqa: PD011  no pandas
    names = ("leg_statuses", "call_events", "hangups", "call_records")
    parts = {table: [] for table in names}
    for place, case in enumerate(cases):
        for table, frame in case.items():
            if len(frame):
                # Ids of legs are unique: one that is in two conversations is one leg.
                own = frame.assign(conversation_id=f"CON-{place}", leg_id=frame["leg_id"] + f"-{place}")
                parts[table].append(own.dropna(axis=1, how="all"))
    data = {table: pd.concat(frames, ignore_index=True) for table, frames in parts.items()}
    data["hangups"] = data["hangups"].assign(leg_id=data["hangups"]["leg_id"].astype("str"))
    found = as_pandas(FUNCTIONS[name](data), KEYS[name])
    assert len(found) >= len(cases)
    pd.testing.assert_frame_equal(found, as_pandas(FUNCTIONS[name](relations(data)), KEYS[name]), check_dtype=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("change", ["order", "repeated", "both"])
def test_order_and_repetition_of_rows_change_nothing(name: str, change: str) -> None:
    data = two()
    data["call_events"] = whole()["call_events"]
    data["call_records"] = whole()["call_records"]
    other = dict(data)
    if change in {"repeated", "both"}:
        other = {table: pd.concat([frame, frame.iloc[::2]], ignore_index=True) for table, frame in other.items()}
    if change in {"order", "both"}:
        other = {table: frame.sample(frac=1, random_state=7) for table, frame in other.items()}
    before, after = FUNCTIONS[name](data), FUNCTIONS[name](other)
    if name == "ledger":
        before, after = (frame[frame["table"] == "legs"].reset_index(drop=True) for frame in (before, after))
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_empty_tables_give_empty_results_of_the_right_types(name: str) -> None:
    empty = {table: frame.iloc[:0] for table, frame in whole().items()}
    given = {**empty, "events": pd.DataFrame({"conversation_id": []}, dtype="str")}
    found = FUNCTIONS[name](given)
    assert list(found.columns) == [column.name for column in RESULTS[name]]
    full = FUNCTIONS[name]({**whole(), "events": pd.DataFrame({"conversation_id": ["CON-1"]})})
    assert list(map(str, found.dtypes)) == list(map(str, full.dtypes))
    if name != "ledger":
        assert len(found) == 0
    bare = {table: pd.DataFrame() for table in empty}
    if name != "conversations":
        pd.testing.assert_frame_equal(FUNCTIONS[name](bare), found)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_null_rows_stay_one_way_or_the_other(name: str) -> None:
    data = {table: pd.DataFrame(None, index=[0], columns=frame.columns) for table, frame in whole().items()}
    found = FUNCTIONS[name](data)
    assert len(found) == (0 if name in {"legs", "calls", "conversations"} else len(found))
    assert ledger(data).set_index(["table", "metric"]).loc[("hangups", "leg_id"), "missing"] == 1


def test_a_legs_frame_stays_as_it_is_and_is_enough_for_more() -> None:
    rows = legs(two())
    pd.testing.assert_frame_equal(legs(rows), rows)
    assert calls(rows)["legs"].to_list() == [2]
    with pytest.raises(ColumnNotFound, match=r"'leg_id' is needed"):
        calls(rows.drop(columns="leg_id"))


def test_data_without_calls_is_refused() -> None:
    with pytest.raises(TableNotFound, match="leg_statuses or call_events"):
        legs({"messages": pd.DataFrame()})
    with pytest.raises(ConfigError, match="without a time zone"):
        legs({"hangups": pd.DataFrame({"conversation_id": ["C"], "leg_id": ["a"], "at": [pd.Timestamp("2026-01-01")]})})


def test_the_accessor_knows_its_tables() -> None:
    data = two()
    assert data["hangups"].conv.legs()["hangup_event_id"].to_list() == [40, 41]
    assert data["leg_statuses"].conv.calls()["legs"].to_list() == [2]
    assert legs(data).conv.calls()["legs"].to_list() == [2]
    assert whole()["call_records"].conv.legs()["price"].to_list() == [0.015]
    assert "one row per leg" in (data["hangups"].conv.legs.__doc__ or "").lower()
    with pytest.raises(AttributeError, match=r"it has .*calls, .*legs"):
        data["hangups"].conv.kpis  # noqa: B018


def test_a_function_and_the_module_that_has_it_are_both_importable() -> None:
    import conv_analytics.analysis.rates.kpi as module
    from conv_analytics import analysis

    assert isinstance(module, ModuleType)
    assert module.kpi is analysis.kpi
    for function in FUNCTIONS.values():
        assert importlib.import_module(function.__module__) is not function


def test_intermediate_results_are_the_callers_kind() -> None:
    source = Source.of(relations(two()))
    assert type(Rows.read(source, "hangups", ["leg_id"]).result()).__name__ == "DuckDBPyRelation"
