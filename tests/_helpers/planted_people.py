"""A world in which every field of every record holds a person: a name, a number, an address, in every form of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.everything_written import bare

FIXTURES = Path(__file__).parent.parent / "fixtures"
#: What nobody may see: digits without what stands between them, letters without case.
NUMBER, NAMES, ADDRESSES = "7700900123", ("zaphod", "beeblebrox"), ("203.0.113.77", "203-0-113-77", "2001:db8")
#: People, however they are written.
FORMS: tuple[Any, ...] = (
    "Zaphod Beeblebrox",
    '"Zaphod Beeblebrox" <sip:447700900123@203.0.113.77>',
    "+44 7700 900123",
    "\u202a447700900123\u202c",
    "44\u202f7700\u200e900123\ufeff",
    "0044 (0)7700-900.123",
    "tel:+44-7700-900123;ext=7",
    "sip:%2B447700900123%40h@ec2-203-0-113-77.pbx.example:5060;transport=tls",
    "\u0664\u0664\u0667\u0667\u0660\u0660\u0669\u0660\u0660\u0661\u0662\u0663",
    "\uff0b\uff14\uff14\uff17\uff17\uff10\uff10\uff19\uff10\uff10\uff11\uff12\uff13",
    447700900123,
    "sip:zaphod@[2001:db8::77]:5060",
    "zaphod.beeblebrox@mail.example",
    "203.0.113.77:5060",
    ("wss:" "//zaphod:beeblebrox@203.0.113.77/447700900123?caller=zaphod"),
    "Zapho\u00add Beeble\u200bbrox",
    None,
)  # fmt: skip
IDS = ("USR-ZaphodBeeblebrox", "call-447700900123", "zaphod.beeblebrox", "447700900123", "44-7700-900123")
#: Keys under which a single word, and a number, is what it says: nobody can tell that it is a name.
_WORDS = frozenset({
    "type", "status", "state", "direction", "code", "format", "method", "message_type", "channel_type", "language",
    "locale", "policy", "category", "timeout_reason", "price_currency", "voice_name", "content_type",
})  # fmt: skip
_ID = re.compile(r".*(?:_id|_ids|Id|uuid|^id|^from|^to|^was_member)$")
_KEPT = frozenset({"timestamp", "created", "updated", "joined", "invited", "left", "destroyed"})


def plant(value: Any, turn: int, *, proper: bool) -> Any:
    """A record with people in its leaves, other ones in each turn; a proper one still looks as the API's do."""
    place = turn

    def walk(inner: Any, key: str) -> Any:
        nonlocal place
        if isinstance(inner, dict):
            return {name: walk(each, name) for name, each in inner.items()}
        if isinstance(inner, list):
            return [walk(each, key) for each in inner]
        if not isinstance(inner, str) or (proper and (key in _WORDS or key in _KEPT)):
            return inner
        place += 1
        forms = (*FORMS, *IDS) if _ID.match(key) and key not in _WORDS else FORMS
        form = IDS[place % len(IDS)] if proper and _ID.match(key) else forms[place % len(forms)]
        return inner if form is None else form

    return walk(value, "")


def fixtures(pattern: str) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(FIXTURES.glob(pattern))]


def events(turn: int) -> Iterator[bytes]:
    """An event of every type, full of people; some that cannot be read, and some of types that nobody knows."""
    number = 0
    for record in fixtures("event_*.json"):
        number += 1
        body = plant(record.get("body"), turn + number, proper=turn % 2 == 0)
        if isinstance(body, dict):
            body |= {"Zaphod Beeblebrox": "Zaphod Beeblebrox", "447700900123": 1, "brand_new": FORMS[turn % len(FORMS)]}
        people = plant({name: record[name] for name in ("from", "_embedded") if name in record}, turn, proper=True)
        yield json.dumps({**record, "id": number, "body": body, **people}, ensure_ascii=turn % 3 == 0).encode()
    for kind in ("custom:call-447700900123", "custom:44-7700-900123", "Zaphod Beeblebrox", "never:heard"):
        number += 1
        body = {"who": FORMS[turn % len(FORMS)], "status": "Zaphod Beeblebrox", "n": 447700900123}
        yield json.dumps({"id": number, "type": kind, "timestamp": "2026-11-19T10:00:00Z", "body": body}).encode()
    yield b'{"id": 90, "type": "message", "body": {"text": "Zaphod Beeblebrox\\ud83d", "to": "+44 7700 900123\\ud83d"}}'
    yield b'{"id": 91, "type": "sip:status", "body": {"to": "\xff447700900123"}}'


class Planted:
    """The answers of a small world, by path; some of them are failures."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.conversations = [f"CON-aaaaaaaa-aaaa-4aaa-8aaa-{turn:012}" for turn in range(len(FORMS) + 1)]
        self.conversations += ["CON-ZaphodBeeblebrox", "call-447700900123"]
        self.failing = ("CON-bbbbbbbb-bbbb-4bbb-8bbb-000000000001", "CON-bbbbbbbb-bbbb-4bbb-8bbb-000000000002")
        whole = fixtures("conversation_full.json")[0]
        self._answers: dict[str, tuple[int, bytes]] = {}
        listed = []
        for turn, name in enumerate((*self.conversations, *self.failing)):
            record = {**plant(whole, turn, proper=turn % 2 == 0), "id": name, "sequence_number": 91}
            here = f"/v1/conversations/{name}"
            listed.append(record)
            members = [{**plant(each, turn, proper=True), "id": f"MEM-{turn}"} for each in fixtures("member_*.json")]
            self._answers[here] = 200, json.dumps(record).encode()
            self._answers[f"{here}/members"] = 200, _page("members", [json.dumps(each).encode() for each in members])
            self._answers[f"{here}/events"] = 200, _page("events", events(turn))
        told = {"title": "Zaphod Beeblebrox", "code": "x:447700900123", "detail": "Zaphod of +44 7700 900123",
                "instance": "203.0.113.77"}  # fmt: skip
        self._answers[f"/v1/conversations/{self.failing[0]}/events"] = 500, json.dumps(told).encode()
        self._answers[f"/v1/conversations/{self.failing[1]}/events"] = 200, b"<p>Zaphod Beeblebrox, 447700900123</p>"
        self._answers["/v1/conversations"] = 200, _page("conversations", [json.dumps(each).encode() for each in listed])
        users = [
            {"id": f"USR-{turn}", "name": form, "display_name": form, "image_url": form, "custom_data": {"x": form},
             "channels": {"sip": [{"uri": form, "username": form}], "pstn": [{"number": form}]}}
            for turn, form in enumerate(FORMS)
        ]  # fmt: skip
        users.append({"id": "USR-ZaphodBeeblebrox", "name": "zaphod.beeblebrox"})
        self._answers["/v1/users"] = 200, _page("users", [json.dumps(each).encode() for each in users])
        self.requests = 0
        sandbox.script(lambda request: request.path in self._answers, self._answer, times=-1)

    def _answer(self, request: Request) -> Reply:
        self.requests += 1
        status, body = self._answers[request.path]
        return Reply(status, body)


def _page(name: str, items: Iterable[bytes]) -> bytes:
    links = b'{"self": {"href": "/v1/users?name=Zaphod%20Beeblebrox"}}'
    return b'{"page_size": 100, "_embedded": {"%b": [%b]}, "_links": %b}' % (name.encode(), b",".join(items), links)


def people_in(pieces: Iterable[bytes]) -> Mapping[str, str]:
    """Who is seen all the same, each with where."""
    found: dict[str, str] = {}
    for piece in pieces:
        text = bare(piece)
        for name in (*NAMES, *ADDRESSES):
            if name in text:
                found.setdefault(name, _around(text, text.index(name)))
        # Digits that stand together, or have nothing but signs and spaces between them.
        squeezed = _BETWEEN.sub("", text)
        if NUMBER in squeezed:
            found.setdefault(NUMBER, _around(squeezed, squeezed.index(NUMBER)))
    return found


_BETWEEN = re.compile(r"(?<=[0-9])(?:\(0\)|[\s().\-/_]){1,4}(?=[0-9])")


def _around(text: str, place: int) -> str:
    return text[max(place - 80, 0) : place + 80]
