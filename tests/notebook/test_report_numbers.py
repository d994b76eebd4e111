"""The numbers of a report, against hand-made legs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from conv_analytics.analysis import detect_units, wilson
from conv_analytics.errors import ConfigError
from conv_analytics.notebook.report import quality_report
from conv_analytics.notebook.report.numbers import Numbers, Rate, Values
from conv_analytics.notebook.report.period import period_of
from conv_analytics.notebook.report.pictures import sections
from tests._helpers import report_legs as made
from tests._helpers.drawn_conversations import instants

pytestmark = pytest.mark.slow


def rate_of(numbers: Numbers, name: str) -> Rate:
    figure = numbers.figure(name)
    assert figure is not None
    assert isinstance(figure.now, Rate)
    return figure.now


def values_of(numbers: Numbers, name: str) -> Values:
    figure = numbers.figure(name)
    assert figure is not None
    assert isinstance(figure.now, Values)
    return figure.now


def test_counts_are_those_of_the_legs() -> None:
    numbers = quality_report(made.week(), tz="Europe/London").numbers
    assert (numbers.legs, numbers.conversations) == (150, 150)
    answered, poor = rate_of(numbers, "answered"), rate_of(numbers, "poor")
    assert (answered.k, answered.n) == (120, 150)
    assert (poor.k, poor.n, poor.unknown) == (60, 120, 30)
    lo, hi = wilson(60, 120)
    assert (poor.lo, poor.hi) == (float(lo), float(hi))
    assert values_of(numbers, "pdd").p50 == 2.0
    assert (values_of(numbers, "loss").n, values_of(numbers, "loss").of) == (120, 120)
    assert values_of(numbers, "loss").p50 == pytest.approx(4.25)
    assert numbers.verdict == "poor"
    assert "50.0 % of 120 measured legs" in numbers.sentence


def test_a_mixture_of_units_is_no_verdict_and_the_first_sentence_says_so() -> None:
    """Nine of ten losses as fractions: as percents, 1 of 10 poor legs would be left, and calls would be good."""
    legs = made.week()
    mixed = legs.assign(packet_loss_perc=legs["packet_loss_perc"].where(legs.index % 20 < 2, lambda loss: loss / 100))
    report = quality_report(mixed)
    numbers = report.numbers
    assert numbers.verdict == "unmeasured"
    assert numbers.sentence.startswith(
        "No verdict on audio quality: The unit of packet_loss_perc is not known (mixed: "
    )
    assert "say loss_unit: percent, fraction or count" in numbers.sentence
    assert "No verdict on audio quality: The unit of packet_loss_perc" in report.html
    assert (rate_of(numbers, "poor").n, rate_of(numbers, "measured").k) == (0, 0)
    assert [each.broken for each in report.judge("poor>3%", "loss_p95>5")] == [None, None]
    told = quality_report(legs, units=detect_units(legs, loss_unit="percent")).numbers
    assert (told.verdict, rate_of(told, "poor").k) == ("poor", 60)


def test_what_was_decided_and_what_was_assumed_stands_on_the_page() -> None:
    legs = made.week()
    odd = legs.assign(mos_score=legs["mos_score"].where(legs.index > 0, 687268.9))
    report = quality_report(odd)
    units = {each.what: each for each in report.numbers.method.units}
    assert (units["mos_scale"].decided, units["mos_scale"].odd) == ("1", 1)
    assert (units["loss_unit"].decided, units["loss_unit"].assumed) == ("percent", False)
    assert units["jitter_unit"].assumed
    for words in (
        "119 of 120 scores lie in 1 to 5",
        "120 of 120 losses agree with their flaws as percent",
        "ms2 (assumed, as FreeSWITCH counts: of 120 values 0 as variances and 120 as deviations would be above 30 ms",
    ):
        assert words in report.html
    assert any(line.startswith("jitter_max_var is read as ms2: assumed") for line in report.numbers.details)
    assert report.numbers.verdict == "poor"
    # Scores decide nothing in this rulebook, but that they are not read is said at once.
    unknown = quality_report(legs.assign(mos_score=70.0)).numbers
    assert unknown.verdict == "poor"
    assert unknown.sentence.endswith("say mos_scale: 1, 10 or 100.")
    assert quality_report(legs.assign(mos_score=70.0), profile="genesys").numbers.verdict == "unmeasured"


def test_days_are_those_of_the_zone_and_have_the_hours_that_there_were() -> None:
    numbers = quality_report(made.week(), since="2026-03-27", until="2026-03-30", tz="Europe/London").numbers
    assert [(slot.label, slot.hours, slot.legs) for slot in numbers.trend] == [
        ("2026-03-27", 24.0, 50),
        ("2026-03-28", 24.0, 50),
        ("2026-03-29", 23.0, 50),
    ]
    assert (numbers.since, numbers.until) == ("2026-03-27T00:00:00+00:00", "2026-03-30T00:00:00+01:00")
    assert sum(cell.legs for cell in numbers.week) == 150
    missing = next(cell for cell in numbers.week if (cell.weekday, cell.hour) == (6, 1))
    assert (missing.hours, missing.per_hour) == (0.0, None)


@pytest.mark.parametrize(
    ("tz", "day", "hours"),
    [
        ("Europe/London", "2026-03-29", 23.0),
        ("Europe/London", "2026-10-25", 25.0),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Kolkata", "2026-03-29", 24.0),
        ("Africa/Cairo", "2026-04-24", 23.0),  # midnight itself is skipped there
    ],
)
def test_a_day_begins_and_ends_at_its_own_midnights(tz: str, day: str, hours: float) -> None:
    nights = pd.date_range(f"{day}T00:00", periods=2, freq="D").strftime("%Y-%m-%d")
    period = period_of(nights[0], nights[1], tz)
    assert period.since is not None
    assert period.until is not None
    assert (period.until - period.since).total_seconds() / 3600 == hours


@pytest.mark.parametrize(
    ("tz", "since", "until", "hours"),
    [
        ("Australia/Lord_Howe", "2026-04-04T23:20+11:00", "2026-04-05T03:10+10:30",
         {"04 23:00+11:00": 1, "05 00:00+11:00": 1, "05 01:00+11:00": 1.5, "05 02:00+10:30": 1, "05 03:00+10:30": 1}),
        ("Australia/Lord_Howe", "2026-04-05T01:45+10:30", "2026-04-05T02:10+10:30",
         {"05 01:00+11:00": 1.5, "05 02:00+10:30": 1}),
        ("Australia/Lord_Howe", "2026-10-04T01:20+10:30", "2026-10-04T04:00+11:00",
         {"04 01:00+10:30": 1, "04 02:30+11:00": 0.5, "04 03:00+11:00": 1}),
        ("Europe/London", "2026-10-25T00:30+01:00", "2026-10-25T02:30+00:00",
         {"25 00:00+01:00": 1, "25 01:00+01:00": 1, "25 01:00+00:00": 1, "25 02:00+00:00": 1}),
        ("Europe/London", "2026-03-29T00:30+00:00", "2026-03-29T02:30+01:00",
         {"29 00:00+00:00": 1, "29 02:00+01:00": 1}),
        ("Asia/Kathmandu", "2026-03-29T00:30+05:45", "2026-03-29T02:00+05:45",
         {"29 00:00+05:45": 1, "29 01:00+05:45": 1}),
    ],
)  # fmt: skip
def test_hours_of_a_trend_are_those_of_the_clock(tz: str, since: str, until: str, hours: dict[str, float]) -> None:
    """A leg each quarter of an hour."""
    first, last = (pd.Timestamp(at).tz_convert("UTC") for at in (since, until))
    rows = [made.call(number, at) for number, at in enumerate(pd.date_range(first.ceil("15min"), last, freq="15min"))]
    numbers = quality_report(made.legs(rows), since=since, until=until, tz=tz).numbers
    assert {slot.label[8:]: slot.hours for slot in numbers.trend} == hours
    covered = (last - first).total_seconds() / 3600
    assert sum(slot.covered_hours for slot in numbers.trend) == pytest.approx(covered, abs=0.01)
    inside = [slot for slot in numbers.trend if slot.covered_hours == slot.hours]
    assert [slot.legs for slot in inside] == [4 * slot.hours for slot in inside]
    assert sum(cell.hours for cell in numbers.week) == pytest.approx(covered)


def test_a_leg_at_midnight_is_of_the_day_that_begins() -> None:
    edges = ["2026-03-28T23:59:59.999999", "2026-03-29T00:00:00", "2026-03-29T22:59:59.999999", "2026-03-29T23:00:00"]
    rows = [made.call(number, pd.Timestamp(at, tz="UTC")) for number, at in enumerate(edges)]
    assert quality_report(made.legs(rows), since="2026-03-29", until="2026-03-30", tz="Europe/London").numbers.legs == 2


def test_the_period_before_is_as_many_days() -> None:
    numbers = quality_report(made.week(), since="2026-03-28", until="2026-03-29", tz="Europe/London").numbers
    assert numbers.before == "2026-03-27T00:00:00+00:00"
    figure = numbers.figure("poor")
    assert figure is not None
    assert figure.change is not None
    assert (figure.change.by, figure.change.clear) == (0.0, False)
    assert "No key figure differs from the period before by more than chance." in numbers.details


@pytest.mark.parametrize(
    ("tz", "since", "until", "before"),
    [
        ("America/Santiago", "2026-09-06", "2026-09-07", "2026-09-05"),
        ("America/Santiago", "2026-09-06", "2026-09-13", "2026-08-30"),
        ("Asia/Beirut", "2026-03-29", "2026-03-30", "2026-03-28"),
        ("Africa/Cairo", "2026-04-24", "2026-05-01", "2026-04-17"),
        ("Europe/London", "2026-03-29", "2026-03-30", "2026-03-28"),
    ],
)
def test_whole_days_whose_midnight_clocks_skip_are_compared_with_whole_days(
    tz: str, since: str, until: str, before: str
) -> None:
    expected = datetime.fromisoformat(before).replace(tzinfo=ZoneInfo(tz)).astimezone(UTC)
    assert period_of(since, until, tz).before == expected


@pytest.mark.parametrize("tz", ["UTC", "America/New_York"])
def test_clocks_that_are_wrong_by_thousands_of_years_lose_no_leg(tz: str) -> None:
    instants = ["0001-01-01T00:00Z", "2026-03-02T10:00Z", "2026-03-03T10:00Z", "9999-12-31T23:59Z"]
    rows = made.legs([made.call(n, pd.Timestamp("2026-03-02T10:00Z")) for n in range(4)])
    at = pd.Series([datetime.fromisoformat(text) for text in instants]).astype("datetime64[us, UTC]")
    numbers = quality_report(rows.assign(started_at=at.to_numpy()), tz=tz).numbers
    assert (numbers.legs, numbers.unit, len(numbers.trend)) == (4, "year", 9_999)
    assert sum(slot.legs for slot in numbers.trend) == 4
    assert numbers.before is None


@pytest.mark.parametrize("tz", ["America/New_York", "Pacific/Auckland"])
def test_the_worst_legs_of_wrong_clocks_have_a_start(tz: str) -> None:
    rows = made.legs([made.call(n, quality=made.POOR) for n in range(2)])
    rows["started_at"] = instants("0001-01-01T00:00Z", "9999-12-31T23:59Z")
    worst = quality_report(rows, tz=tz).numbers.worst
    assert sorted(leg.started_at[:4] for leg in worst) == ["0001", "9999"]


def test_the_first_and_the_last_day_of_all_are_periods() -> None:
    for first, last in ((date(1, 1, 1), date(1, 1, 2)), (date(9999, 12, 30), date(9999, 12, 31))):
        for tz in ("UTC", "America/New_York", "Pacific/Auckland"):
            period = period_of(first, last, tz)
            starts = period.slots()
            assert period.since is not None
            assert period.until is not None
            assert starts[0] <= period.since < period.until <= starts[-1]


def test_a_change_is_told_only_when_chance_does_not_explain_it() -> None:
    rows = [made.call(n, pd.Timestamp("2026-03-02T10:00Z")) for n in range(40)]
    rows += [made.call(n, pd.Timestamp("2026-03-03T10:00Z"), quality=made.POOR) for n in range(40, 80)]
    numbers = quality_report(made.legs(rows), since=date(2026, 3, 3), until=date(2026, 3, 4)).numbers
    assert "Poor audio: up 100.0 points from the period before (worse)." in numbers.details


def test_the_worst_legs_tell_their_reason_and_their_command() -> None:
    numbers = made.week_report().numbers
    assert len(numbers.worst) == 50
    assert numbers.poor_legs == 60
    first = numbers.worst[0]
    assert first.why == "packet loss 8.00 % (limit 5 %)"
    assert first.command == f"conv-analytics timeline DEST {first.conversation_id} -o timeline.html"


def test_people_are_masked_unless_asked_for() -> None:
    masked, shown = (quality_report(made.week(), mask=mask) for mask in (True, False))
    assert "447700900123" not in masked.json
    assert "447700900123" not in masked.html
    assert "447700900123" in shown.json
    assert "UNMASKED" in shown.html
    assert "UNMASKED" not in masked.html


def test_codes_are_told_in_words() -> None:
    codes = made.week_report().numbers.codes
    assert [(code.code, code.meaning, code.n, code.share.n) for code in codes] == [(486, "busy", 30, 150)]


def test_attempts_that_are_still_open_did_not_end_with_a_code() -> None:
    rows = [made.missed(n, ended_at=made.START) for n in range(3)]
    nothing = {"sip_code": None, "outcome": "unknown", "outcome_class": "unknown"}
    rows += [made.missed(n, **nothing, open=True) for n in range(3, 7)]
    # A leg that failed, and one that ended without a code, are not open, whatever else is unknown of them.
    rows += [made.missed(7, **nothing, open=True, status="failed"), made.missed(8, **nothing)]
    report = quality_report(made.legs(rows))
    numbers = report.numbers
    assert sorted((code.code or 0, code.meaning, code.n, code.share.n) for code in numbers.codes) == [
        (0, "it failed", 1, 9), (0, "neither code nor reason", 1, 9), (486, "busy", 3, 9),
    ]  # fmt: skip
    assert numbers.open_attempts == 4
    assert "without 4 attempts whose end is not known" in report.html
    assert "whose end is not known" not in made.week_report().html


def test_a_rate_per_hour_is_of_the_hours_in_the_period() -> None:
    """Two legs an hour, from 18:00 on the first day until 09:00 on the fourth."""
    start = pd.Timestamp("2026-03-02T18:00Z")
    rows = [made.call(n, start + pd.Timedelta(minutes=30 * n)) for n in range(126)]
    report = quality_report(made.legs(rows), since=start.to_pydatetime(), until=datetime(2026, 3, 5, 9, tzinfo=UTC))
    numbers = report.numbers
    assert [(slot.hours, slot.covered_hours, slot.legs) for slot in numbers.trend] == [
        (24.0, 6.0, 12), (24.0, 24.0, 48), (24.0, 24.0, 48), (24.0, 9.0, 18),
    ]  # fmt: skip
    (chart,) = (chart for section in sections(numbers) for chart in section.charts if chart.title == "Legs per hour")
    assert chart.picture.count(": 2, ") == 4
    assert [row[1] for row in chart.rows] == ["6", "24", "24", "9"]
    assert "Clocks change" not in report.html


def test_a_moment_of_a_day_has_no_rate_per_hour() -> None:
    rows = [made.call(n, pd.Timestamp("2026-03-02T00:00Z") + pd.Timedelta(hours=n)) for n in range(73)]
    numbers = quality_report(made.legs(rows)).numbers
    assert [(slot.covered_hours, slot.legs) for slot in numbers.trend] == [(24.0, 24), (24.0, 24), (24.0, 24), (0.0, 1)]
    (chart,) = (chart for section in sections(numbers) for chart in section.charts if chart.title == "Legs per hour")
    assert chart.picture.count(": 1, ") == 3


def test_no_data_is_no_verdict() -> None:
    empty: list[object] = [{}, made.week().iloc[:0]]
    for data in empty:
        numbers = quality_report(data).numbers
        assert (numbers.legs, numbers.verdict, numbers.trend, numbers.worst) == (0, "empty", (), ())
        assert "There are no calls" in quality_report(data).html
    later = quality_report(made.week(), since="2027-01-01", until="2027-01-02").numbers
    assert (later.legs, later.verdict) == (0, "empty")


def test_one_leg_is_shown_and_not_judged() -> None:
    numbers = quality_report(made.legs([made.call(1, quality=made.POOR)])).numbers
    assert (numbers.legs, numbers.verdict) == (1, "unclear")
    assert numbers.sentence.startswith("Too few measured legs for a verdict")
    assert values_of(numbers, "loss").p5 is None


@pytest.mark.parametrize(
    "told", [dict.fromkeys(made.GOOD), {**made.GOOD, "packet_cnt": 0, "flaw_total": 0, "byte_in": None}]
)
def test_what_was_not_measured_is_never_good(told: dict[str, object]) -> None:
    report = quality_report(made.legs([made.call(number, quality=told) for number in range(60)]))
    assert report.numbers.verdict == "unmeasured"
    assert "No verdict" in report.html
    measured = rate_of(report.numbers, "measured")
    assert (measured.k, measured.n) == (0, 60)


def test_mostly_unmeasured_is_no_verdict() -> None:
    rows = [made.call(n) for n in range(40)] + [made.call(n, quality=dict.fromkeys(made.GOOD)) for n in range(40, 100)]
    numbers = quality_report(made.legs(rows)).numbers
    assert numbers.sentence.startswith("No verdict on audio quality: 60 % of the answered legs were not measured.")


def test_legs_without_a_start_are_counted() -> None:
    rows = [made.call(1), made.call(2, started_at=None)]
    whole = quality_report(made.legs(rows)).numbers
    assert (whole.legs, whole.ledger.untimed, sum(slot.legs for slot in whole.trend)) == (2, 1, 1)
    part = quality_report(made.legs(rows), since="2026-01-01").numbers
    assert (part.legs, part.ledger.untimed) == (1, 1)


def _spread(good: int, poor: int) -> list[dict[str, Any]]:
    """Calls over two weeks, each to a number of its own: good ones of one network, poor ones of another."""
    rows = []
    for n in range(good + poor):
        network, quality = ("23410", made.GOOD) if n < good else ("20801", made.POOR)
        at, to = made.START + pd.Timedelta(hours=37 * n % 336), f"4477009{n:05d}"
        # Calls that all last a minute would be a finding of their own.
        talk_s = 20.0 + 37 * n % 180
        rows.append(made.call(
            n, at, quality=quality, network_code=network, remote_address=to, to_address=to,
            talk_s=talk_s, ended_at=at + pd.Timedelta(seconds=10 + talk_s),
        ))  # fmt: skip
    return rows


def test_a_bad_route_is_named_with_its_reason() -> None:
    numbers = quality_report(made.legs(_spread(200, 60))).numbers
    assert numbers.findings
    (finding,) = numbers.findings.problems
    assert (finding.keys, finding.case, finding.rate.rate) == ({"network_code": "20801"}, "poor", 1.0)
    assert 50 <= finding.rate.k <= 60
    assert (finding.title, finding.side) == ("Poor audio", "route or carrier")
    assert finding.what in numbers.details


def test_without_a_problem_it_says_what_was_looked_at() -> None:
    report = quality_report(made.legs(_spread(200, 0)))
    findings = report.numbers.findings
    assert findings is not None
    assert findings.problems == ()
    assert {"poor", "silent", "failed"} <= {each.case for each in findings.questions}
    words = "No problem was found: no group of calls has enough bad ones to test."
    assert words in report.numbers.details
    assert words in report.html
    assert "What was looked at" in report.html


def test_json_is_json() -> None:
    numbers = json.loads(made.week_report().json)
    assert numbers["figures"][0]["now"] == {
        "k": 120, "n": 150, "rate": 0.8, "lo": pytest.approx(0.7289, abs=1e-4), "hi": pytest.approx(0.8561, abs=1e-4),
        "unknown": 0, "enough": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"since": "soon"}, "since='soon' is not a point in time"),
        ({"until": datetime(2026, 1, 1)}, "until has no time zone"),  # noqa: DTZ001 - that is the point
        ({"since": "2026-03-02", "until": "2026-03-01"}, "is not before"),
        ({"tz": "Mars/Olympus"}, "is not a time zone"),
        ({"profile": "best"}, "There is no profile"),
    ],
)
def test_bad_input_is_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        quality_report(made.week(), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "broken"),
    [("poor>3%", True), ("poor>60%", False), ("loss_p95>5", True), ("mos_p5<1.5", False), ("answered<=80%", True)],
)
def test_rules_are_judged(rule: str, *, broken: bool) -> None:
    assert [each.broken for each in made.week_report().judge(rule)] == [broken]


def test_few_cases_break_no_rule() -> None:
    judged = quality_report(made.legs([made.call(1, quality=made.POOR)])).judge(
        "poor>3%", "loss_p95>1 min_n 1", "loss_p50>1", "loss_p50>1 min_n 1"
    )
    assert [each.broken for each in judged] == [None, None, None, True]
    assert str(judged[0]) == "poor>3%: not judged, only 1 case"


@pytest.mark.parametrize(
    ("rule", "told"),
    [("poor", "not a rule"), ("best>3%", "no metric 'best' to set a limit to"), ("poor>3", "write it like poor > 3%"),
     ("mos_p5<3%", "is not a share"), ("poor>>3%", "not a rule"), ("poor>3% by country", "check` judges by group"),
     ("ghost>3%", "does not contain ghost_ratio"), ("mos_p7<3", "does not contain p7\\(mos\\)")],
)  # fmt: skip
def test_bad_rules_are_told(rule: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        made.week_report().judge(rule)


def test_today_is_the_zones_today() -> None:
    from zoneinfo import ZoneInfo

    from conv_analytics.cli.times import instant

    now = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    zone = ZoneInfo("Europe/London")
    assert instant("today", now, zone) == datetime(2026, 3, 29, 23, 0, tzinfo=UTC)
    assert instant("yesterday", now, zone) == datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    assert instant("2026-03-29", now, zone) == datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    assert instant("2026-03-30", now, zone) == datetime(2026, 3, 29, 23, 0, tzinfo=UTC)
