"""Webhooks of the Voice API, masked: who called and what was said goes, what happened stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.privacy import Mask
from tests._helpers.webhooks import FIXTURES

KEY = b"a key of the tests, long enough"
MASK = Mask(KEY)

PERSON, NUMBER = "Bob Exampleson", "447700900142"
#: Every place of a Voice webhook where somebody may stand (live contract 6).
PLANTED: dict[str, Any] = {
    "from": NUMBER,
    "to": f"sip:{PERSON.split(maxsplit=1)[0]}@{NUMBER}.example.com",
    "from_user": PERSON,
    "speech": {
        "results": [{"text": f"I am {PERSON}", "confidence": "0.9"}],
        "error": f"{PERSON} coughed",
        "recording_url": f"https://api.example.com/{NUMBER}",
    },
    "dtmf": {"digits": NUMBER, "timed_out": False},
    "payload": {"customer": {"name": PERSON, NUMBER: [PERSON, int(NUMBER)]}},
    "headers": {"X-Name": PERSON, "X-Number": NUMBER},
    "SipHeader_X-Customer": PERSON,
    "custom_data": {"who": PERSON},
    "original_request": {"url": f"https://app.example.com/{NUMBER}", "type": "event"},
    "recording_url": f"https://api.example.com/v1/files/{NUMBER}",
    "transcription_url": f"https://api.example.com/{NUMBER}",
    "reason": f"{PERSON} is not a number",
    "detail": f"{PERSON} declined",
    "network": PERSON,
    "sub_state": NUMBER,
    "status": NUMBER,
    "caller": {"number": NUMBER},
    "something_new": PERSON,
}


def _sources() -> list[Any]:
    found = []
    for path in sorted(FIXTURES.glob("voice_*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        found += document.get("deliveries", [document])
    return found


@pytest.mark.parametrize("source", _sources())
def test_of_what_happened_nothing_is_lost(source: dict[str, Any]) -> None:
    masked = json.loads(MASK.page(json.dumps(source).encode()))
    personal = {"from", "to", "speech", "recording_url"}
    assert masked.keys() == source.keys()
    assert {key: masked[key] for key in masked.keys() - personal} == {
        key: source[key] for key in source.keys() - personal
    }
    assert all(masked[key] != source[key] for key in personal & source.keys())
    results = masked.get("speech", {}).get("results", [])
    assert [each["confidence"] for each in results] == [
        each["confidence"] for each in source.get("speech", {}).get("results", [])
    ]


@pytest.mark.parametrize("shape", ["object", "list", "string of digits", "numbers", "broken", "half"])
def test_nobody_passes_whatever_the_shape(shape: str) -> None:
    body = json.dumps(PLANTED).encode()
    if shape == "list":
        body = json.dumps([PLANTED, {"from": NUMBER}]).encode()
    elif shape == "string of digits":
        body = json.dumps(PLANTED | {"dtmf": NUMBER, "speech": f"{PERSON}", "payload": PERSON}).encode()
    elif shape == "numbers":
        body = json.dumps(PLANTED | {"from": int(NUMBER), "dtmf": int(NUMBER), "payload": int(NUMBER)}).encode()
    elif shape == "broken":
        body = body.replace(b'"reason"', b'"n": 1e, "reason"')
    elif shape == "half":
        body = body[: len(body) // 2]
    masked = MASK.page(body)
    assert not [word for word in (*PERSON.split(), NUMBER) if word.encode() in masked], masked


def test_the_number_of_a_caller_has_one_token_in_both_apis() -> None:
    (voice,) = (json.loads(MASK.page(b'{"from":"447700900142"}')),)
    rtc = json.loads(MASK.page(b'{"type":"sip:ringing","body":{"channel":{"from":{"number":"447700900142"}}}}'))
    assert voice["from"] == rtc["body"]["channel"]["from"]["number"]


def test_rules_are_those_of_every_mask() -> None:
    mask = Mask(KEY, {"dtmf": "keep", "text": "drop", "url": "keep", "custom": "keep"})
    masked = json.loads(mask.page(json.dumps(PLANTED).encode()))
    assert masked["dtmf"] == PLANTED["dtmf"]
    assert masked["speech"]["results"] == [{"text": None, "confidence": "0.9"}]
    assert masked["recording_url"] == PLANTED["recording_url"]
    assert masked["payload"] == PLANTED["payload"]


@given(st.binary())
def test_any_bytes_become_json(raw: bytes) -> None:
    json.loads(MASK.page(raw))
