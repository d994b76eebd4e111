"""The audit of scores, the flow of audio, and the side at fault."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from conv_analytics import Conversations, export
from conv_analytics.analysis import (
    audio_flow,
    call_quality,
    check,
    compare_profiles,
    fault_side,
    mos_audit,
    offenders,
    quality,
)
from conv_analytics.analysis import legs as make_legs
from conv_analytics.analysis.audio.units import Units
from conv_analytics.notebook import quality_report
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.leg_frames import legs, pandas_of, relation, same
from tests._helpers.leg_tables import as_pandas, relations

pytestmark = pytest.mark.slow

KEYS = ["conversation_id", "leg_id"]
UNITS = Units(1.0, "freeswitch_r", "percent", "ms2")
PERFECT = {"mos_score": 4.5, "quality_percentage": 100.0, "flaw_total": 0, "packet_loss_perc": 0.0}
BEGIN = datetime(2026, 11, 20, 9, tzinfo=UTC)


# -- mos_audit


@pytest.mark.parametrize(
    ("change", "trust", "green_but_bad"),
    [({"jitter_loss_rate": 242.995972}, "reset", True),
     ({"packet_cnt": 192, "jitter_max_var": 6716.71, "jitter_loss_rate": 0.0}, "contradicted", True),
     ({"packet_loss_perc": 3.0}, "contradicted", True),
     ({"jitter_loss_rate": 0.03}, "contradicted", True),
     ({"byte_in": 0}, "contradicted", True),
     # Alone in its conversation, nobody speaks to it.
     ({"byte_out": 0}, "ok", False),
     ({"packet_cnt": 499, "jitter_loss_rate": 0.0}, "default", False),
     ({"packet_cnt": 99}, "unmeasured", True),
     ({"packet_cnt": 0, "byte_in": 0}, "unmeasured", True),
     ({"packet_cnt": 0, "flaw_total": 1054, "quality_percentage": 76.0, "mos_score": 3.86}, "ok", False),
     ({"mos_score": -1.0}, "unmeasured", False),
     ({"jitter_loss_rate": 0.0}, "ok", False)],
)  # fmt: skip
def test_trust(change: dict[str, Any], trust: str, *, green_but_bad: bool) -> None:
    audit = mos_audit(legs(PERFECT | change), units=UNITS)
    row = audit.legs.iloc[0]
    assert (row["mos_trust"], row["green_but_bad"]) == (trust, green_but_bad)
    assert row["why"]
    assert audit.summary.to_dict("records")[0] | {"green": 0, "green_but_bad": 0} == {
        "mos_trust": trust, "legs": 1, "green": 0, "green_but_bad": 0,
    }  # fmt: skip


def test_the_band() -> None:
    rows = mos_audit(legs({"packet_loss_perc": 5.0, "mos_score": 4.4}, {"packet_loss_perc": 5.0, "mos_score": 3.0},
                          {"packet_loss_perc": 5.0, "mos_score": 1.5}), units=UNITS).legs  # fmt: skip
    assert rows["band"].tolist() == ["above", "within", "below"]
    assert rows["mos_emodel"][0] == pytest.approx(3.9228, abs=5e-5)
    assert rows["mos_emodel_low"][0] == pytest.approx(2.1693, abs=5e-5)
    assert rows["gap"][0] == pytest.approx(4.4 - 3.9228, abs=5e-5)


def test_an_audit_shows_its_units() -> None:
    audit = mos_audit(legs(PERFECT))
    assert "all 1 values are 0" in repr(audit)
    assert "<table" in audit._repr_html_()


# -- audio_flow


def event(number: int, kind: str, second: float, leg: str | None = "a") -> dict[str, Any]:
    return {"conversation_id": "CON-1", "event_id": number, "type": f"audio:{kind}", "leg_id": leg,
            "at": BEGIN + timedelta(seconds=second)}  # fmt: skip


def call(events: list[dict[str, Any]], **change: Any) -> dict[str, pd.DataFrame]:
    """Tables of one call of a minute, with legs a and b, and some events of its audio."""
    envelope = {"technology": "sip", "type": "sip:hangup", "from_member_id": None, "from_user_id": None}
    hangups = legs(change, {"direction": "outbound"}).drop(columns=["answered", "talk_s"]).assign(**envelope)
    hangups = hangups.rename(columns={"hangup_event_id": "event_id"}).assign(
        event_id=[90, 91], at=pd.to_datetime([BEGIN + timedelta(seconds=60)] * 2), reason_code="REMOTE_HANGUP",
        sip_code=200,
    )  # fmt: skip
    answers = [{"conversation_id": "CON-1", "event_id": 1 + n, "type": "sip:answered", "at": BEGIN, "leg_id": leg,
                "direction": way, "technology": "sip"} for n, (leg, way) in
               enumerate((("a", "inbound"), ("b", "outbound")))]  # fmt: skip
    audio = pd.DataFrame(events, columns=["conversation_id", "event_id", "type", "leg_id", "at"])
    audio["at"] = pd.to_datetime(audio["at"], utc=True)
    empty = {name: pd.DataFrame(columns=[column.name for column in TABLES[name].columns])
             for name in ("leg_statuses", "call_records")}  # fmt: skip
    return empty | {"hangups": hangups, "call_events": pd.DataFrame(answers), "audio_events": audio}


SILENT = {"byte_in": 0, "packet_cnt": 0}


#: Events of the audio of a call whose first leg sends nothing: what its way in is, the excuse, how long it was muted,
#: whether anybody heard it speak, and the confidence.
EXCUSES: list[tuple[list[dict[str, Any]], str, str | None, float | None, str, float | None]] = (
    [([], "silent", None, None, "unknown", 0.7),
     ([event(5, "mute:on", 2), event(6, "mute:off", 59)], "excused", "muted", 57.0, "unknown", None),
     ([event(5, "mute:on", 2)], "excused", "muted", 58.0, "unknown", None),
     ([event(5, "mute:on", 2), event(6, "mute:off", 20)], "silent", None, 18.0, "unknown", 0.7),
     # A second start of what runs changes nothing, nor does an end of what does not.
     ([event(5, "mute:on", 0), event(6, "mute:on", 1), event(7, "mute:off", 2)], "silent", None, 2.0, "unknown", 0.7),
     ([event(5, "mute:off", 1), event(6, "mute:on", 2), event(7, "mute:off", 59), event(8, "mute:off", 60)],
      "excused", "muted", 57.0, "unknown", None),
     # What was muted while it rang was not muted in its talk.
     ([event(5, "mute:on", -50), event(6, "mute:off", -9), event(7, "mute:on", -1), event(8, "mute:off", 9)],
      "silent", None, 9.0, "unknown", 0.7),
     ([event(5, "earmuff:on", 0)], "silent", None, None, "unknown", 0.7),
     ([event(5, "speaking:on", 3)], "silent", None, None, "heard", 0.4),
     ([event(5, "speaking:on", 3, "b")], "silent", None, None, "none", 0.9)]
)  # fmt: skip


def calls_of(each: Sequence[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Tables of several calls, each with legs of its own in a conversation of its own: CON-0, CON-1 and so on."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for place, tables in enumerate(each):
        for name, table in tables.items():
            own = table.assign(conversation_id=f"CON-{place}", leg_id=table["leg_id"].astype("str") + f"-{place}")
            parts.setdefault(name, []).append(own)
    whole = {name: [table for table in tables if len(table)] or tables[:1] for name, tables in parts.items()}
    return {name: pd.concat(tables, ignore_index=True) for name, tables in whole.items()}


@pytest.fixture(scope="module")
def excused_flow() -> pd.DataFrame:
    """The flow of all of these calls, asked at once; DuckDB gives the same."""
    tables = calls_of([call(events, **SILENT) for events, *_ in EXCUSES])
    flow = audio_flow(tables)
    there = relations({name: table for name, table in tables.items() if len(table)})
    on_duckdb = pandas_of(audio_flow(there), [*KEYS, "audio"])
    same(flow[list(on_duckdb)], on_duckdb)
    return flow


@pytest.mark.xdist_group("flow")
@pytest.mark.parametrize("place", range(len(EXCUSES)))
def test_excuses_and_speech(excused_flow: pd.DataFrame, place: int) -> None:
    _, *expected = EXCUSES[place]
    flow = excused_flow[excused_flow["conversation_id"] == f"CON-{place}"].set_index(["leg_id", "audio"])
    row = flow.loc[(f"a-{place}", "in")]
    got = [None if pd.isna(row[name]) else row[name] for name in ("state", "excuse", "muted_s", "speech", "confidence")]
    assert got == expected
    assert flow.loc[(f"a-{place}", "out"), "state"] == flow.loc[(f"b-{place}", "in"), "state"] == "heard"
    assert row["flow"] == "no_in"
    assert row["evidence_event_id"] == 90


@pytest.mark.parametrize("kind", ["pandas", "polars", "duckdb"])
def test_legs_without_a_conversation_are_excused_by_their_own_events(kind: str) -> None:
    tables = calls_of([call(events, **SILENT) for events, *_ in EXCUSES])
    tables = {name: table.assign(conversation_id=pd.Series(None, table.index, "str")) for name, table in tables.items()}
    if kind == "polars":
        given: Any = {name: pl.from_pandas(table) for name, table in tables.items() if len(table)}
    else:
        given = relations({name: table for name, table in tables.items() if len(table)}) if kind == "duckdb" else tables
    flow = as_pandas(audio_flow(given), ["leg_id", "audio"]).set_index(["leg_id", "audio"])
    for place, (_, state, excuse, muted_s, speech, confidence) in enumerate(EXCUSES):
        row = flow.loc[(f"a-{place}", "in")]
        # Without a conversation nothing says that the other leg was heard.
        alone = speech == "none"
        expected = (state, excuse, muted_s, "unknown" if alone else speech, 0.7 if alone else confidence)
        names = ("state", "excuse", "muted_s", "speech", "confidence")
        assert tuple(None if pd.isna(row[name]) else row[name] for name in names) == expected, place
    judged = as_pandas(quality(given), ["leg_id"]).set_index("leg_id")
    for place, (_, _, excuse, *_) in enumerate(EXCUSES):
        assert judged.loc[f"a-{place}", "verdict"] == ("poor" if excuse is None else "unmeasured"), place


@pytest.mark.parametrize(
    ("events", "change", "excuse"),
    [([], {}, None), ([event(5, "mute:on", 2)], {}, "muted"), ([event(5, "mute:on", 2, "b")], {}, None),
     ([event(5, "mute:on", 30)], {}, None), ([], {"channel_type": "websocket"}, "websocket")],
)  # fmt: skip
def test_what_the_flow_excuses_nobody_calls_poor(
    events: list[dict[str, Any]], change: dict[str, Any], excuse: str | None
) -> None:
    """A leg that only listens, or was muted throughout, has no packets to judge; it is not poor."""
    tables = call(events, **SILENT, flaw_total=0, **change)
    verdict = "poor" if excuse is None else "unmeasured"
    judged = quality(tables).set_index("leg_id").loc["a"]
    assert [judged["verdict"], judged["flow"], judged["silent_directions"]] == [verdict, "no_in", excuse is None]
    assert judged["excuse"] == excuse if excuse else pd.isna(judged["excuse"])
    whole = call_quality(tables).iloc[0]
    assert (whole["verdict"], whole["measured"]) == (("poor", 2) if excuse is None else ("good", 1))
    assert compare_profiles(tables).set_index("leg_id").loc["a", "recommended"] == verdict
    told = check(tables, ["poor_count > 0", "silent_count > 0", "no_in_count > 0"])
    assert set(told["outcome"]) == {"broken" if excuse is None else "kept"}
    assert told["n"].tolist()[1] == 2
    report = quality_report(tables).numbers
    assert (report.figure("poor").now.k, report.figure("silent").now.k) == (excuse is None, excuse is None)
    assert offenders(tables, "direction", "silent", min_n=1)["k"].sum() == (excuse is None)
    side = fault_side(tables).iloc[0]["fault_side"]
    assert side == "caller_access" if excuse is None else pd.isna(side)


def test_a_frame_of_legs_is_told_of_mutes_by_its_events() -> None:
    tables = call([event(5, "mute:on", 2)], **SILENT, flaw_total=0)
    made = make_legs(tables)
    assert quality(made)["verdict"].tolist() == ["poor", "good"]
    assert quality(made, audio_events=tables)["verdict"].tolist() == ["unmeasured", "good"]
    same(quality(made, audio_events=tables), pandas_of(quality(relation(made), audio_events=tables), KEYS))


def test_an_earmuff_excuses_what_goes_out() -> None:
    flow = audio_flow(call([event(5, "earmuff:on", 0)], byte_out=10)).set_index(["leg_id", "audio"])
    assert flow.loc[("a", "out"), "excuse"] == "earmuffed"


@pytest.mark.parametrize(
    ("change", "flow", "incoming", "outgoing"),
    [({"byte_in": 0, "byte_out": 0}, "ghost", "silent", "excused"),  # alone, nobody speaks to it
     ({"byte_in": None}, None, "unknown", "heard"), ({"talk_s": 4.9, "byte_in": 0}, None, "unknown", "unknown"),
     ({"byte_in": 7499}, "no_in", "silent", "heard"), ({"byte_in": 7500}, "both", "heard", "heard"),
     ({"channel_type": "websocket", "byte_in": 0}, "no_in", "excused", "heard")],
)  # fmt: skip
def test_directions(change: dict[str, Any], flow: str | None, incoming: str, outgoing: str) -> None:
    rows = audio_flow(legs(change))
    assert [rows["state"][0], rows["state"][1]] == [incoming, outgoing]
    assert rows["flow"][0] == flow if flow else pd.isna(rows["flow"][0])


def test_legs_that_were_never_answered_have_no_flow() -> None:
    assert len(audio_flow(legs({"answered": False}, {"answered": None}))) == 0
    assert list(audio_flow(legs()).columns) == list(audio_flow(legs({})).columns)


# -- fault_side

BOTH = ({"direction": "inbound"}, {"direction": "outbound"})


@pytest.mark.parametrize(
    ("caller", "callee", "side", "why"),
    [({}, {}, None, "no fault seen"),
     ({"packet_loss_perc": 6.0}, {}, "caller_access", "the caller's way in"),
     ({}, {"jitter_max_var": 6716.71}, "callee_access", "the callee's way in"),
     ({}, {"byte_in": 0, "packet_cnt": 0}, "callee_access", "the callee's way in"),
     ({}, {"byte_out": 150_000}, "bridge", "came in and did not go out"),
     ({"byte_out": 1000}, {}, "bridge", "came in and did not go out"),
     ({"packet_loss_perc": 6.0}, {"packet_loss_perc": 7.0}, "unknown", "trouble on both ways in")],
)  # fmt: skip
def test_sides(caller: dict[str, Any], callee: dict[str, Any], side: str | None, why: str) -> None:
    row = fault_side(legs(BOTH[0] | caller, BOTH[1] | callee), units=UNITS).iloc[0]
    assert (row["caller_leg_id"], row["callee_leg_id"], row["why"]) == ("a", "b", why)
    assert row["fault_side"] == side if side else pd.isna(row["fault_side"])


def test_another_codec_is_no_lost_audio() -> None:
    narrow = {"byte_in": 2994 * 32, "byte_out": 3000 * 32}
    row = fault_side(legs(BOTH[0], BOTH[1] | narrow), units=UNITS).iloc[0]
    assert row["conserved_by"] == "packets"
    assert row["forward_ratio"] == pytest.approx(3000 / 2994)
    assert pd.isna(row["fault_side"])
    lost = fault_side(legs(BOTH[0], BOTH[1] | narrow | {"byte_out": 1000 * 32}), units=UNITS).iloc[0]
    assert (lost["fault_side"], lost["confidence"]) == ("bridge", 0.4)


def test_what_cannot_be_known_is_unknown() -> None:
    three = fault_side(legs(*BOTH, {"packet_loss_perc": 30.0}), units=UNITS).iloc[0]
    assert (three["fault_side"], three["why"]) == ("unknown", "more than two answered legs")
    measures = ("packet_cnt", "packet_loss_perc", "jitter_loss_rate", "byte_in", "byte_out", "flaw_total")
    nothing: dict[str, Any] = dict.fromkeys(measures)
    dark = fault_side(legs(BOTH[0] | nothing, BOTH[1] | nothing), units=UNITS).iloc[0]
    assert (dark["fault_side"], dark["why"]) == ("unknown", "nothing was measured")
    apart = legs(*BOTH).assign(answered_at=pd.to_datetime([BEGIN, BEGIN + timedelta(hours=1)]))
    apart["ended_at"] = apart["answered_at"] + timedelta(seconds=60)
    assert fault_side(apart, units=UNITS)["why"][0] == "the legs do not overlap"
    one = fault_side(legs({"direction": "outbound", "packet_loss_perc": 9.0}), units=UNITS).iloc[0]
    assert (one["fault_side"], one["callee_leg_id"], one["confidence"]) == ("callee_access", "a", 0.4)
    assert pd.isna(one["caller_leg_id"])


# -- engines, and a whole world


@pytest.mark.parametrize("function", [audio_flow, fault_side, lambda rows, **told: mos_audit(rows, **told).legs])
def test_duckdb_gives_the_same(function: Any) -> None:
    frame = legs(*BOTH, {"conversation_id": "CON-2", **SILENT}, {"conversation_id": "CON-3", "byte_out": None},
                 {"conversation_id": "CON-2", "packet_loss_perc": 8.0},
                 {"conversation_id": "CON-4", "answered": None})  # fmt: skip
    mine = function(frame, units=UNITS)
    by = [name for name in ("conversation_id", "leg_id", "audio") if name in mine.columns]
    same(mine, pandas_of(function(relation(frame), units=UNITS), by))


@pytest.fixture(scope="module")
def world() -> Any:
    with Sandbox(seed=7, conversations=600) as sandbox:
        yield export(Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url), rate=0)


def test_the_bad_routes_stand_out(world: Any) -> None:
    rows = quality(make_legs(world))
    judged = rows[rows["verdict"] != "unmeasured"]
    poor = (judged["verdict"] == "poor").groupby(judged["network_code"]).mean()
    assert set(poor.nlargest(2).index) == {"20810", "50501"}
    france = judged[judged["network_code"] == "20810"]
    lossy = france[france["rule"] == "loss_poor"]
    assert len(lossy) > 0
    # The world's days are whole days before the 20th of November; trouble there begins on the fifth of seven.
    assert lossy["ended_at"].min() >= pd.Timestamp("2026-11-17", tz="UTC")
    silent = judged[judged["rule"] == "no_audio"]["network_code"]
    assert silent.value_counts().index[0] == "50501"


def test_tables_and_legs_and_engines_tell_the_same_of_the_world(world: Any) -> None:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    tables = {}
    for name, frame in world.items():
        texts = {column: "str" for column, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)}
        connection.register("given", frame.astype(texts))
        connection.execute(f'create table "{name}" as select * from given')
        tables[name] = connection.table(name)
    mine = quality(world)
    same(mine, quality(make_legs(world)))
    columns = [name for name in mine.columns if not name.endswith("_at")]
    same(mine[columns], pandas_of(quality(tables), ["conversation_id", "leg_id"])[columns])
    audit = mos_audit(world)
    assert audit.units.mos_model == "freeswitch_r"
    assert audit.units.loss_unit == "percent"
    assert audit.legs["green_but_bad"].sum() > 0
    same(audio_flow(world), pandas_of(audio_flow(tables), ["conversation_id", "leg_id", "audio"]))
