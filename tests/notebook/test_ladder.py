"""The ladder: who signalled what to whom, as far as events tell, and no more than they tell."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from conv_analytics import show_ladder
from tests._helpers.drawn_conversations import many, of_type
from tests._helpers.leg_tables import event, hangup, statuses, tables


def _said(ladder: Any) -> list[tuple[str, str, str]]:
    return [(one, other, words) for _, _, one, other, words, _ in ladder.lines()]


def test_a_busy_leg() -> None:
    data = tables(
        leg_statuses=statuses("a", ("started", 0), ("ringing", 2), ("busy", 9)),
        hangups=[hangup("a", 9, sip_code=486, reason_code="REMOTE_BUSY")],
    )
    said = _said(show_ladder(data, "CON-1", mask=False))
    assert said == [("Vonage", "447700900123", "INVITE"), ("447700900123", "Vonage", "180 ringing"),
                    ("447700900123", "Vonage", "486 busy")]  # fmt: skip


def test_an_inbound_call_that_is_answered_and_hung_up_by_the_caller() -> None:
    also = {"direction": "inbound", "from_number": "447700900123", "to_number": "442079460999"}
    steps = (("started", 0), ("ringing", 1), ("answered", 3), ("completed", 20))
    data = tables(
        leg_statuses=statuses("a", *steps, direction="inbound"),
        call_events=[event("sip:answered", "a", 3, 30, **also)],
        hangups=[hangup("a", 20, **also)],
    )
    ladder = show_ladder(data, "CON-1", mask=False)
    assert ladder.parties == ["447700900123", "Vonage"]
    assert _said(ladder)[0] == ("447700900123", "Vonage", "INVITE")
    assert _said(ladder)[-1] == ("447700900123", "Vonage", "BYE")
    assert ("Vonage", "447700900123", "200 OK") in _said(ladder)


def test_at_one_instant_the_callers_invite_stands_before_what_it_caused() -> None:
    also = {"direction": "inbound", "from_number": "447700900123", "to_number": "442079460999"}
    steps = (("started", 0), ("ringing", 0), ("answered", 0), ("completed", 20))
    data = tables(
        # The leg to the agent comes first in the data, and has the smaller id.
        leg_statuses=[*statuses("a", *steps), *statuses("b", *steps, direction="inbound")],
        call_events=[event("sip:answered", "a", 0, 29, to_number="442079460111"),
                     event("sip:answered", "b", 0, 30, **also)],
        hangups=[hangup("a", 20, to_number="442079460111"), hangup("b", 20, **also)],
    )  # fmt: skip
    ladder = show_ladder(data, "CON-1", mask=False)
    caller, agent = "447700900123", "442079460111"
    assert _said(ladder) == [
        (caller, "Vonage", "INVITE"), ("Vonage", agent, "INVITE"),
        (agent, "Vonage", "180 ringing"), ("Vonage", caller, "180 ringing"),
        (agent, "Vonage", "200 OK"), ("Vonage", caller, "200 OK"),
        *_said(ladder)[6:],
    ]  # fmt: skip
    assert [words for _, _, words in _said(ladder)[6:]] == ["BYE", "BYE"]
    assert _said(ladder)[6][1] == "Vonage", "who hung up comes first"


def test_it_says_that_it_is_inferred(frames: Any) -> None:
    ladder = show_ladder(frames, of_type(frames, "rtc:transfer"))
    shown = (ladder.svg(), ladder.text(), ladder.to_mermaid(), ladder.html())
    assert all("nferred from states" in each for each in shown)
    assert ladder._repr_mimebundle_()["text/plain"] == repr(ladder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rtc:transfer", "sip:hangup", "sip:machine"])
def test_every_leg_stands_in_it(frames: Any, kind: str) -> None:
    ladder = show_ladder(frames, of_type(frames, kind))
    assert {step.leg for step in ladder.steps} == set(range(len(ladder.legs)))
    assert all(step.source != step.target for step in ladder.steps)
    assert [step.at for step in ladder.steps] == sorted(step.at for step in ladder.steps)
    root = ET.fromstring(ladder.svg().encode())
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert len([each for each in words if each and "(leg " in each]) == len(ladder.steps)


def test_without_legs_it_says_so(frames: Any) -> None:
    ladder = show_ladder(dict(frames) | many(5), "CON-1")
    assert "nothing was signalled" in ladder.text()
    assert "nothing was signalled" in ladder.svg()
