"""One number is one person, and an id is an id, however they are spelled; what is shown is masked by one rule."""

from __future__ import annotations

import json
import string
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.privacy import Mask
from conv_analytics.privacy.characters import plain
from conv_analytics.privacy.display import Display
from conv_analytics.privacy.identifiers import opaque
from conv_analytics.privacy.tokens import Tokens

KEY = b"sixteen bytes and a few more"
MASK = Mask(KEY)
UNSEEN = "\u202a\u202c\u200e\u200f\u200b\u2060\ufeff\u00ad\u061c\u2066\u2069"
SPACES = " \u00a0\u2007\u2009\u202f\u3000"
DIGITS = (
    "0123456789",
    "٠١٢٣٤٥٦٧٨٩",
    "۰۱۲۳۴۵۶۷۸۹",
    "०१२३४५६७८९",
    "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19",
)


def event(kind: str, **body: Any) -> Any:
    page = {"_embedded": {"events": [{"id": 1, "type": kind, "body": body}]}}
    return json.loads(MASK.page(json.dumps(page).encode()))["_embedded"]["events"][0]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_number_has_one_token_in_every_spelling(data: st.DataObject) -> None:
    digits = data.draw(st.sampled_from(DIGITS))
    parts = [data.draw(st.sampled_from(["", "+", "00", "\uff0b"])).translate(str.maketrans(string.digits, digits))]
    for char in "447700900123":
        parts += [data.draw(st.text(UNSEEN, max_size=2)), digits[int(char)]]
        parts.append(data.draw(st.sampled_from(["", "", "-", ".", *SPACES, "\u2011", "/"])))
    spelled = "".join(parts[:-1])
    token = event("sip:ringing", **{"from": "447700900123"})["body"]["from"]
    assert token.startswith("44x")
    body = event("sip:ringing", **{"from": spelled, "channel": {"to": {"number": spelled}}, "who": spelled})["body"]
    assert body == {"from": token, "channel": {"to": {"number": token}}, "who": token}
    assert Display().party(spelled) == Display().party("447700900123")
    assert Display().text(f"call {spelled} back") == f"call {Display().party('447700900123')} back"


def test_a_name_has_one_token_in_every_spelling() -> None:
    names = ["Zo\u00eb Smith", "Zoe\u0308 Smith", "\u202aZo\u00eb\u00a0Smith\u202c", "Zo\u200b\u00eb Smith\ufeff"]
    assert len({event("member:joined", user={"name": name})["body"]["user"]["name"] for name in names}) == 1


@pytest.mark.parametrize("made", [
    "CON-d93b4bfb-87c1-4ed1-a5b3-659ab98db2cb", "d93b4bfb-87c1-4ed1-a5b3-659ab98db2cb",
    "d93b4bfb87c14ed1a5b3659ab98db2cb",
    "leg-1", "MEM-12", "USR-1", "member:MEM-92631bfc-05d7-4df6-a9ce-7697dc571352", "event:17", "rec-a1", "12",
])  # fmt: skip
def test_an_id_that_a_machine_made_stays(made: str) -> None:
    assert opaque(made)
    assert event("audio:say", say_id=made)["body"]["say_id"] == made
    assert Display().identifier(made) == made


@pytest.mark.parametrize("told", [
    "USR-AliceSmithson", "alice", "alice.smithson", "call-447700900123", "call-44-7700-900123", "447700900123x",
    "Bob Smith",
    "447700900123", "CON-447700900123", "leg:alice", "a\u202eb", "a" * 300, "\ud83d", "..", "a/b?c",
])  # fmt: skip
def test_any_other_id_is_encrypted_and_still_asked_for(told: str) -> None:
    tokens = Tokens(KEY)
    token = tokens.identifier(told)
    assert "lice" not in token
    assert "7700" not in token
    assert tokens.original(token) == told
    assert tokens.identifier(token) != told
    assert Tokens(KEY + b"!").original(token) == token
    assert Display().identifier(told) != told
    if told != "\ud83d":
        path = f"/v1/conversations/{quote(token, safe='')}/events"
        assert MASK.masked_path(MASK.unmasked_path(path)) == path
        page = {"_embedded": {"conversations": [{"id": told}]}}
        assert json.loads(MASK.page(json.dumps(page).encode()))["_embedded"]["conversations"][0]["id"] == token


def test_a_path_of_the_platform_stays_as_it_is() -> None:
    path = "/v1/conversations/CON-d93b4bfb-87c1-4ed1-a5b3-659ab98db2cb/events?cursor=i_%2B"
    assert MASK.unmasked_path(path) == MASK.masked_path(path) == path


def test_types_and_words_hold_no_number() -> None:
    found = event("custom:call-44-7700-900123", direction="to-447700900123", status="started", type="phone")
    assert found["type"].startswith("custom:u_")
    found = event("sip:status", direction="to-447700900123", status="started", network_code="GB-FIXED", price="0.01")
    assert found["body"]["direction"].startswith("u_")
    assert {**found["body"], "direction": ""} == {
        "direction": "", "status": "started", "network_code": "GB-FIXED", "price": "0.01",
    }  # fmt: skip


def test_numbers_stay_where_they_can_be_what_they_say() -> None:
    body = {"price": 447700900123, "start_time": 447700900123, "end_time": 1794999999999, "size": 12345678901}
    found = event("rtc:hangup", **body)["body"]
    assert found["price"] == found["start_time"] != 447700900123
    assert (found["end_time"], found["size"]) == (1794999999999, 12345678901)


def test_titles_of_problems_stay_and_names_do_not() -> None:
    titles = {"Not found.": True, "Internal server error": True, "Zaphod Beeblebrox": False, "Zaphod not found": False}
    for title, stays in titles.items():
        found = event("message:rejected", error={"title": title})["body"]["error"]["title"]
        assert (found == title) is stays, title


@pytest.mark.parametrize(("column", "value", "shown"), [
    ("remote_address", '"Alice Smithson" <sip:447700900123@203.0.113.7>', "sip:+44***0123#033"),
    ("network_code", "203.0.113.7", "address#fec"),
    ("network_code", "23410", "23410"),
    ("country", "GB", "GB"),
    ("channel_type", "Alice Smithson", "name#"),
    ("user_id", "USR-AliceSmithson", "USR-id#"),
    ("group", "channel_type=phone, user_id=USR-AliceSmithson", "channel_type=phone, user_id=USR-id#"),
    ("day", "2026-11-19", "2026-11-19"),
    ("rule", "poor > 0.03 by network_code", "poor > 0.03 by network_code"),
    ("n", 447700900123, 447700900123),
])  # fmt: skip
def test_a_cell_is_shown_by_its_column_and_its_value(column: str, value: Any, shown: Any) -> None:
    found = Display().column(column, value)
    assert found == shown or (isinstance(shown, str) and shown.endswith("#") and found.startswith(shown))
    assert Display().column(column, found) == found
    assert Display(on=False).column(column, value) == value


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_what_is_plain_stays_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    Display().text(text)
    Display().party(text)


@pytest.mark.parametrize(
    "written", ["4.47700900123e11", "44.7700900123E+10", '"4.47700900123e11"', '"447.700900123E9"']
)
def test_an_exponent_hides_no_number(written: str) -> None:
    page = f'{{"_embedded": {{"events": [{{"id": 1, "type": "sip:status", "body": {{"price": {written}}}}}]}}}}'
    masked = MASK.page(page.encode())
    assert b"7009" not in masked
    told = json.loads(masked)["_embedded"]["events"][0]["body"]["price"]
    assert told != pytest.approx(447700900123.0)


@pytest.mark.parametrize("price", ["0.0045", "1.5e2", "4.5E-03", 0.00150000, 4.4093184712])
def test_a_price_stays_with_an_exponent(price: Any) -> None:
    assert event("sip:status", price=price)["body"]["price"] == price


@pytest.mark.parametrize(
    "written", ["0.039900000000000000123", "1.50", "0.0045", "-0.0", "123456.7890123456789", f"1e{9:9>30}"]
)
def test_a_price_keeps_every_digit_that_it_was_written_with(written: str) -> None:
    for shape in ('{"events": [%s]}', "[%s]"):
        event = f'{{"id": 1, "type": "sip:status", "body": {{"price": {written}, "rate": {written}}}}}'
        page = MASK.page(f'{{"_embedded": {shape % event}}}'.encode())
        assert page.count(f":{written}".encode()) == 2, page


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text("0123456789", max_size=17),
            st.text("0123456789+ .\uff10\u0660\u00b2abcdef-:@x", max_size=18),
            st.sampled_from(["anonymous", "203.0.113.77", "agent.007", "sip:100@pbx.example.org", "\udc80"]),
        )
    )
)
def test_many_are_masked_as_each_is(values: list[str]) -> None:
    for display in (Display(), Display(on=False)):
        assert display.parties(values) == [display.party(value) for value in values]
