"""The mask alone: every kind with every action, one person one token, and nothing personal comes out."""

from __future__ import annotations

import json
import pickle
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conv_analytics.errors import ConfigError
from conv_analytics.privacy import DEFAULTS, KEY_VARIABLE, Action, Kind, Mask, exposed, load_key, read_rules

KEY = b"sixteen bytes and a few more"
MASK = Mask(KEY)


def masked(value: Any, mask: Mask = MASK) -> Any:
    return json.loads(mask.page(json.dumps(value).encode()))


def body(kind: str, mask: Mask = MASK, **inside: Any) -> Any:
    page = {"_embedded": {"events": [{"id": 1, "type": kind, "body": inside}]}}
    return masked(page, mask)["_embedded"]["events"][0]["body"]


#: Per kind: an event's type and body, and where in the body the value of the kind is.
PLACES: dict[Kind, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    Kind.PHONE: ("sip:ringing", {"channel": {"from": {"number": "447700900000"}}}, ("channel", "from", "number")),
    Kind.SIP: ("sip:ringing", {"channel": {"to": {"uri": "sip:alice@pbx.example"}}}, ("channel", "to", "uri")),
    Kind.NAME: ("member:joined", {"user": {"id": "USR-1", "name": "alice"}}, ("user", "name")),
    Kind.TEXT: ("message", {"message_type": "text", "text": "see you at nine"}, ("text",)),
    Kind.DTMF: ("audio:dtmf", {"digits": "4711#"}, ("digits",)),
    Kind.CUSTOM: ("message", {"custom": {"ticket": "T-alice"}}, ("custom",)),
    Kind.URL: ("message", {"image": {"url": "https://host.example/alice.png"}}, ("image", "url")),
    Kind.ADDRESS: ("message", {"location": {"address": "1 Alice Street"}}, ("location", "address")),
    Kind.UNKNOWN: ("message", {"brand_new": "alice"}, ("brand_new",)),
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_with_every_action(kind: Kind) -> None:
    event, inside, path = PLACES[kind]

    def seen(action: str) -> Any:
        value: Any = body(event, Mask(KEY, {kind: action}), **inside)
        for key in path:
            value = value[key]
        return value

    original: Any = inside
    for key in path:
        original = original[key]
    assert seen("keep") == original
    assert seen("drop") == ({} if isinstance(original, dict) else None)
    hashed = seen("hash")
    assert hashed not in (original, None)
    assert hashed == seen("hash")
    assert "alice" not in json.dumps(hashed)
    other = body(event, Mask(b"quite another key of mine", {kind: "hash"}), **inside)
    assert json.dumps(hashed) not in json.dumps(other)


def test_one_person_has_one_token() -> None:
    channel = {
        "id": "leg-1",
        "type": "phone",
        "from": {"type": "phone", "number": "447700900000"},
        "to": {"type": "sip", "uri": "sip:+447700900000:secret@pbx.example;transport=tls", "username": "447700900000"},
    }
    found = body("sip:status", channel=channel, **{"from": "+44 7700 900000", "to": 447700900000})
    token = found["from"]
    assert token.startswith("44x")
    assert len(token) == 19
    assert found["to"] == found["channel"]["from"]["number"] == found["channel"]["to"]["username"] == token
    assert found["channel"]["to"]["uri"] == f"sip:{token}@pbx.example"
    assert found["channel"]["id"] == "leg-1"
    assert masked({"name": "0044 7700 900000"})["name"] == token
    assert masked({"numbers": [{"number": "00447700900000"}]})["numbers"][0]["number"] == token
    assert body("tomorrow:type", caller="447700900000")["caller"] == token
    assert body("custom:x", deep=[{"who": "447700900000"}])["deep"][0]["who"] == token
    assert masked({"from": {"user": "alice"}})["from"]["user"] == masked({"name": "alice"})["name"]
    assert masked({"uri": "sips:alice@a.example"})["uri"] == f"sips:{masked({'name': 'alice'})['name']}@a.example"
    # A national number may be anybody's: it is nobody's international one.
    assert masked({"from": "07700 900000"})["from"] != token
    assert not masked({"from": "07700 900000"})["from"].startswith("44")


def test_a_short_number_is_a_number_too() -> None:
    mask = Mask(KEY, {"name": "keep"})
    token = masked({"number": "12345"}, mask)["number"]
    assert token == masked({"from": "12345"}, mask)["from"] == masked({"extension": 12345}, mask)["extension"]
    assert token.startswith("x")
    assert masked({"number": "12-PIZZA"}, mask)["number"] != "12-PIZZA"
    assert masked({"from": "PIZZA"}, mask)["from"] == "PIZZA"


def test_what_tells_of_nobody_stays() -> None:
    event = {
        "id": 12,
        "type": "sip:hangup",
        "from": "MEM-92631bfc-05d7-4df6-a9ce-7697dc571352",
        "timestamp": "2026-11-13T07:17:29.920Z",
        "body": {
            "direction": "inbound",
            "quality": {"mos_score": "4.5", "packet_cnt": 9051, "flaw_total": 0},
            "bandwidth": {"byte_in": 1556772},
            "reason": {"text": "Normal call clearing", "code": "REMOTE_HANGUP", "sip_code": "200"},
            "channel": {"id": "d93b4bfb-87c1-4ed1-a5b3-659ab98db2cb", "type": "phone", "legs": [{"leg_id": "x"}]},
            "state": {"status": "completed", "successful": True, "reason": "busy_here"},
            "invited_by": "USR-86295725-0b02-49e4-a6f4-ef72eef4ff99",
            "cname": "NAM-a444008a-379f-4d0e-aff2-130d1654a9db",
        },
        "_embedded": {"from_user": {"id": "USR-1", "display_name": None}, "from_member": {"id": "MEM-1"}},
    }
    page = {"page_size": 100, "_embedded": {"events": [event]}, "_links": {"next": {"href": "/v1/users?cursor=a%2Bb"}}}
    assert masked(page) == page
    as_list = {"_embedded": [event]}
    assert masked(as_list) == as_list


def test_a_value_that_does_not_look_like_its_key_is_masked() -> None:
    found = body("sip:hangup", direction="to Alice", start_time="ask Alice", duration="Alice", leg_id="alice @ home")
    assert "lice" not in json.dumps(found)
    assert body("message", message_type="447700900000")["message_type"].startswith("44x")


def test_unknown_types_and_keys_leak_nothing() -> None:
    secretive = {"status": "gold", "who": "Alice", "geo": {"at": 51.507351, "n": 3}, "phones": [447700900000]}
    found = body("crm:customer", **secretive, number="447700900000", channel={"id": "leg-1"})
    assert found["channel"] == {"id": "leg-1"}
    assert found["geo"]["n"] == 3
    assert not {"gold", "Alice", "51.507", "447700900000"} & set(json.dumps(found).replace('"', " ").split())
    assert found["phones"] == [found["number"]]
    by_person = body("custom:x", **{"Alice Smith": 1, "447700900000": 2, "ticket_no": 3})
    assert set(by_person) > {"ticket_no"}
    assert "Alice" not in json.dumps(by_person)
    assert "447700900000" not in json.dumps(by_person)


def test_custom_events_are_custom_data_whatever_their_keys() -> None:
    for kind in ("custom", "custom:order", "Custom:Order", "ephemeral"):
        found = body(kind, status="alice", type="bob", id="carol", n=4711, flag=True, none=None)
        assert found["flag"] is True
        assert found["none"] is None
        assert not {"alice", "bob", "carol", 4711} & set(found.values())
    assert body("custom:x", Mask(KEY, {"custom": "keep"}), status="alice") == {"status": "alice"}
    assert body("custom:x", Mask(KEY, {"custom": "drop"}), status="alice") == {}
    deleted = {"timestamp": {"deleted": "2026-11-18T13:27:20.685Z"}}
    assert body("custom:x", **deleted) == deleted


def test_secrets_go_whatever_the_rules_are() -> None:
    everything = Mask(KEY, dict.fromkeys(Kind, "keep"))
    for mask in (MASK, everything):
        found = body("rtc:answer", mask, answer="v=0 sdp", channel={"to": {"uri": "sip:a@b.example", "password": 4711}})
        assert found["answer"] == found["channel"]["to"]["password"] == "[redacted]"
        assert masked({"_embedded": {"api_key": "abcd1234"}}, mask) == {"_embedded": {"api_key": "[redacted]"}}


def test_a_text_keeps_its_length_and_a_digit_nothing() -> None:
    assert body("message", text="see you")["text"].endswith("_7")
    assert body("audio:dtmf", digits="1", dtmf_seq=3) == {"digits": None, "dtmf_seq": 3}
    assert body("message", text="")["text"] == ""


def test_hosts_stay_and_addresses_of_networks_do_not() -> None:
    assert masked({"image_url": "https://u:p@img.example/a?b=c"})["image_url"].startswith("https://img.example/l_")
    assert "203.0.113.9" not in masked({"uri": "sip:bob@203.0.113.9:5060"})["uri"]
    assert "2001:db8" not in masked({"uri": "sip:bob@[2001:db8::1]"})["uri"]
    assert masked({"uri": '"Alice" <sip:bob@pbx.example;x=y>'})["uri"] == masked({"uri": "sip:bob@pbx.example"})["uri"]
    assert masked({"uri": "tel:+447700900000"})["uri"] == f"tel:{masked({'number': '447700900000'})['number']}"


HALF = rb'{"id": 1, "type": "message", "body": {"message_type": "text", "text": "alice \ud83d", "n": 5}}'
DEEP = b'{"id": 2, "type": "message", "body": {"text": ' + b'["alice", ' * 3000 + b"1" + b"]" * 3000 + b"}}"
HUGE = b'{"id": 3, "type": "message", "from": ' + b"4" * 5000 + b', "body": {"text": "alice"}}'
LATIN = '{"id": 4, "type": "custom:x", "body": {"who": "älice"}}'.encode("latin-1")
GARBAGE = b'{"id": 5, "type": alice, "body": {"text": alice, "message_type": "text"}}'
CUT = b'{"id": 6, "type": "message", "body": {"text": "alice" "alice"}, "my alice": {"a" "b"}}'


def test_what_cannot_be_read_is_replaced_value_by_value() -> None:
    page = b"\xef\xbb\xbf" + b'{"_embedded": {"events": [' + b",".join([HALF, DEEP, HUGE, LATIN, GARBAGE, CUT]) + b"]}}"
    out = MASK.page(page)
    assert b"lice" not in out
    assert b"4444444" not in out
    events = json.loads(out)["_embedded"]["events"]
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[0]["body"]["n"] == 5
    assert events[0]["body"]["message_type"] == "text"
    assert events[4]["type"]["unreadable"]["bytes"] == 5
    # Of which type it is nobody knows: only what has no key of a known type passes.
    assert events[4]["body"]["message_type"].startswith("u_")


@pytest.mark.parametrize("whole", [b"", b"alice", b"[alice", b'"alice', b"<p>alice</p>", b'{"alice', bytes(range(256))])
def test_what_is_no_json_at_all_never_raises(whole: bytes) -> None:
    out = MASK.page(whole)
    assert b"alice" not in out
    json.loads(out)


# -- any JSON at all

PLANT = "zqPLANTqz"
_KEYS = """from to number uri user name text digits custom_data url address state type id body channel _embedded events
    image location reason error template parameters headers timestamp status password _links properties x"""
_WORDS = st.sampled_from(_KEYS.split())
_PLANTED = st.sampled_from(
    [f"{PLANT} was here", f"sip:{PLANT}@h.example", f"https://h.example/{PLANT}", f"{PLANT}@mail.example", f" {PLANT}!"]
)
_LEAVES = st.one_of(_PLANTED, st.none(), st.booleans(), st.integers(), st.text(string.printable, max_size=5))
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | _PLANTED, inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_JSON)
@example({"_embedded": {"events": [{"type": "custom:x", "body": {f"{PLANT} ": f"{PLANT} "}}]}})
def test_no_planted_text_comes_out(value: Any) -> None:
    out = MASK.page(json.dumps(value).encode())
    assert PLANT.lower().encode() not in out.lower()
    if not isinstance(value, dict | list):
        return
    # The slow way, taken for what no decoder reads, masks alike.
    slow = MASK._mender._by_hand(json.dumps(value).encode(), MASK._walker.page, 0)
    assert PLANT.lower().encode() not in slow.lower()
    assert json.loads(slow) == json.loads(out)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"(\+|00)?[1-9][0-9]{8,13}", fullmatch=True), _WORDS)
def test_no_phone_number_comes_out(number: str, key: str) -> None:
    for value in (number, int(number), f"sip:{number}@h.example", f"tel:{number}"):
        # A number under a key that counts, or says when, may have any digits.
        if isinstance(value, str) or key not in {"id", "timestamp"}:
            out = MASK.page(json.dumps({"_embedded": {"events": [{"id": 1, "body": {key: value}}]}}).encode())
            assert number.lstrip("+0").encode() not in out


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["message", "custom:x", "never:heard", "sip:status"]), _JSON)
def test_the_quick_way_through_events_masks_like_the_slow_one(kind: str, value: Any) -> None:
    events = [{"id": 1, "type": kind, "timestamp": "2026-11-19T10:00:00Z", "body": value}, {"id": 2, "x": value}]
    page = json.dumps({"page_size": 10, "_embedded": {"events": [*events, *events]}}).encode()
    out = MASK.page(page)
    assert PLANT.lower().encode() not in out.lower()
    walked = MASK._walker.value(json.loads(page), MASK._walker.page)
    # Links are emptied either way; what stands in their place when it is no object does not matter.
    assert _without_links(json.loads(out)) == _without_links(walked)


def _without_links(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_links(inner) for key, inner in value.items() if key != "_links"}
    return [_without_links(item) for item in value] if isinstance(value, list) else value


# -- keys and rules


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "mask.key"
    file.write_bytes(KEY + b"\n")
    file.chmod(0o600)
    assert load_key(file) == load_key(environ={KEY_VARIABLE: KEY.decode()}) == KEY
    assert not exposed(file)
    file.chmod(0o644)
    assert exposed(file)
    assert Mask.load(key_file=file) == MASK


def test_a_bad_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a key"):
        load_key(environ={})
    with pytest.raises(ConfigError, match="No such file"):
        load_key(tmp_path / "none")
    (tmp_path / "short").write_text("hunter2")
    with pytest.raises(ConfigError, match="has 7 bytes; it must have at least 16") as caught:
        load_key(tmp_path / "short")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="at least 16"):
        Mask("short")


def test_rules_are_read_from_text_and_file(tmp_path: Path) -> None:
    assert read_rules() == DEFAULTS
    (tmp_path / "rules").write_text("phone=keep  # for the map\ntext = drop\n")
    rules = read_rules(f"@{tmp_path / 'rules'}")
    assert (rules[Kind.PHONE], rules[Kind.TEXT], rules[Kind.DTMF]) == (Action.KEEP, Action.DROP, Action.DROP)
    for wrong in ("phones=keep", "phone=hide", "exports/"):
        with pytest.raises(ConfigError, match="is not a mask rule"):
            read_rules(wrong)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rules(f"@{tmp_path / 'none'}")


def test_a_mask_shows_its_key_to_nobody() -> None:
    assert KEY.decode() not in repr(MASK) + str(MASK.settings())
    assert MASK.key_id != Mask(KEY + b"!").key_id
    with pytest.raises(TypeError, match="must not be stored"):
        pickle.dumps(MASK)
