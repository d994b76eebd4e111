"""What `findings` gives, on every engine, and what it says; whether it finds what is there is asked in test_worlds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conv_analytics.analysis import findings, legs
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.problems import sample, sentences
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Kind
from conv_analytics.analysis.problems.groupings import GROUPINGS, Groups
from conv_analytics.analysis.problems.kinds.registry import KINDS
from conv_analytics.analysis.problems.observations import NO_INSTANT
from conv_analytics.analysis.problems.problem import LOOKED_AT_DTYPES, PROBLEM_DTYPES, Findings
from conv_analytics.analysis.problems.reading import read_observations
from conv_analytics.errors import ConfigError
from conv_analytics.instants import micros
from tests._helpers.leg_tables import relations
from tests._helpers.worlds import make


@cache
def tables() -> dict[str, pd.DataFrame]:
    made: dict[str, pd.DataFrame] = make("caller_503", 0).tables
    return made


@cache
def found() -> Findings:
    return findings(tables())


def test_the_columns_are_declared() -> None:
    problems, looked_at = found().problems, found().looked_at
    assert {name: str(kind) for name, kind in problems.dtypes.items()} == dict(PROBLEM_DTYPES)
    assert {name: str(kind) for name, kind in looked_at.dtypes.items()} == dict(LOOKED_AT_DTYPES)


def test_a_problem_says_who_since_when_how_many_and_what_to_do() -> None:
    cause = make("caller_503", 0).cause
    one = found().problem(1)
    assert cause is not None
    assert (one.kind, one.case, one.side) == ("change", "failed", "caller")
    assert list(one.keys) == ["from_address"]
    assert one.keys["from_address"] in one.what
    assert "SIP 503" in one.what
    assert abs(one.excess - cause.excess) < 0.2 * cause.excess
    assert one.lo < one.rate < one.hi
    assert one.q <= 0.05
    assert one.sure
    assert one.since is not None
    assert one.until is None
    assert one.conversation_id in set(tables()["hangups"]["conversation_id"])
    assert 1 <= len(one.leg_ids) <= 5
    assert all((one.advice, one.compared_with, one.ruled_out, one.python))


def test_the_call_that_it_names_shows_the_group() -> None:
    from conv_analytics import analysis

    one = found().problem(1)
    names = {name: getattr(analysis, name) for name in analysis.__all__}
    table = eval(one.python, names, {"data": tables()})
    assert one.keys["from_address"] in set(table["from_address"])


def test_the_call_that_it_names_is_on_the_same_clock() -> None:
    from conv_analytics import analysis

    data = make("hour_network", 0).tables
    problems = findings(data, tz="Asia/Tokyo").problems
    one = next(row for row in problems.itertuples() if '"hour"' in row.keys)
    first, last = map(int, json.loads(one.keys)["hour"].split("-"))
    table = eval(one.python, {name: getattr(analysis, name) for name in analysis.__all__}, {"data": data})
    assert first <= table["hour"].iloc[0] < last
    assert "tz=" not in "".join(findings(data).problems["python"])


@pytest.mark.slow
def test_every_engine_names_the_same() -> None:
    import polars as pl

    expected = found().problems
    kinds: dict[str, Any] = {
        "relations": relations(tables()),
        "polars": {name: pl.from_pandas(frame) for name, frame in tables().items()},
        "legs": legs(tables()),
    }
    for kind, data in kinds.items():
        given = findings(data).problems
        given = given.df() if hasattr(given, "df") else given.to_pandas() if hasattr(given, "to_pandas") else given
        for name in ("kind", "case", "keys", "k", "n", "what", "same_calls", "leg_ids"):
            assert given[name].tolist() == expected[name].tolist(), (kind, name)
        assert np.allclose(given["excess"].astype(float), expected["excess"]), kind


@pytest.mark.slow
def test_of_very_many_calls_some_are_searched_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = make("country_blocked", 0)
    assert planted.cause is not None
    whole = findings(planted.tables).problem(1)
    monkeypatch.setattr(sample, "LARGE", len(planted.world.legs) // 2)
    some = findings(planted.tables).problem(1)
    assert (some.keys, some.k, some.n) == (whole.keys, whole.k, whole.n)
    assert abs(some.excess - planted.cause.excess) < 0.1 * planted.cause.excess


def test_the_same_conversations_are_searched_whatever_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "LARGE", 1_000)
    rows = legs(tables())
    chosen = []
    for frame in (rows, rows.sample(frac=1, random_state=1)):
        seen = read_observations(Source.of(frame), since=None, until=None, tz="UTC", profile="recommended", units=None)
        drawn = sample.sampled_legs(seen)
        assert drawn is not None
        ids, codes = seen.texts["conversation_id"].labels, seen.texts["conversation_id"].codes
        chosen.append({ids[int(code)] for code in codes[drawn]})
        # Whole conversations.
        assert not {ids[int(code)] for code in codes[~drawn]} & chosen[-1]
        assert 700 < drawn.sum() < 1_300
    assert chosen[0] == chosen[1]


def test_a_number_that_nobody_calls_has_missing_calls() -> None:
    planted = make("volume_drop", 20)
    assert planted.cause is not None
    named = findings(planted.tables)
    one = named.problem(1)
    assert one.kind == "volume"
    assert "calls are missing" in one.what
    assert "missing calls" in named._repr_html_()
    assert abs(one.excess - planted.cause.excess) < 0.35 * planted.cause.excess


def test_calls_at_the_same_time_of_every_day_have_no_moved_schedule() -> None:
    days = [pd.Timestamp(f"2026-11-{day:02d}T09:00:00Z") for day in range(2, 14) for _ in range(10)]
    rows = legs(make("clean:few_calls", 0).tables)
    rows = rows[rows["direction"] == "outbound"].head(len(days))
    assert len(rows) > 100
    same = rows.assign(started_at=pd.Series(days[: len(rows)], index=rows.index).dt.as_unit("us"), from_address="44201")
    assert "schedule_shift" not in set(findings(same).problems["kind"])


def test_one_night_is_enough_for_what_is_plainly_bad() -> None:
    rows = legs(make("clean:one_night", 0).tables)
    network = rows.loc[rows["answered"], "network_code"].value_counts().index[1]
    hit = (rows["network_code"] == network) & rows["answered"]
    poor = rows.assign(jitter_max_var=rows["jitter_max_var"].mask(hit, 50.0**2))
    assert json.loads(findings(poor).problems["keys"].iloc[0]) == {"network_code": network}


def test_a_shorter_time_has_fewer_calls() -> None:
    since = found().problem(1).since
    assert since is not None
    before = findings(tables(), until=since).problems
    assert found().problem(1).keys not in [json.loads(keys) for keys in before["keys"]]


def _with_wrong_clocks(rows: pd.DataFrame) -> pd.DataFrame:
    """The legs, and two more: one of 1970, and one of a year ahead."""
    more = rows[rows["answered"] & (rows["direction"] == "outbound") & (rows["channel_type"] == "phone")].tail(2)
    starts = pd.to_datetime(["1970-01-01T00:00:10Z", "2027-11-20T10:00:00Z"], utc=True).as_unit("us")
    shift = pd.Series(starts, index=more.index) - more["started_at"]
    more = more.assign(
        conversation_id=["CON-early", "CON-late"], leg_id=["early", "late"],
        **{name: more[name] + shift for name in ("started_at", "answered_at", "ended_at")},
    )  # fmt: skip
    return pd.concat([rows, more], ignore_index=True)


def _rare_long_calls(rows: pd.DataFrame) -> pd.DataFrame:
    """The legs, of which 26 on eleven days are long calls to a destination that is called otherwise by nobody."""
    outbound = rows[rows["answered"] & (rows["direction"] == "outbound") & (rows["channel_type"] == "phone")]
    days = outbound["started_at"].dt.floor("D")
    some = outbound[days.isin(sorted(days.unique())[:11])]
    some = some.groupby(some["started_at"].dt.floor("D")).head(3).index[:26]
    number = pd.Series([f"37120{place:06d}" for place in range(len(some))], index=some)
    lasted = pd.Series(np.linspace(1000.0, 4000.0, len(some)), index=some)
    rows = rows.assign(talk_s=lasted.reindex(rows.index).fillna(rows["talk_s"]))
    for name in ("to_address", "remote_address"):
        rows[name] = number.reindex(rows.index).fillna(rows[name])
    return rows.assign(country=rows["country"].where(~rows.index.isin(some), "LV"))


@pytest.mark.parametrize("kind", ["carrier_outage", "caller_503", "rare"])
def test_wrong_clocks_change_no_problem(kind: str) -> None:
    rows = legs(make("clean:contact_centre" if kind == "rare" else kind, 0).tables)
    rows = _rare_long_calls(rows) if kind == "rare" else rows
    names = ["kind", "case", "keys", "since", "until", "k"]
    expected, given = findings(rows), findings(_with_wrong_clocks(rows))
    pd.testing.assert_frame_equal(given.problems[names], expected.problems[names])
    counted = given.looked_at.query("kind == 'wrong_clock'")
    assert counted["calls"].tolist() == [2]
    assert "wrong_clock" not in set(expected.looked_at["kind"])


@pytest.mark.parametrize("kind", ["pandas", "duckdb"])
def test_a_leg_that_a_frame_has_twice_counts_once(kind: str) -> None:
    rows = legs(tables())
    twice = pd.concat([rows, rows.head(1_000)], ignore_index=True)
    given: Any = twice if kind == "pandas" else relations({"legs": twice})["legs"]
    expected, found_ = found().problem(1), findings(given).problem(1)
    assert (found_.keys, found_.since, found_.k, found_.n) == (expected.keys, expected.since, expected.k, expected.n)
    nameless = twice.assign(leg_id=twice["leg_id"].mask(twice.index < 100))
    seen = read_observations(Source.of(nameless), since=None, until=None, tz="UTC", profile="recommended", units=None)
    assert len(seen) == len(rows) + 100


def test_the_ends_of_the_calendar_are_written() -> None:
    seen = read_observations(Source.of(tables()), since=None, until=None, tz="UTC", profile="recommended", units=None)
    case = next(each for kind in KINDS for each in kind.cases(seen, Groups(seen)) if each.name == "failed")
    rows = np.arange(10)
    first, last = (micros(end) for end in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
    one = Candidate(case, (), (), rows, rows, 5.0, 10.0, 1.0, 9.0, 1.0, since_us=first, until_us=last)
    assert "since 0001-01-01 00:00 (UTC), until 9999-12-31 23:59 (UTC)." in sentences.what(one, seen, "UTC")
    assert "until 10000-01-01 13:59 (Pacific/Kiritimati)." in sentences.what(one, seen, "Pacific/Kiritimati")
    assert ", since 0000-12-31 " in sentences.what(one, seen, "America/Lima")


def test_ids_that_end_alike_are_sampled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "LARGE", 1_000)
    rows = legs(tables())
    alike = rows.assign(conversation_id=rows["conversation_id"] + "-production")
    seen = read_observations(Source.of(alike), since=None, until=None, tz="UTC", profile="recommended", units=None)
    drawn = sample.sampled_legs(seen)
    assert drawn is not None
    assert 700 < drawn.sum() < 1_300


def test_windows_of_a_sample_have_no_calls_of_unknown_time() -> None:
    rows = legs(tables())
    at = rows["started_at"].mask(rows.index % 10 == 0)
    seen = read_observations(
        Source.of(rows.assign(started_at=at)), since=None, until=None, tz="UTC", profile="recommended", units=None
    )
    groups = Groups(seen)
    case = next(each for kind in KINDS for each in kind.cases(seen, groups) if each.name == "failed")
    everything = np.arange(len(seen))
    for window in ({"until_us": int(seen.started_us.max())}, {"hours": (0, 23)}):
        found = Candidate(case, (), (), everything, everything[:0], 0.0, 1.0, 0.0, 1.0, 1.0, **window)
        counted = sample.with_all_calls(found, everything, groups, 1.0)
        assert (seen.started_us[counted.rows] != NO_INSTANT).all()


def test_options_are_checked() -> None:
    for options in (
        {"fdr": 0.0},
        {"min_excess": 0},
        {"limit": 0},
        {"since": pd.Timestamp("2026-11-01").to_pydatetime()},
    ):
        with pytest.raises(ConfigError):
            findings(tables(), **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no problem 99"):
        found().problem(99)


def test_nothing_to_look_at_is_no_problem() -> None:
    nothing = findings({name: frame.head(0) for name, frame in tables().items()})
    assert len(nothing) == 0
    assert nothing.looked_at["why_not"].str.len().gt(0).all()
    assert "no problem" in repr(nothing)
    assert "No problem" in nothing._repr_html_()


def test_what_is_shown_is_escaped() -> None:
    rows = legs(tables())
    number = found().problem(1).keys["from_address"]
    hostile = rows.assign(from_address=rows["from_address"].replace(number, "<img src=x>\nforged"))
    shown = findings(hostile)
    assert "&lt;img" in shown._repr_html_()
    assert "<img" not in shown._repr_html_()
    assert len(repr(shown).splitlines()) == len(shown) + 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_declares_what_it_needs_and_asks_only_known_groupings(kind: Kind) -> None:
    seen = read_observations(Source.of(tables()), since=None, until=None, tz="UTC", profile="recommended", units=None)
    groups = Groups(seen)
    assert kind.title
    assert set(kind.needs) <= {*seen.texts, *seen.numbers, *seen.flags}
    for case in kind.cases(seen, groups):
        assert set(case.by) <= set(GROUPINGS)
        assert case.bad.shape == case.known.shape == (len(seen),)
        assert case.advice.endswith(".")
        assert case.calls
    for candidate in kind.candidates(seen, groups, 5.0):
        assert np.isin(candidate.bad, candidate.rows).all()


def test_legs_that_ring_together_are_one_attempt() -> None:
    at = pd.Timestamp("2026-11-02T09:00:00Z")
    ringing = {"direction": "outbound", "channel_type": "app", "answered": False, "started_at": at,
               "ended_at": at + pd.Timedelta(seconds=20)}  # fmt: skip
    three = [ringing | {"leg_id": name, "to_address": name} for name in "abc"]
    three[1] |= {"answered": True, "answered_at": at + pd.Timedelta(seconds=8)}
    later = ringing | {
        "leg_id": "d",
        "started_at": at + pd.Timedelta(minutes=5),
        "ended_at": at + pd.Timedelta(minutes=6),
    }
    frame = pd.DataFrame([*three, later]).assign(conversation_id="CON-1")
    for name in ("started_at", "ended_at", "answered_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    for name in ("hangup_event_id", "flaw_total", "packet_cnt", "byte_in", "byte_out"):
        frame[name] = pd.array([None] * 4, "Int64")
    for name in ("talk_s", "mos_score", "quality_percentage", "jitter_min_var", "jitter_max_var", "jitter_loss_rate",
                 "packet_loss_perc"):  # fmt: skip
        frame[name] = np.nan
    seen = read_observations(Source.of(frame), since=None, until=None, tz="UTC", profile="recommended", units=None)
    attempts = dict(
        zip((seen.texts["leg_id"].labels[code] for code in seen.texts["leg_id"].codes), seen.attempt, strict=True)
    )
    assert attempts["a"] == attempts["b"] == attempts["c"] != attempts["d"]
