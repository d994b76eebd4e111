"""Rates: published numbers, counted by hand, of nothing and of nonsense; the same on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conv_analytics import Conversations, analysis, export, open_dataset
from conv_analytics.analysis import calls, kpi, kpi_metrics, legs, short_calls
from conv_analytics.analysis.entities.calls import _NEEDED as OF_CALLS
from conv_analytics.analysis.rates.metrics import METRICS
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.sandbox import Sandbox
from tests._helpers import rate_legs
from tests._helpers.rate_legs import frame, leg, same, with_codes

#: One thousand INVITEs.
RFC_6076 = {300: 20, 200: 600, 480: 100, 486: 80, 600: 5, 603: 15, 404: 60, 408: 40, 500: 20, 503: 50, 504: 10}


def rate_of(table: Any, metric: str) -> tuple[Any, ...]:
    row = rate_legs.back(table).set_index("metric").loc[metric]
    return (int(row["k"]), int(row["n"]), float(row["rate"]))


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_rates_of_rfc_6076(kind: str) -> None:
    table = kpi(rate_legs.KINDS[kind](frame(with_codes(RFC_6076))))
    expected = {"ser": 0.612245, "seer": 0.816327, "isa": 0.12, "asr": 0.6, "ner_isa": 0.88, "ner": 0.8, "abr": 0.6}
    for metric, rate in expected.items():
        assert rate_of(table, metric)[2] == pytest.approx(rate, abs=5e-7), metric
    assert rate_of(table, "ser")[:2] == (600, 980)
    # 5xx 80, 6xx 20, 408 40.
    assert rate_of(table, "ccr")[:2] == (860, 1000)


def test_sessions_completed() -> None:
    rows = with_codes(RFC_6076)
    up = [row for row in rows if row["answered"]]
    for row in up[:20]:
        row["sip_code"] = 408
    assert rate_of(kpi(frame(rows)), "scr") == (580, 1000, 0.58)
    # The same twenty without a hangup are no failures: they are not known.
    for row in up[:20]:
        row |= {"sip_code": None, "ended_at": pd.NaT}
    table = kpi(frame(rows), metrics="scr")
    assert rate_of(table, "scr")[:2] == (580, 980)
    assert table["unknown"].tolist() == [20]
    for row in up[:20]:
        row |= {"ended_at": rate_legs.NINE, "flags": "no_hangup,no_record"}
    same(table, kpi(frame(rows), metrics="scr"))


def test_nothing_to_divide_by_is_null() -> None:
    redirected = kpi(frame(with_codes({302: 5})))
    for metric in ("ser", "seer"):
        assert np.isnan(rate_of(redirected, metric)[2])
    assert rate_of(redirected, "isa") == (0, 5, 0.0)
    assert rate_of(kpi(frame(with_codes({200: 1650, 486: 100}))), "asr")[2] == pytest.approx(0.942857, abs=5e-7)


def test_intervals_stand_beside_every_rate() -> None:
    row = kpi(frame(with_codes({200: 1650, 486: 100})), metrics="asr").iloc[0]
    assert (row["lo"], row["hi"]) == pytest.approx((0.930981, 0.952794), abs=5e-7)
    assert bool(row["enough"])
    assert not kpi(frame(with_codes({200: 29})), metrics="asr")["enough"][0]
    assert kpi(frame(with_codes({200: 29})), metrics="asr", min_n=29)["enough"][0]


def test_short_calls() -> None:
    rows = [leg(n, answered=True, talk_s=5.0 if n < 200 else 61.0, outcome="answered") for n in range(1000)]
    row = short_calls(frame(rows), bounds_s=[6]).iloc[0]
    assert (row["k"], row["n"], row["rate"]) == (200, 1000, 0.2)
    assert (row["lo"], row["hi"]) == pytest.approx((0.176377, 0.225919), abs=5e-7)
    assert row["rate"] > 0.15
    assert rate_of(kpi(frame(rows)), "short_6")[:2] == (200, 1000)
    assert rate_of(kpi(frame(rows)), "short_3")[0] == 0
    # At the bound is within; 0 s is a call that may be left out; unknown is neither.
    few = frame([leg(n, answered=True, talk_s=talk) for n, talk in enumerate([0.0, 6.0, 6.000001, None])])
    assert short_calls(few, bounds_s=[6])[["k", "n", "unknown"]].to_numpy().tolist() == [[2, 3, 1]]
    assert short_calls(few, bounds_s=[6], without_zero=True)[["k", "n"]].to_numpy().tolist() == [[1, 2]]


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_what_the_far_end_refused_was_a_seizure(kind: str) -> None:
    table = kpi(rate_legs.KINDS[kind](frame(with_codes({200: 1, 400: 1, 403: 1, 488: 1, 606: 1}))))
    # E.425: five seizures, of which one was answered, and none of the others came to the user.
    assert rate_of(table, "asr") == (1, 5, 0.2)
    assert rate_of(table, "ner") == (1, 5, 0.2)
    # Read widely the called terminal rejected two: 488 and 606.
    assert rate_of(table, "ner_terminal") == (3, 5, 0.6)
    # RFC 6076: all of them are attempts, and none is on its list but the answer.
    assert rate_of(table, "ser") == (1, 5, 0.2)
    assert rate_of(table, "seer") == (1, 5, 0.2)
    assert rate_of(table, "isa")[:2] == (0, 5)


def test_what_the_platform_kept_back_is_a_bid_but_no_seizure() -> None:
    words = ["payment_required", "banned_call_ended", "flow_failed", "forbidden", "failed", None]
    rows = with_codes({200: 6, 486: 2}) + [leg(n, reason=word, status="failed") for n, word in enumerate(words, 20)]
    table = kpi(frame(rows))
    assert rate_of(table, "asr")[:2] == (6, 11)
    assert rate_of(table, "abr")[:2] == (6, 14)
    assert rate_of(table, "ner")[:2] == (8, 11)
    # With a code somebody answered, whatever the word.
    coded = [{**row, "sip_code": 402} if row.get("reason") == "payment_required" else row for row in rows]
    assert rate_of(kpi(frame(coded)), "asr")[:2] == (6, 12)


def test_607_is_a_user_who_declines_and_no_code_of_rfc_6076() -> None:
    table = kpi(frame(with_codes({200: 1, 603: 1, 607: 1, 608: 1})))
    assert rate_of(table, "ner")[:2] == (3, 4)
    assert rate_of(table, "seer")[:2] == (2, 4)


def test_the_200_of_a_cancel_is_no_answer() -> None:
    rows = [leg(1, sip_code=200, status="cancelled"), leg(2, sip_code=200, reason_code="REMOTE_CANCEL"), leg(3)]
    table = kpi(frame(rows))
    assert rate_of(table, "asr")[:2] == (0, 3)
    assert rate_of(table, "seer_487")[:2] == (2, 3)
    assert rate_of(table, "undecided")[:2] == (1, 3)


def test_ringing_decides_408_and_487() -> None:
    rows = with_codes({200: 1, 408: 2, 487: 2})
    for number in (1, 3):
        rows[number]["ringing_at"] = rate_legs.NINE
    table = kpi(frame(rows))
    assert rate_of(table, "ner")[:2] == (3, 5)
    assert rate_of(table, "ccr")[:2] == (4, 5)
    assert rate_of(table, "seer")[:2] == (1, 5)
    assert rate_of(table, "seer_487")[:2] == (3, 5)


def test_words_stand_for_codes_that_are_missing() -> None:
    rows = [
        leg(1, reason="busy_here", status="completed"),
        leg(2, reason_code="REMOTE_NO_ANSWER", status="completed"),
        leg(3, reason="service_unavailable", sip_code=None),
        leg(4, reason="no word that is known"),
        leg(5, open=True),
        leg(6, sip_code=486, reason="service_unavailable"),
        leg(7, answered=True, sip_code=480, reason="busy", ended_at=rate_legs.NINE),
    ]
    table = kpi(frame(rows))
    assert rate_of(table, "seer")[:2] == (4, 7)
    assert rate_of(table, "isa")[:2] == (1, 7)
    assert rate_of(table, "undecided")[:2] == (2, 7)


def test_media_and_drops() -> None:
    rows = [
        leg(1, answered=True, byte_in=0, byte_out=0, ended_at=rate_legs.NINE),
        leg(2, answered=True, byte_in=0, byte_out=5, ended_at=rate_legs.NINE),
        leg(3, answered=True, byte_in=None, byte_out=5, ended_at=rate_legs.NINE, sip_code=503),
        leg(4, answered=True, byte_in=9, byte_out=9, ended_at=rate_legs.NINE, reason_code="REMOTE_FAILURE"),
        leg(5, answered=True, byte_in=9, byte_out=9),
        leg(6, sip_code=486),
    ]
    table = kpi(frame(rows)).set_index("metric")
    assert table.loc["setup_failure", ["k", "n", "unknown"]].tolist() == [1, 5, 1]
    assert table.loc["drop_failure", ["k", "n", "unknown"]].tolist() == [2, 3, 1]


def test_callers_who_gave_up() -> None:
    rows = with_codes({200: 3, 487: 1}, direction="inbound") + with_codes({487: 4})
    assert rate_of(kpi(frame(rows), scope="inbound"), "abandoned")[:2] == (1, 4)
    assert rate_of(kpi(frame(rows), scope="all"), "abandoned")[:2] == (1, 4)
    assert rate_of(kpi(frame(rows)), "abandoned")[1] == 0


def test_groups_are_sorted_and_unknown_ones_stay() -> None:
    rows = with_codes({200: 2}, country="GB") + with_codes({486: 1}, country="AT") + with_codes({404: 1})
    table = kpi(frame(rows), by="country", metrics=["ser", "asr"])
    assert table["country"].fillna("-").tolist() == ["AT", "AT", "GB", "GB", "-", "-"]
    assert table["metric"].tolist() == ["ser", "asr"] * 3
    assert table["n"].sum() == 8
    own = frame(rows).assign(carrier=["x", "y", "x", None])
    assert kpi(own, by=["carrier", "country"], metrics="asr")["n"].tolist() == [1, 1, 1, 1]


def test_hours_are_those_of_the_zone() -> None:
    instants = ["2026-11-01T23:30:00Z", "2026-11-02T00:30:00Z", None]
    table = frame([leg(n, started_at=instant) for n, instant in enumerate(instants)])
    for kind in rate_legs.KINDS.values():
        found = rate_legs.back(
            kpi(kind(table), by=["week", "day", "weekday", "hour"], metrics="abr", tz="Europe/Vienna")
        )
        assert found[["week", "day", "weekday", "hour"]].iloc[:2].to_numpy().tolist() == [
            ["2026-11-02", "2026-11-02", 0, 0],
            ["2026-11-02", "2026-11-02", 0, 1],
        ]
        assert found["n"].tolist() == [1, 1, 1]
        assert found.iloc[2][["week", "day", "weekday", "hour"]].isna().all()


def test_nothing() -> None:
    nothing = frame([])
    table = kpi(nothing)
    assert table["metric"].tolist() == [metric.name for metric in METRICS]
    assert (table["n"] == 0).all()
    assert table[["rate", "lo", "hi"]].isna().all().all()
    kinds = dict.fromkeys(["k", "n", "unknown"], "Int64") | dict.fromkeys(["rate", "lo", "hi"], "float64")
    assert table.dtypes.astype("str").to_dict() == {**kinds, "metric": "str", "enough": "boolean"}
    for kind in rate_legs.KINDS.values():
        grouped = rate_legs.back(kpi(kind(nothing), by=["country", "hour"], metrics="asr"))
        assert len(grouped) == 0
        columns = ["country", "hour", "metric", "k", "n", "rate", "lo", "hi", "unknown", "enough"]
        assert list(grouped.columns) == columns
        same(kpi(nothing), kpi(kind(nothing)))


def test_what_makes_no_sense_is_refused() -> None:
    table = frame(with_codes({200: 1}))
    for options, says in [
        ({"scope": "sideways"}, "scope='sideways' is not one of outbound"),
        ({"unit": "trunk"}, "unit='trunk'"),
        ({"metrics": "mos"}, "metrics='mos' is not one of asr"),
        ({"tz": "Mars/Olympus", "by": "hour"}, "not a time zone"),
        ({"tz": "Mars/Olympus"}, "not a time zone"),
        ({"by": ["country", "country"]}, "twice"),
        ({"min_n": 0}, "min_n=0"),
    ]:
        with pytest.raises(ConfigError, match=says):
            kpi(table, **options)
    with pytest.raises(ColumnNotFound, match="'carrier'"):
        kpi(table, by="carrier")
    with pytest.raises(ColumnNotFound, match="'sip_code'"):
        kpi(table.drop(columns="sip_code"), metrics="ser")
    with pytest.raises(ConfigError, match="one row per call"):
        kpi(calls(table))
    with pytest.raises(ConfigError, match="without a time zone"):
        kpi(table.assign(started_at=table["started_at"].dt.tz_localize(None)), by="hour")


def test_ugly_input_is_counted_all_the_same() -> None:
    rows = [
        leg(1, sip_code=-7, outcome_class=None, talk_s=float("nan"), ended_at=rate_legs.NINE - pd.Timedelta(days=9999)),
        leg(3, answered=None, sip_code=999_999, flags=None),
        leg(2, answered=True, sip_code=200, outcome_class="policy", talk_s=-5.0, started_at=None, country=""),
    ]
    table = frame(rows).sample(frac=1, random_state=1).set_axis([7, 7, 7])
    found = kpi(table)
    assert rate_of(found, "abr")[:2] == (1, 3)
    assert rate_of(found, "asr")[:2] == (1, 3)
    same(found, kpi(rate_legs.relation(table)))
    strings = table.astype({"sip_code": "str", "answered": "object"})
    same(found, kpi(strings))


CODES = st.sampled_from([200, 302, 403, 404, 408, 480, 486, 487, 488, 500, 502, 503, 504, 600, 603, None])
LEG = st.fixed_dictionaries({
    "sip_code": CODES,
    "answered": st.sampled_from([True, False, None]),
    "ended_at": st.sampled_from([rate_legs.NINE, None]),
    "ringing_at": st.sampled_from([rate_legs.NINE, None]),
    "outcome_class": st.sampled_from(["success", "policy", "platform", "user", None]),
    "reason": st.sampled_from(["failed", "busy", "gone", None]),
    "flags": st.sampled_from(["", "no_hangup", None]),
    "talk_s": st.sampled_from([0.0, 3.0, 59.9, None]),
    "byte_in": st.sampled_from([0, 10, None]),
    "byte_out": st.sampled_from([0, 10, None]),
})  # fmt: skip


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LEG, max_size=20))
def test_what_must_hold_for_all_legs(rows: list[dict[str, Any]]) -> None:
    table = frame([leg(number, **row) for number, row in enumerate(rows)])
    found = kpi(table)
    same(found, kpi(rate_legs.relation(table)))
    # A part is never more than its whole, nor outside its interval.
    assert (found["k"] <= found["n"]).all()
    known = found[found["n"] > 0]
    assert ((known["lo"] <= known["rate"]) & (known["rate"] <= known["hi"])).all()
    assert found["rate"].isna().eq(found["n"] == 0).all()
    rate = found.set_index("metric")["rate"].fillna(-1)
    assert rate["abr"] <= rate["asr"] or rate["asr"] == -1
    assert rate["ser"] <= rate["seer"] <= rate["seer_487"]
    assert rate["scr"] <= rate["ser"] or -1 in {rate["scr"], rate["ser"]}
    assert rate["abr"] <= rate["ccr"]
    shorts = [rate[f"short_{bound}"] for bound in (3, 6, 10, 20, 60)]
    assert shorts == sorted(shorts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rates")
    with Sandbox(conversations=60) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, path, rate=0)
    return path


@pytest.mark.slow
def test_a_dataset_gives_what_its_legs_give(folder: Path) -> None:
    data = open_dataset(folder)
    by = ["country", "weekday"]
    whole = kpi(data, by=by, scope="all", tz="Europe/London")
    assert isinstance(whole, pd.DataFrame)
    same(whole, kpi(legs(data), by=by, scope="all", tz="Europe/London"))
    with data.duckdb() as connection:
        same(whole, kpi(connection, by=by, scope="all", tz="Europe/London"))
    assert whole[whole["metric"] == "abr"]["n"].sum() == len(legs(data))


@pytest.mark.slow
def test_calls_are_no_legs(folder: Path) -> None:
    data = open_dataset(folder)
    of_calls = kpi(data, unit="call", scope="all")
    same(of_calls, kpi(calls(data), unit="call", scope="all"))
    same(of_calls, kpi(legs(data), unit="call", scope="all"))
    assert rate_of(of_calls, "abr")[1] == len(calls(data)) < len(legs(data))
    assert rate_of(of_calls, "abr")[0] == (calls(data)["outcome"] == "answered").sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kpi", {"unit": "call", "scope": "all", "metrics": ["asr", "ner", "drop_failure"]}),
        ("service_level", {"unit": "call", "scope": "all"}),
        ("busy_hour", {"unit": "call"}),
        ("containment", {}),
        ("redials", {}),
    ],
)
def test_calls_of_legs_that_lack_a_column_are_the_same_or_an_error(
    folder: Path, name: str, options: dict[str, Any]
) -> None:
    whole = legs(open_dataset(folder))
    # Columns of redials that only repeat those of the calls are null where these lack them.
    shown = ["conversation_id", "redialled", "gap_s", "reversed"] if name == "redials" else slice(None)
    ask = getattr(analysis, name)
    expected = ask(whole, **options).loc[:, shown]
    read, found = {"conversation_id", *OF_CALLS}, None
    while found is None:
        try:
            found = ask(whole[[column for column in whole if column in read]], **options).loc[:, shown]
        except ColumnNotFound as error:
            read.add(error.column)
    # None of the others is read, so each of those that are is left out.
    same(found, expected)
    refused = {"leg_id"}  # Without it a frame may be one of calls.
    for column in sorted(read & set(whole) - refused):
        try:
            found = ask(whole.drop(columns=column), **options).loc[:, shown]
        except ColumnNotFound:
            refused.add(column)
        else:
            same(found, expected)
    assert refused >= {"conversation_id", "started_at", "answered_at", "ended_at", "answered", "open", "direction"}


def test_calls_have_no_columns_of_legs_to_group_by() -> None:
    legs_of_calls = frame([leg(1, answered_at=None, ended_at=None, outcome="busy")]).assign(team="a")
    with pytest.raises(ColumnNotFound, match="team"):
        kpi(legs_of_calls, unit="call", by="team")


def test_every_metric_says_what_it_is() -> None:
    table = kpi_metrics()
    assert table["metric"].is_unique
    assert (table[["k", "n", "meaning", "source"]] != "").all().all()
