"""Keys to group by: custom columns keep their values, whatever they are called, or are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import conv_analytics.analysis as ca
from conv_analytics.analysis.dimensions.keys import OF_ROWS, TAKEN
from conv_analytics.analysis.engine.answers import ANSWERS, reserved
from conv_analytics.errors import ConfigError

AT = pd.date_range("2026-11-02T09:00:00Z", periods=80, freq="7min")
LEGS = pd.DataFrame({
    "conversation_id": [f"CON-{n}" for n in range(80)],
    "leg_id": [f"leg-{n}" for n in range(80)],
    "direction": "outbound",
    "started_at": AT,
    "answered_at": AT + pd.Timedelta(seconds=5),
    "ended_at": AT + pd.Timedelta(seconds=37),
    "answered": [n % 4 > 0 for n in range(80)],
    "open": False,
    "outcome": ["answered" if n % 4 else "no_answer" for n in range(80)],
    "sip_code": [200 if n % 4 else 486 for n in range(80)],
    "setup_s": 5.0,
    "talk_s": [32.0 if n % 4 else None for n in range(80)],
    "price": 0.01,
    "currency": "EUR",
})  # fmt: skip
TEAMS = ["north" if n % 3 else "south" for n in range(80)]

#: Every question with `by`, about these legs.
ASK: dict[str, Callable[..., Any]] = {
    "answer_curve": ca.answer_curve,
    "answer_times": ca.answer_times,
    "busy_hour": ca.busy_hour,
    "change_points": lambda legs, by: ca.change_points(legs, by=by, case="answered", per="hour"),
    "compare": lambda legs, by: ca.compare(legs, legs, by=by).groups,
    "cost": ca.cost,
    "duration_hist": ca.duration_hist,
    "kpi": lambda legs, by: ca.kpi(legs, by=by, metrics="asr"),
    "kpi_values": lambda legs, by: ca.kpi_values(legs, by=by, measures=["talk_s", "setup_s"]),
    "offenders": lambda legs, by: ca.offenders(legs, by=by, case="answered"),
    "service_level": lambda legs, by: ca.service_level(legs, by=by, scope="all"),
    "short_calls": ca.short_calls,
    "timer_cliffs": ca.timer_cliffs,
    "traffic_changes": lambda legs, by: ca.traffic_changes(legs, by=by, per="hour"),
}
#: Names that questions used for columns of their own while they counted.
INTERNAL = (
    "waited_s", "up", "failed", "start", "end", "open", "last_at", "o", "talk_s_n", "talk_s_mean", "known_s",
    "known_spend", "k", "n", "total", "spend", "within_s", "metric", "paid", "place",
)  # fmt: skip


def test_every_question_declares_the_columns_of_its_answer() -> None:
    assert ASK.keys() == ANSWERS.keys()
    for name, ask in ASK.items():
        keys = ["team", "currency"] if name == "cost" else ["team"]
        assert list(ask(LEGS.assign(team=TEAMS), by="team")) == [*keys, *ANSWERS[name]], name


@pytest.mark.parametrize("question", ASK)
def test_a_key_with_the_name_of_a_column_of_the_answer_is_refused(question: str) -> None:
    for name in ANSWERS[question]:
        with pytest.raises(ConfigError, match=rf"'{name}' is a column of {question}\(\) itself.*'own_{name}'"):
            ASK[question](LEGS.assign(**{name: TEAMS}), by=["direction", name])
    for name in ("_one", "started_at_us"):
        with pytest.raises(ConfigError, match=f"'{name}' is reserved for internal use"):
            ASK[question](LEGS.assign(**{name: TEAMS}), by=name)


@pytest.mark.parametrize("question", ASK)
def test_a_key_keeps_its_values_whatever_it_is_called(question: str) -> None:
    expected = ASK[question](LEGS.assign(team=TEAMS), by="team")
    names = [name for name in INTERNAL if name not in {*LEGS, *reserved(question)}]
    found = ASK[question](LEGS.assign(**dict.fromkeys(names, TEAMS)), by=names)
    for name in names:
        columns = found[[name, *expected.columns[1:]]].rename(columns={name: "team"})
        pd.testing.assert_frame_equal(columns, expected, check_dtype=False)


#: Names of columns that calls are built with, and of others.
OF_CALLS = (
    "new", "main", "paid", "priced", "still", "moved", "first", "one", "before", "reach", "place", "place_out",
    "end", "up", "outbound", "first_answer", "last_end", "was_answered", "both_up", "one_down", "last_at",
    "in_hung", "out_ended", "f_to", "leg_outcome", "has_open", "team",
)  # fmt: skip


def test_names_that_calls_are_built_with_are_free_for_maps() -> None:
    at = pd.to_datetime(["2026-11-02T09:00Z"] * 2, utc=True)
    hangups = pd.DataFrame({
        "conversation_id": ["CON-1", "CON-2"], "event_id": [1, 1], "leg_id": ["a", "b"], "direction": "outbound",
        "at": at, "sip_code": [200, 486], "to_number": ["442079460000", "33140205050"], "channel_type": "phone",
    })  # fmt: skip
    teams = pd.DataFrame({"to_prefix": ["44", "33"], **{name: ["yes", "no"] for name in OF_CALLS}})
    enriched = ca.enrich({"hangups": hangups}, teams)
    for unit in ("leg", "call"):
        found = ca.kpi(enriched, by=list(OF_CALLS), unit=unit, metrics="asr")
        assert found[[*OF_CALLS, "k", "n"]].to_numpy().tolist() == [[*["no"] * len(OF_CALLS), 0, 1],
                                                                    [*["yes"] * len(OF_CALLS), 1, 1]]  # fmt: skip
        for name in OF_CALLS:
            found = ca.busy_hour(enriched, by=name, unit=unit)
            assert found[name].tolist() == ["no", "yes"]


def test_the_page_about_maps_names_what_is_taken() -> None:
    page = (Path(__file__).parents[3] / "notebooks/reference/own-dimensions.md").read_text(encoding="utf-8")
    section = page.partition("## Names that are taken")[2].partition("\n## ")[0]
    bullet = section.partition("an answer or a verdict:")[2].partition(";")[0]
    assert set(re.findall(r"`(\w+)`", bullet)) == TAKEN - OF_ROWS


def test_maps_add_no_column_that_an_answer_has() -> None:
    assert TAKEN.issuperset(name for question in ANSWERS for name in reserved(question))
    hangups = {"hangups": pd.DataFrame({"conversation_id": ["CON-1"], "leg_id": ["a"]})}
    for name in ("within_s", "forgiven", "from_s", "base_k", "peak", "answers", "timer_s"):
        with pytest.raises(ConfigError, match=f"a column '{name}', and so have legs or answers"):
            ca.enrich(hangups, pd.DataFrame({"prefix": ["44"], name: ["x"]}))
