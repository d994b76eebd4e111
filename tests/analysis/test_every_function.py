"""Every public function of the analysis over the same world, and over everything that may be wrong with its tables."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from datetime import timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from conv_analytics import analysis
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ColumnNotFound
from conv_analytics.tables import TABLES
from tests._helpers.leg_tables import relations
from tests.analysis import frozen, test_same

pytestmark = pytest.mark.slow

Tables = dict[str, pd.DataFrame]
UNTIL = pd.Timestamp("2030-01-01", tz="UTC").to_pydatetime()


def in_pandas(frame: Any) -> pd.DataFrame:
    """A frame of pandas, a relation, or a frame of Spark, as pandas."""
    if isinstance(frame, pd.DataFrame):
        return frame
    return coerce.to_pandas(frame.toArrow()) if hasattr(frame, "toArrow") else frame.df()


def roles(data: Any) -> dict[str, str]:
    """Half of those who wrote are customers; the same half however the data is given."""
    messages = data["messages"]
    frame = in_pandas(messages)
    users = sorted(frame["from_user_id"].dropna().unique())
    return {user: ("customer" if place % 2 else "human") for place, user in enumerate(users)}


def first_conversation(data: Any) -> str:
    events = data["events"]
    frame = in_pandas(events)
    return str(frame["conversation_id"].min()) if len(frame) else "CON-none"


MAP = {"prefix": ["44", "4420", "1"], "carrier": ["BT", "City", "AT&T"]}
BILLS = Path(__file__).parents[1] / "fixtures" / "live" / "reports_voice_call.json"

#: Functions of tables: how each is asked, all of them of a mapping of tables.
ASKED: dict[str, Callable[[Any], Any]] = {
    "answer_curve": analysis.answer_curve,
    "answer_times": analysis.answer_times,
    "audio_flow": analysis.audio_flow,
    "busy_hour": lambda data: analysis.busy_hour(data, until=UNTIL),
    "call_quality": analysis.call_quality,
    "calls": analysis.calls,
    "change_points": analysis.change_points,
    "check": lambda data: analysis.check(data, ["poor > 3% by network_code", "p95(pdd_s) > 8", "answered < 50%"]),
    "compare": lambda data: analysis.compare(data, data).groups,
    "compare_profiles": analysis.compare_profiles,
    "concurrency": lambda data: analysis.concurrency(data, until=UNTIL),
    "containment": analysis.containment,
    "conversations": analysis.conversations,
    "cost": analysis.cost,
    "detect_units": lambda data: pd.DataFrame([str(analysis.detect_units(data))]),
    "dtmf": analysis.dtmf,
    "dtmf_paths": analysis.dtmf_paths,
    "duration_hist": analysis.duration_hist,
    "enrich": lambda data: analysis.kpi(analysis.enrich(data, MAP), by="carrier"),
    "event_log": analysis.event_log,
    "fault_side": analysis.fault_side,
    "findings": lambda data: analysis.findings(data).looked_at,
    "first_responses": lambda data: analysis.first_responses(data, roles(data), until=UNTIL),
    "heatmap": lambda data: analysis.heatmap(data, "asr", tz="Europe/London"),
    "kpi": lambda data: analysis.kpi(data, by=["network_code"]),
    "kpi_values": analysis.kpi_values,
    "ledger": analysis.ledger,
    "legs": analysis.legs,
    "match_counts": lambda data: analysis.match_counts(data, MAP),
    "message_funnel": analysis.message_funnel,
    "message_latency": lambda data: analysis.message_latency(data, until=UNTIL),
    "mos_audit": lambda data: analysis.mos_audit(data).legs,
    "mute": analysis.mute,
    "offenders": lambda data: analysis.offenders(data, min_n=2),
    "price_audit": analysis.price_audit,
    "quality": analysis.quality,
    "receipts": analysis.receipts,
    "recognition": analysis.recognition,
    "reconcile": lambda data: analysis.reconcile(data, BILLS).legs,
    "redials": analysis.redials,
    "responses": lambda data: analysis.responses(data, roles(data), until=UNTIL),
    "service_level": analysis.service_level,
    "short_calls": analysis.short_calls,
    "talk": analysis.talk,
    "timeline": lambda data: analysis.timeline(data, first_conversation(data)),
    "timer_cliffs": analysis.timer_cliffs,
    "traffic": lambda data: analysis.traffic(data, until=UNTIL),
    "traffic_changes": lambda data: analysis.traffic_changes(data, per="hour"),
    "turns": analysis.turns,
    "waste": analysis.waste,
}
#: Those that `test_same.py` asks of views of this very world, without options either; it shows that relations are read
#: as views are.
ASKED_OF_VIEWS = {
    "audio_flow", "call_quality", "calls", "compare_profiles", "conversations", "detect_units", "dtmf_paths",
    "event_log", "fault_side", "findings", "ledger", "legs", "message_funnel", "mos_audit", "mute", "price_audit",
    "quality", "receipts", "recognition", "reconcile", "talk", "timeline", "turns", "waste",
}  # fmt: skip
#: Functions of numbers: a call, and one of nothing or of what is not known, with what it gives.
NUMBERS: dict[str, tuple[Any, Any]] = {
    "aalen_johansen": (lambda: len(analysis.aalen_johansen([], [], []).time), 0),
    "agents_needed": (lambda: analysis.agents_needed(0, handling_s=60), 0),
    "benjamini_hochberg": (lambda: len(analysis.benjamini_hochberg([])), 0),
    "binomial_tail": (lambda: analysis.binomial_tail(math.nan, 3, 0.5), math.nan),
    "erlang_b": (lambda: analysis.erlang_b(0, 3), 0),
    "erlang_c": (lambda: analysis.erlang_c(0, 0), 0),
    "expected_service_level": (
        lambda: analysis.expected_service_level(3, 3, within_s=20, handling_s=60), 0,
    ),
    "expected_wait": (lambda: analysis.expected_wait(3, 3, 60), math.inf),
    "explain": (lambda: analysis.explain("busy_here").outcome, "busy"),
    "freeswitch_flaws": (lambda: analysis.freeswitch_flaws([]), (0, 0)),
    "kaplan_meier": (lambda: len(analysis.kaplan_meier([], []).time), 0),
    "kpi_metrics": (lambda: analysis.kpi_metrics()["metric"].is_unique, True),
    "mos_emodel": (lambda: analysis.mos_emodel(None), math.nan),
    "mos_to_r": (lambda: analysis.mos_to_r(-1), math.nan),
    "newcombe": (lambda: analysis.newcombe(0, 0, 0, 0)[0], math.nan),
    "offered": (lambda: round(analysis.offered(0, 3), 6), 0),
    "party": (lambda: analysis.party(None).country, None),
    "r_to_mos": (lambda: analysis.r_to_mos(math.nan), math.nan),
    "rtp_jitter": (lambda: len(analysis.rtp_jitter([])), 0),
    "sip_codes": (lambda: analysis.sip_codes()["sip_code"].is_unique, True),
    "trunks_needed": (lambda: analysis.trunks_needed(0), 1),
    "twilio_mos": (lambda: analysis.twilio_mos(math.nan, 0, 0), math.nan),
    "wilson": (lambda: analysis.wilson(0, 0)[0], math.nan),
}  # fmt: skip


# -- what may be wrong


def empty(data: Tables) -> Tables:
    """No rows."""
    return {name: frame.head(0) for name, frame in data.items()}


def one_row(data: Tables) -> Tables:
    """A row of each table."""
    return {name: frame.head(1) for name, frame in data.items()}


def all_null(data: Tables) -> Tables:
    """Rows of which only the keys are known."""
    keys = {"conversation_id", "event_id", "leg_id", "member_id"}
    blank = {}
    for name, frame in data.items():
        few = frame.head(30).copy()
        for column in few.columns.difference(sorted(keys)):
            few[column] = pd.Series([None] * len(few), index=few.index).astype(few[column].dtype)
        blank[name] = few
    return blank


def mixed_zones(data: Tables) -> Tables:
    """The same instants, each written in another zone."""
    zones = (ZoneInfo("Asia/Tokyo"), timezone(timedelta(hours=-3, minutes=-30)), ZoneInfo("Europe/London"))

    def written(instants: pd.Series[Any]) -> pd.Series[Any]:
        told = [None if pd.isna(at) else at.tz_convert(zones[n % 3]) for n, at in enumerate(instants)]
        return pd.Series(told, index=instants.index, dtype="object")

    return {
        name: frame.assign(**{
            str(column): written(frame[column])
            for column in frame
            if isinstance(frame[column].dtype, pd.DatetimeTZDtype)
        })
        for name, frame in data.items()
    }  # fmt: skip


def ends_before_starts(data: Tables) -> Tables:
    """Clocks that ran backwards: calls end an hour before they begin."""
    hour = pd.Timedelta(hours=1)
    changed = dict(data)
    changed["hangups"] = data["hangups"].assign(at=data["hangups"]["at"] - hour)
    statuses = data["leg_statuses"]
    ended = statuses["status"].astype("str").isin(["completed", "failed", "busy", "unanswered", "rejected"])
    changed["leg_statuses"] = statuses.assign(at=statuses["at"].where(~ended, statuses["at"] - hour))
    records = data["call_records"]
    changed["call_records"] = records.assign(at=records["at"] - hour, duration_s=-records["duration_s"])
    return changed


def without_ends(data: Tables) -> Tables:
    """Calls that are still up: no hangup, no record, no last status."""
    statuses = data["leg_statuses"]
    going = statuses["status"].astype("str").isin(["started", "ringing", "answered"])
    return {
        **data,
        "hangups": data["hangups"].head(0),
        "call_records": data["call_records"].head(0),
        "leg_statuses": statuses[going].reset_index(drop=True),
    }


@pytest.fixture(scope="module")
def world() -> Tables:
    return frozen.world()


class Opened(Source):
    """Tables that are opened once, as those of a folder are: questions share their typed columns and their legs."""

    def __getitem__(self, table: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.engine.tables[table].frame()
        return frame


@pytest.fixture(scope="module")
def odd_worlds(world: Tables) -> dict[str, Source]:
    """The world with everything that may be wrong with its tables, one after the other, by what is wrong."""
    changes = (empty, one_row, all_null, ends_before_starts, without_ends)
    return {str(change.__doc__): Opened.of(change(world)) for change in changes}


@pytest.fixture(scope="module")
def same_worlds(world: Tables) -> dict[str, Any]:
    """The world as pandas with instants in many zones, and as relations of DuckDB."""
    return {"zones": Opened.of(mixed_zones(world)), "duckdb": relations(world)}


@pytest.fixture(scope="module")
def usual_answer(world: Tables) -> Callable[[str], Any]:
    """What a function says of the world, asked once; a copy, so that no test changes what another one gets."""
    ask = cache(lambda name: ASKED[name](world))
    return lambda name: ask(name).copy()


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    return frozen.frozen()


def test_every_public_function_is_asked() -> None:
    functions = {name for name in analysis.__all__ if inspect.isfunction(getattr(analysis, name))}
    assert functions == {*ASKED, *NUMBERS}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_nothing(name: str) -> None:
    ask, expected = NUMBERS[name]
    got = ask()
    assert np.isnan(got) if isinstance(expected, float) and math.isnan(expected) else got == expected


@pytest.mark.parametrize("name", ASKED)
def test_odd_tables(
    name: str, usual_answer: Callable[[str], Any], odd_worlds: dict[str, Source], answers: dict[str, dict[str, Any]]
) -> None:
    ask = ASKED[name]
    usual = usual_answer(name)
    assert len(usual) > 0, "the world has something of everything"
    assert frozen.summary(usual) == answers[name], "if that is meant: python -m tests.analysis.frozen"
    for wrong, tables in odd_worlds.items():
        found = ask(tables)
        assert list(found.columns) == list(usual.columns), wrong
        # Nothing lasts less than no time, however wrong the clocks are.
        for column in (each for each in found.columns if str(each).endswith("_s")):
            assert not (pd.to_numeric(found[column], errors="coerce") < 0).any(), f"{wrong} {column}"


@pytest.mark.parametrize("name", ASKED)
def test_zones_and_engines_change_nothing(
    name: str, usual_answer: Callable[[str], Any], same_worlds: dict[str, Any]
) -> None:
    ask = ASKED[name]
    usual = plain(usual_answer(name))
    pd.testing.assert_frame_equal(plain(ask(same_worlds["zones"])), usual, check_dtype=False)
    if name not in ASKED_OF_VIEWS:
        pd.testing.assert_frame_equal(plain(ask(same_worlds["duckdb"])), usual, check_dtype=False, rtol=1e-9)


def test_the_others_are_asked_just_so_of_views() -> None:
    assert not ASKED_OF_VIEWS & set(test_same.OPTIONS)
    assert set(test_same.ASKED) >= ASKED_OF_VIEWS


#: These take tables as they are: what is not there is null, and `ledger` counts it.
TOLERANT = {"calls", "check", "containment", "conversations", "enrich", "ledger", "legs", "match_counts", "timeline"}
#: These ask for legs, or for tables that have them.
OF_LEGS = (
    "answer_curve", "answer_times", "audio_flow", "busy_hour", "call_quality", "change_points", "compare",
    "compare_profiles", "concurrency", "cost", "detect_units", "duration_hist", "fault_side", "heatmap", "kpi",
    "kpi_values", "mos_audit", "offenders", "price_audit", "quality", "reconcile", "redials", "service_level",
    "short_calls",    "timer_cliffs", "traffic", "traffic_changes", "waste",
)  # fmt: skip


@pytest.mark.parametrize("name", OF_LEGS)
def test_a_column_that_legs_lack_is_named_with_who_has_it(name: str, world: Tables) -> None:
    with pytest.raises(ColumnNotFound) as refused:
        ASKED[name](analysis.legs(world, columns=["conversation_id", "leg_id"]))
    error = refused.value
    assert error.table in {"of legs()", "of calls()"}, "the function that makes such frames"
    assert repr(error.column) in str(error)
    for table in error.elsewhere:
        assert error.column in {column.name for column in TABLES[table].columns}
        assert table in str(error)


@pytest.mark.parametrize("name", sorted({*ASKED} - {*OF_LEGS} - TOLERANT))
def test_a_column_that_a_table_lacks_is_named_with_the_table(name: str, world: Tables) -> None:
    bare = {table: frame[[c for c in frame if c in {"conversation_id", "event_id"}]] for table, frame in world.items()}
    if name in {"first_responses", "responses"}:
        bare["messages"] = world["messages"].drop(columns="at")
    with pytest.raises(ColumnNotFound) as refused:
        ASKED[name](bare)
    error = refused.value
    assert error.column in {column.name for column in TABLES[error.table].columns}
    assert error.column not in bare[error.table]
    assert repr(error.column) in str(error)
    assert repr(error.table) in str(error)


@pytest.mark.parametrize("name", sorted(TOLERANT))
def test_what_a_table_lacks_may_be_null_where_that_is_counted(
    name: str, world: Tables, usual_answer: Callable[[str], Any]
) -> None:
    bare = {table: frame.drop(columns=["reason"], errors="ignore") for table, frame in world.items()}
    assert list(ASKED[name](bare).columns) == list(usual_answer(name).columns)


def plain(found: Any) -> pd.DataFrame:
    """A result as pandas, in an order that depends on its values only."""
    frame = in_pandas(found).reset_index(drop=True)
    for column in frame:
        if isinstance(frame[column].dtype, pd.DatetimeTZDtype):
            frame[column] = frame[column].dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        elif frame[column].map(lambda value: isinstance(value, Decimal)).any():
            frame[column] = frame[column].astype("float64")
        elif not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].astype("object").where(frame[column].notna(), None)
    rows = zip(*(frame[column] for column in frame), strict=True)
    keys = pd.Series(["\t".join(map(_text, row)) for row in rows], index=frame.index, dtype="object")
    return frame.loc[keys.sort_values(kind="stable").index].reset_index(drop=True)


def _text(value: Any) -> str:
    if pd.isna(value):
        return ""
    # Engines may differ in the last digit of a double.
    return f"{value:.6g}" if isinstance(value, float) else str(value)
