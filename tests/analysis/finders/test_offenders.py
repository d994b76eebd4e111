"""Offenders: by hand, by properties, on every engine, and from named cases."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics import export
from conv_analytics.analysis import legs, offenders, quality
from conv_analytics.analysis.entities.cases import CASES
from conv_analytics.analysis.finders.offenders import ranked, shrunk
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.sandbox import Sandbox
from tests._helpers import leg_frames
from tests._helpers.leg_tables import as_pandas, hangup, relations, statuses, tables
from tests._helpers.sandboxes import client_of

COLUMNS = [
    "route", "k", "n", "rate", "lo", "hi", "rest_rate", "excess", "shrunk", "clusters", "deff", "p", "q", "enough",
    "offender",
]  # fmt: skip


def calls(**routes: tuple[int, int]) -> pd.DataFrame:
    rows = [(route, place < k) for route, (k, n) in routes.items() for place in range(n)]
    return pd.DataFrame(rows, columns=["route", "bad"]).astype({"route": "str", "bad": "boolean"})


def one(frame: pd.DataFrame, route: str) -> Any:
    return frame[frame["route"] == route].iloc[0]


def test_by_hand() -> None:
    found = offenders(calls(a=(4, 200), b=(20, 100), c=(1, 1)), by="route", case="bad")
    assert list(found) == COLUMNS
    worst = one(found, "b")
    assert worst["rest_rate"] == pytest.approx(5 / 201)
    assert worst["excess"] == pytest.approx(20 - 100 * 5 / 201)
    tail = sum(math.comb(25, k) * math.comb(276, 100 - k) for k in range(20, 26)) / math.comb(301, 100)
    assert worst["p"] == pytest.approx(tail, rel=1e-9)
    assert worst["q"] == pytest.approx(2 * tail, rel=1e-9), "of two tests: a single call is not tested"
    assert list(found["offender"]) == [True, False, False]
    assert pd.isna(one(found, "c")["p"])
    assert not one(found, "c")["enough"]


def test_a_route_with_one_bad_call_of_one_does_not_head_the_list() -> None:
    found = offenders(calls(tiny=(3, 3), big=(60, 400), rest=(20, 1000)), by="route", case="bad")
    assert found["route"][0] == "big"
    assert one(found, "tiny")["shrunk"] < one(found, "tiny")["rate"]


def test_a_rest_without_cases_does_not_make_one_a_finding() -> None:
    found = offenders(calls(a=(1, 40), b=(0, 400)), by="route", case="bad")
    assert not found["offender"].any()
    assert one(found, "a")["p"] > 0.04


def test_few_cases_too_many_are_nothing_to_act_on() -> None:
    data = calls(a=(4, 40), b=(2, 2000))
    assert offenders(data, by="route", case="bad")["offender"].any()
    assert not offenders(data, by="route", case="bad", min_excess=5)["offender"].any()


def test_null_is_neither_bad_nor_good() -> None:
    data = pd.concat([calls(a=(5, 50), b=(1, 50)), pd.DataFrame({"route": ["a"] * 90, "bad": pd.array([None] * 90)})])
    assert one(offenders(data, by="route", case="bad"), "a")["n"] == 50


def test_a_missing_key_is_a_group_of_its_own() -> None:
    data = calls(a=(5, 50)).assign(route=pd.array([None] * 50, "str"))
    found = offenders(pd.concat([data, calls(b=(1, 60))]), by="route", case="bad")
    assert found["n"].sum() == 110
    assert found["route"].isna().sum() == 1


def test_empty() -> None:
    found = offenders(calls(), by="route", case="bad")
    assert list(found) == COLUMNS
    assert len(found) == 0
    single = offenders(calls(a=(3, 40)), by="route", case="bad")
    assert pd.isna(single["p"][0]), "there is no rest to hold it against"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"by": ()}, ConfigError, "by names no column"),
        ({"case": "rotten"}, ConfigError, "'rotten' is not one of answered, unanswered, failed"),
        ({"by": "carrier"}, ColumnNotFound, "carrier"),
        ({"by": ["route", "route"]}, ConfigError, "twice"),
        ({"min_n": 0}, ConfigError, "min_n=0"),
        ({"fdr": 1.0}, ConfigError, "fdr=1.0"),
        ({"tz": "Mars/Olympus"}, ConfigError, "not a time zone"),
        ({"by": ["route", "hour"]}, ColumnNotFound, "started_at"),
    ],
)
def test_malformed(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        offenders(calls(a=(3, 40)), **{"by": "route", "case": "bad", **options})


GROUPS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
)


@pytest.mark.slow
@given(GROUPS, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_properties(groups: dict[str, tuple[int, int]], random: Any) -> None:
    data = calls(**groups)
    found = offenders(data, by="route", case="bad", min_n=5)
    rows = list(range(len(data)))
    random.shuffle(rows)
    pd.testing.assert_frame_equal(found, offenders(data.iloc[rows], by="route", case="bad", min_n=5))
    assert found["k"].sum() == sum(k for k, _ in groups.values())
    for row in found.itertuples():
        assert row.lo <= row.rate <= row.hi
        low, high = sorted((row.rate, data["bad"].mean()))
        assert low - 1e-9 <= row.shrunk <= high + 1e-9, "between its own rate and the rate of all"
        assert not row.offender or (row.excess >= 3 and row.q <= 0.1 and row.n >= 5)


def test_shrinking_goes_with_the_evidence() -> None:
    k, n = np.array([30.0, 3.0, 10.0, 90.0]), np.array([100.0, 10.0, 1000.0, 300.0])
    drawn = shrunk(k, n)
    assert abs(drawn[1] - 0.3) > abs(drawn[0] - 0.3), "ten calls tell less than a hundred"
    assert shrunk(np.array([5.0, 5.0]), np.array([50.0, 50.0])).tolist() == [0.1, 0.1]


def test_duckdb_gives_the_same() -> None:
    data = calls(a=(4, 200), b=(20, 100), c=(1, 1), d=(0, 35))
    (relation,) = relations({"calls": data}).values()
    given_back = offenders(relation, by="route", case="bad")
    assert not isinstance(given_back, pd.DataFrame)
    expected = offenders(data, by="route", case="bad").sort_values("route", ignore_index=True)
    pd.testing.assert_frame_equal(as_pandas(given_back, ["route"]), expected, check_dtype=False)


def made(count: int = 3, apart: int = 20) -> dict[str, pd.DataFrame]:
    """Legs of one conversation, answered ones and such that the network refused, one after another."""
    steps, ends = [], []
    for place in range(count):
        answered, failed, at = f"a{place}", f"f{place}", place * apart
        steps += statuses(answered, ("started", at), ("ringing", at + 1), ("answered", at + 5), ("completed", at + 9),
                          reason="ok")  # fmt: skip
        ends += [hangup(answered, at + 9, 40 + place), hangup(failed, at + apart // 2 + 2, 60 + place, sip_code=503)]
        at += apart // 2
        steps += statuses(failed, ("started", at), ("failed", at + 2), reason="service_unavailable")
    return tables(leg_statuses=steps, hangups=ends)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "k", "n"), [("failed", 3, 6), ("unanswered", 3, 6), ("answered", 3, 6), ("short", 3, 3)]
)
def test_cases_by_name(case: str, k: int, n: int) -> None:
    assert case in CASES
    for data in (made(), legs(made()), relations(made())):
        found = as_pandas(offenders(data, by="direction", case=case), ["direction"])
        assert found[["k", "n"]].to_numpy().tolist() == [[k, n]]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "k"), [("answered", 1), ("unanswered", 0), ("failed", 0)])
def test_legs_that_ring_in_parallel_are_one_attempt(case: str, k: int) -> None:
    for data in (made(apart=0), legs(made(apart=0)), relations(made(apart=0))):
        found = as_pandas(offenders(data, by="direction", case=case), ["direction"])
        assert found[["k", "n"]].to_numpy().tolist() == [[k, 1]]


@pytest.mark.slow
def test_every_case_counts_the_same_legs_in_every_way() -> None:
    with Sandbox(seed=11, conversations=150) as sandbox:
        frames = export(client_of(sandbox), rate=0, progress=False)
    keys = ["conversation_id", "leg_id"]
    judged = quality(frames).merge(legs(frames)[[*keys, "outcome_class", "pdd_s"]], on=keys, validate="one_to_one")
    seen = 0
    for name, case in CASES.items():
        cases, known = case.flags(judged)
        assert not (cases & ~known).any()
        for data in (judged, frames):
            found = offenders(data, by="technology", case=name, scope="all")
            assert (found["k"].sum(), found["n"].sum()) == (cases.sum(), known.sum()), name
        seen += bool(cases.any())
    assert seen > len(CASES) - 3


def test_the_reference_names_every_case(repository: Path) -> None:
    page = (repository / "notebooks" / "reference" / "finding-causes.md").read_text(encoding="utf-8")
    table = page.partition("| case | counts |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(CASES)


def test_by_the_hour_of_a_zone() -> None:
    found = offenders(legs(made()), by=["direction", "hour"], case="failed", tz="Asia/Kolkata")
    assert found["hour"].tolist() == [14], "09:00 UTC"


def test_counts_are_enough() -> None:
    table = ranked(pd.DataFrame({"x": ["a", "b"], "k": [50, 1], "n": [100, 100]}), min_n=30, fdr=0.1, min_excess=3)
    assert table["offender"].tolist() == [True, False]


@pytest.mark.parametrize("kind", ["pandas", "duckdb"])
def test_a_verdict_of_the_frame_counts_whatever_the_profile(kind: str) -> None:
    data = leg_frames.legs(*({"conversation_id": f"CON-{place}"} for place in range(4)))
    own = data.assign(verdict=["fair", "fair", "poor", None])
    own["verdict"] = own["verdict"].astype("str")
    given: Any = own if kind == "pandas" else relations({"legs": own})["legs"]
    for case, counts in {"fair": [2, 3], "poor": [1, 3], "no_in": [0, 4]}.items():
        found = as_pandas(offenders(given, by="direction", case=case), [])
        assert found[["k", "n"]].to_numpy().tolist() == [counts], case
    by_flow = as_pandas(offenders(given, by="flow", case="fair"), [])
    assert by_flow[["flow", "k", "n"]].to_numpy().tolist() == [["both", 2, 3]], "what the frame lacks is computed"


_JUDGED_CASES = [name for name, case in CASES.items() if case.judged]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "case"), [*(("pandas", case) for case in _JUDGED_CASES), ("polars", "poor"), ("duckdb", "silent")]
)
def test_legs_without_a_conversation_count_in_every_case(kind: str, case: str) -> None:
    changes = [{"packet_loss_perc": 12.0, "flaw_total": 900}, {"byte_in": 0}, {"byte_out": 0, "byte_in": 0}, {}]
    named = [{"conversation_id": f"CON-{place}", **change} for place, change in enumerate(changes)]
    data = leg_frames.legs(*named)
    expected = offenders(data, by="direction", case=case)
    given: Any = data.assign(conversation_id=pd.Series([None] * len(data), dtype="str"))
    if kind == "polars":
        given = pl.from_pandas(given)
    elif kind == "duckdb":
        given = relations({"legs": given})["legs"]
    found = as_pandas(offenders(given, by="direction", case=case), ["direction"])
    assert found["n"].to_list() == expected["n"].to_list() == [4]
    assert found["k"].to_list() == expected["k"].to_list()
