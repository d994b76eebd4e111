"""How legs and calls ended: codes and their causes, who ended them, answers that are contradicted, how long it rang."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import (
    call_quality,
    calls,
    explain,
    fault_side,
    kpi,
    ledger,
    legs,
    offenders,
    redials,
    sip_codes,
)
from tests._helpers import rate_legs
from tests._helpers.leg_tables import as_pandas, hangup, record, relations, statuses, tables
from tests._helpers.rate_legs import frame, with_codes

LEG = ["conversation_id", "leg_id"]
#: RFC 3398, section 8.2.6.1, in full: None where it has "no mapping" (487) or "by Warning header" (488, 606).
RFC_3398 = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
    415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
    487: None, 488: None, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1,
    606: None,
}  # fmt: skip


def both(data: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The legs, which are the same on DuckDB."""
    found = legs(data)
    pd.testing.assert_frame_equal(found, as_pandas(legs(relations(data)), LEG), check_dtype=False)
    return found


def ended(status: str, *, code: int | None, rang: bool = True, **of_hangup: Any) -> dict[str, pd.DataFrame]:
    """A leg that started, perhaps rang, and ended with a status and a hangup; no answer is known."""
    steps = [("started", 0.0), *([("ringing", 2.0)] if rang else []), (status, 9.0)]
    end = {"reason_code": None, **of_hangup, "sip_code": code}
    return tables(leg_statuses=statuses("a", *steps), hangups=[hangup("a", 9.0) | end])


def test_causes_are_those_of_rfc_3398() -> None:
    table = sip_codes().set_index("sip_code")
    for code, cause in RFC_3398.items():
        assert (explain(code).q850, pd.isna(table.loc[code, "q850"])) == (cause, cause is None), code
    # What is younger than that table has no cause in it.
    assert [explain(code).q850 for code in (607, 608)] == [None, None]
    assert [explain(code).outcome for code in (607, 608, 513)] == ["declined", "blocked", "network_failure"]
    assert "not listed" not in explain(607).meaning + explain(608).meaning


@pytest.mark.parametrize("code", [400, 405, 406, 413, 414, 415, 416, 421, 423, 481, 488, 491, 493, 499, 606, 699])
def test_what_was_not_understood_is_signalling(code: int) -> None:
    assert (explain(code).outcome, explain(code).outcome_class) == ("signalling_failure", "signalling")


@pytest.mark.slow
def test_a_redirection_is_no_failure() -> None:
    codes = {302: 3, 301: 1, 503: 2, 488: 1, 404: 1, 486: 1}
    for kind in rate_legs.KINDS.values():
        rows = with_codes(codes, network_code="x")
        found = rate_legs.back(offenders(kind(frame(rows)), case="failed", min_n=1))
        assert found[["k", "n"]].to_numpy().tolist() == [[3, 9]]


# -- answers that are contradicted


#: Legs whose answer something contradicts, and their outcome.
CONTRADICTED = [
    (ended("cancelled", code=200), "cancelled"),
    (ended("timeout", code=200), "no_answer"),
    (ended("rejected", code=200), "declined"),
    (ended("completed", code=200, reason_code="LOCAL_CANCEL"), "cancelled"),
    (ended("completed", code=200, reason_code="REMOTE_BUSY"), "busy"),
]
#: Legs whose answer stands, and their flags.
ANSWERED = [
    (ended("completed", code=200), "answer_imputed"),
    (ended("completed", code=200, reason_code="REMOTE_HANGUP"), "answer_imputed"),
    # An answer that somebody saw, or paid for, is one.
    (tables(leg_statuses=statuses("a", ("started", 0), ("answered", 2), ("failed", 9)), hangups=[hangup("a", 9)]), ""),
    ({**ended("cancelled", code=200), **tables(call_records=[record("a", 9, duration_s=7)])}, "answer_imputed"),
]
#: Legs that were not answered, and who ended leg and call.
UNANSWERED = [
    (ended("failed", code=404, reason_code="REMOTE_NOT_FOUND"), "network", "network"),
    (ended("failed", code=503, reason_code="REMOTE_FAILURE"), "network", "network"),
    (ended("failed", code=404), "network", "network"),
    (ended("failed", code=503, rang=False), "network", "network"),
    (ended("failed", code=302), "unknown", "network"),
    (ended("failed", code=403), "unknown", "network"),
    (ended("failed", code=488), "unknown", "network"),
    (ended("timeout", code=480, reason_code="RING_TIMER"), "platform", "platform"),
    (ended("busy", code=486, reason_code="REMOTE_BUSY"), "this_leg", "to"),
    (ended("cancelled", code=487, reason_code="LOCAL_CANCEL"), "other", "from"),
    (ended("failed", code=None), "unknown", "platform"),
]


def together(cases: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Cases in one data set, each a conversation and a leg of its own."""
    named = [
        {name: frame.assign(conversation_id=f"CON-{n:02d}", leg_id=f"{n:02d}") for name, frame in case.items()}
        for n, case in enumerate(cases)
    ]
    names = dict.fromkeys(name for case in named for name in case)
    return {name: pd.concat([case[name] for case in named if name in case], ignore_index=True) for name in names}


@pytest.mark.slow
def test_a_code_of_200_that_is_contradicted_is_no_answer() -> None:
    data = together([case for case, _ in CONTRADICTED])
    outcomes = [outcome for _, outcome in CONTRADICTED]
    found = both(data)
    assert found["answered"].to_list() == [False] * len(outcomes)
    assert found["outcome"].to_list() == outcomes
    assert found["flags"].to_list() == ["conflicting"] * len(outcomes)
    assert calls(data).sort_values("conversation_id")["outcome"].to_list() == outcomes
    counted = ledger(data).set_index(["table", "metric"])
    assert counted.loc[("legs", "conflicting"), ["n", "odd"]].to_list() == [len(outcomes)] * 2


@pytest.mark.slow
@pytest.mark.parametrize(("data", "flags"), ANSWERED)
def test_an_answer_that_stands(data: dict[str, pd.DataFrame], flags: str) -> None:
    found = both(data).iloc[0]
    assert (found["answered"], found["outcome"], found["flags"]) == (True, "answered", flags)


@pytest.mark.slow
def test_unanswered_legs_rang_until_they_ended() -> None:
    assert both(ended("timeout", code=480))["ring_s"].to_list() == [7.0]
    up = tables(leg_statuses=statuses("a", ("started", 0), ("ringing", 2), ("answered", 5), ("completed", 60)))
    assert both(up)["ring_s"].to_list() == [3.0]
    # Nobody knows how long: it never rang, it still rings, or the answer's instant is missing.
    for data in (ended("timeout", code=480, rang=False), ended("completed", code=200),
                 tables(leg_statuses=statuses("a", ("started", 0), ("ringing", 2)))):  # fmt: skip
        assert both(data)["ring_s"].isna().all()


# -- who ended it


@pytest.mark.slow
def test_who_ended_what_was_not_answered() -> None:
    data = together([case for case, _, _ in UNANSWERED])
    of_calls = [of_call for _, _, of_call in UNANSWERED]
    assert both(data)["hung_up_by"].to_list() == [of_leg for _, of_leg, _ in UNANSWERED]
    assert calls(data).sort_values("conversation_id")["hung_up_by"].to_list() == of_calls
    assert as_pandas(calls(relations(data)), ["conversation_id"])["hung_up_by"].to_list() == of_calls


@pytest.mark.slow
def test_the_network_may_end_an_answered_call() -> None:
    data = tables(
        leg_statuses=statuses("a", ("started", 0), ("answered", 2), ("completed", 60)),
        hangups=[hangup("a", 60) | {"reason_code": "REMOTE_FAILURE"}],
    )
    assert both(data)["hung_up_by"].to_list() == ["network"]
    assert calls(data)[["hung_up_by", "hung_up_confidence"]].to_numpy().tolist() == [["network", 0.9]]


#: Three legs that ring ten seconds apart, and a fourth much later: no conversation, two ends in common.
RINGING = {leg: statuses(leg, ("started", at), ("ringing", at + 1), ("busy", at + 30), conversation_id=None)
           for leg, at in (("a", 0.0), ("b", 10.0), ("c", 20.0), ("d", 400.0))}  # fmt: skip
WAYS = {"pandas": lambda data: data, "duckdb": relations}


@pytest.mark.parametrize("way", WAYS)
def test_legs_without_a_conversation_are_calls_of_their_own(way: str) -> None:
    data = WAYS[way](tables(leg_statuses=[row for rows in RINGING.values() for row in rows]))
    found = as_pandas(calls(data), ["call"])
    assert found["call"].to_list() == [0, 1, 2, 3]
    assert found["conversation_id"].isna().all()
    assert found["legs"].to_list() == [1, 1, 1, 1]
    assert not found["forked"].any()
    assert int(as_pandas(kpi(data, metrics=["asr"], unit="call"), [])["n"].iloc[0]) == 4


@pytest.mark.parametrize("way", WAYS)
def test_named_conversations_keep_their_calls_beside_legs_without_one(way: str) -> None:
    named = [*statuses("n", ("started", 0.0), ("busy", 5.0)), *statuses("o", ("started", 2.0), ("busy", 6.0)),
             *statuses("p", ("started", 60.0), ("busy", 65.0))]  # fmt: skip
    data = WAYS[way](tables(leg_statuses=[*named, *RINGING["a"], *RINGING["b"]]))
    found = as_pandas(calls(data), [])
    found = found.assign(conversation_id=found["conversation_id"].astype("object").where(
        found["conversation_id"].notna(), "")).sort_values(["conversation_id", "call"])  # fmt: skip
    seen = found[["conversation_id", "call", "legs", "forked"]].to_numpy().tolist()
    assert seen == [["", 0, 1, False], ["", 1, 1, False], ["CON-1", 0, 2, True], ["CON-1", 1, 1, False]]


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_calls_without_a_conversation_are_redialled_once_each(kind: str) -> None:
    minute = pd.Timedelta(minutes=1)
    rows = [rate_legs.leg(n, conversation_id=None, from_address="447700900001", to_address=to, outcome="busy",
                          started_at=rate_legs.NINE + n * minute, ended_at=rate_legs.NINE + n * minute + minute / 2)
            for n, to in enumerate(["447700900002", "447700900003", "447700900002", None])]  # fmt: skip
    found = rate_legs.back(redials(calls(rate_legs.KINDS[kind](frame(rows))))).sort_values("call")
    assert found["call"].to_list() == [0, 1, 2, 3]
    assert found["gap_s"].fillna(-1).to_list() == [90, -1, -1, -1]
    assert [None if pd.isna(each) else bool(each) for each in found["redialled"]] == [True, False, False, None]


@pytest.mark.parametrize("kind", ["pandas", "duckdb"])
def test_redials_of_legs_are_those_of_their_calls(kind: str) -> None:
    minute = pd.Timedelta(minutes=1)
    rows = [rate_legs.leg(10 * n + side, conversation_id=f"CON-{n}", direction=direction, from_address="442079460000",
                          to_address="447700900002", started_at=rate_legs.NINE + n * minute, outcome="answered",
                          answered=True, answered_at=rate_legs.NINE + n * minute,
                          ended_at=rate_legs.NINE + n * minute + minute / 2)
            for n in range(3) for side, direction in enumerate(["inbound", "outbound"])]  # fmt: skip
    of_legs = rate_legs.KINDS[kind](frame(rows))
    found = rate_legs.back(redials(of_legs)).sort_values("conversation_id", ignore_index=True)
    assert found["redialled"].to_list() == [True, True, False]
    rate_legs.same(found, rate_legs.back(redials(calls(of_legs))).sort_values("conversation_id", ignore_index=True))


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_audio_of_legs_without_a_conversation_is_told_apart(kind: str) -> None:
    rows = [rate_legs.leg(n, conversation_id=None, answered=True, talk_s=60.0, hangup_event_id=n, packet_cnt=2950,
                          mos_score=4.2, quality_percentage=90.0, jitter_min_var=1.0, jitter_max_var=25.0,
                          jitter_loss_rate=0.0, flaw_total=30, packet_loss_perc=loss, byte_in=507400, byte_out=507400)
            for n, loss in enumerate([0.1, 30.0])]  # fmt: skip
    data = rate_legs.KINDS[kind](frame(rows))
    judged = rate_legs.back(call_quality(data))
    assert (judged["legs"].to_list(), sorted(judged["worst_leg_id"])) == ([1, 1], ["0000", "0001"])
    assert judged["verdict"].nunique() == 2
    sides = rate_legs.back(fault_side(data))
    assert (sides["legs"].to_list(), sorted(sides["callee_leg_id"])) == ([1, 1], ["0000", "0001"])
