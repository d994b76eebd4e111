"""Webhooks: the same facts as the lists in other spellings, more events than they have, signed rightly and wrongly."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import jwt
import pytest

from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.webhooks.signing import RIGHT, SIGNINGS, Signer, payload_hash

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.webhooks.delivery import Delivery

    Json = dict[str, Any]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "live"


def read(delivery: Delivery) -> Json:
    """Read a request as a receiver would: JSON in any form, a form, or parameters."""
    if delivery.method == "GET" or "urlencoded" in delivery.headers.get("Content-Type", ""):
        text = delivery.query or delivery.body.decode()
        return dict(parse_qsl(text, keep_blank_values=True))
    value = json.loads(delivery.body.decode("utf-8-sig"))
    return value[0] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def plain() -> Sandbox:
    return Sandbox(conversations=40, transient=0.3)


@pytest.fixture(scope="module")
def odd() -> Sandbox:
    return Sandbox(conversations=40, transient=0.3, quirks=True)


@pytest.fixture(scope="module")
def wide() -> Sandbox:
    """A world in which calls end in every way."""
    return Sandbox(conversations=240, transient=0.3)


@pytest.mark.parametrize("kind", ["plain", "odd"])
def test_webhooks_tell_what_the_lists_and_the_truth_hold(
    kind: str, request: pytest.FixtureRequest, agree: Callable[[Any, Any], None]
) -> None:
    from tests.sandbox.conftest import Count

    sandbox: Sandbox = request.getfixturevalue(kind)
    truth, count, last = sandbox.truth(), Count(), dict.fromkeys(sandbox.truth().sequence_numbers, 0)
    for delivery in sandbox.deliveries(voice=False, shuffle=True, quirks=kind == "odd"):
        event = read(delivery)
        assert event["application_id"] == sandbox.application_id
        assert "_links" not in event
        if delivery.listed:
            assert event["conversation_id"] == delivery.conversation_id
            number = int(event["id"])
            count.add({"body": {}, **event})
            last[delivery.conversation_id] = max(last[delivery.conversation_id], number)
    agree(truth, (count, last, truth.members))


def test_webhooks_spell_numbers_their_own_way(plain: Sandbox) -> None:
    deliveries = plain.deliveries(voice=False)
    hangups = [each.event["body"] for each in deliveries if each.kind.endswith(":hangup")]
    assert {type(body["reason"]["sip_code"]) for body in hangups} == {int}
    assert {frozenset(body["bandwidth"]) for body in hangups if "bandwidth" in body} == {
        frozenset({"bytes_in", "bytes_out"})
    }
    statuses = [each.event["body"] for each in deliveries if each.kind == "leg:status:update"]
    assert not any("state" in part for body in statuses for part in [body, *body["statusHistory"]])
    assert {type(each.event["body"]["event_id"]) for each in deliveries if each.kind == "message:seen"} == {int}
    answers = [each.event for each in deliveries if each.kind == "rtc:answer"]
    assert all({"isFromMB", "session_destination"} <= event.keys() - event["body"].keys() for event in answers)


def test_what_was_deleted_later_went_out_whole(plain: Sandbox) -> None:
    world, deliveries = plain.world, plain.deliveries(voice=False)
    sent = {(each.conversation_id, each.event_id): each.event for each in deliveries if each.listed}
    deleted = 0
    for ordinal in world.ordinals:
        conversation = world.conversation(ordinal)
        for number in conversation.deleted:
            listed = json.loads(conversation.rendered[conversation.event_ids.index(number)])
            assert "deleted" in listed["body"]["timestamp"]
            assert "deleted" not in sent[conversation.id, number]["body"].get("timestamp", {})
            deleted += 1
    assert deleted >= 3


def samples(stem: str) -> list[Json]:
    text = json.loads((FIXTURES / f"{stem}.json").read_text())
    return text.get("deliveries", [text])


@pytest.fixture(scope="module")
def bodies(wide: Sandbox) -> list[Json]:
    # Unlisted ones come from calls and chats alone.
    return [each.event for each in wide.deliveries(signing="unsigned")]


@pytest.mark.parametrize(
    "stem",
    ["rtc_app_knocking", "rtc_sip_ringing_knocker", "rtc_conversation_created_deleted", "voice_started_ringing",
     "voice_answered", "voice_busy_cancelled_timeout", "voice_rejected", "voice_human_machine", "voice_disconnected",
     "voice_record", "voice_transfer", "voice_input_asr", "voice_completed", "voice_failed"],
)  # fmt: skip
def test_bodies_have_the_keys_of_the_contract(bodies: list[Json], stem: str) -> None:
    for sample in samples(stem):
        alike = [
            body
            for body in bodies
            if all(body.get(name) == sample.get(name) for name in ("type", "status", "sub_state"))
            and ("id" in body) == ("id" in sample)
            and ("speech" in body, "recording_url" in body) == ("speech" in sample, "recording_url" in sample)
        ]
        assert sample.keys() in [body.keys() for body in alike], (sample, [sorted(body) for body in alike[:3]])
        if "channel" in sample.get("body", {}):
            shown = next(body for body in alike if body["body"]["channel"]["type"] == "phone")
            assert shown["body"].keys() == sample["body"].keys()
            assert shown["body"]["channel"].keys() == sample["body"]["channel"].keys()


def test_only_webhooks_see_knockers_typing_offers_and_the_ends_of_conversations(wide: Sandbox) -> None:
    deliveries = wide.deliveries(voice=False, signing="unsigned")
    unlisted = Counter(each.kind for each in deliveries if not each.listed)
    assert unlisted.keys() == {
        "app:knocking", "app:knocking:cancel", "sip:ringing", "leg:status:update", "conversation:created",
        "conversation:deleted", "text:typing:on", "text:typing:off", "rtc:offer", "ephemeral",
    }  # fmt: skip
    assert all("id" not in each.event for each in deliveries if not each.listed)
    without_conversation = {each.kind for each in deliveries if "conversation_id" not in each.event}
    assert without_conversation == unlisted.keys() - {"text:typing:on", "text:typing:off", "rtc:offer", "ephemeral"}
    transient = {call.conversation_id for call in wide.truth().calls if call.transient}
    assert {each.conversation_id for each in deliveries if each.kind == "conversation:deleted"} == transient
    last = {each.conversation_id: each.kind for each in deliveries if not each.kind.endswith(":status")}
    assert {last[gone] for gone in transient} == {"conversation:deleted"}


def test_expired_conversations_say_so() -> None:
    sandbox = Sandbox(conversations=60, ttl_hours=48)
    deleted = {each.conversation_id for each in sandbox.deliveries(voice=False) if each.kind == "conversation:deleted"}
    assert deleted == {sandbox.world.head(o).id for o in sandbox.world.ordinals if sandbox.lifetimes.is_expired(o)}
    assert deleted


@pytest.mark.parametrize("kind", ["plain", "odd", "wide"])
def test_voice_events_tell_the_money_and_the_outcome_of_each_leg(kind: str, request: pytest.FixtureRequest) -> None:
    sandbox: Sandbox = request.getfixturevalue(kind)
    calls = {call.leg_id: call for call in sandbox.truth().calls}
    outcomes: dict[str, list[str]] = {}
    price, duration = Decimal(0), 0
    for delivery in sandbox.deliveries(rtc=False, get=0.3, quirks=kind == "odd", shuffle=False):
        event = read(delivery)
        assert "application_id" not in event
        if delivery.leg_id is not None and "status" in event:
            uuid = event.get("uuid") or event["call_uuid"]
            assert uuid.replace("-", "") == delivery.leg_id.replace("-", "")
            assert event["conversation_uuid"].removeprefix("CON-") == delivery.conversation_id.removeprefix("CON-")
            outcomes.setdefault(delivery.leg_id, []).append(event["status"])
        if event.get("status") == "completed":
            price += Decimal(str(event.get("price") or 0))
            duration += int(event.get("duration") or 0)
    assert price == sandbox.truth().price_sum
    assert duration == sandbox.truth().duration_s_sum
    assert outcomes.keys() == calls.keys()
    for leg_id, statuses in outcomes.items():
        known = [status for status in statuses if status not in {"on_hold", "success"}]
        assert known[0] == "started"
        assert known[-1] == ("rejected" if calls[leg_id].status == "rejected" else "completed")
        assert calls[leg_id].status in known


def test_night_by_night_the_same_is_sent_as_at_once(serve: Callable[..., Any]) -> None:
    sandbox, client = serve(conversations=40, transient=0.3, ttl_hours=30)
    whole = sandbox.deliveries(drop=0.1, duplicates=0.1, signing="unsigned")
    nights = [datetime(2026, 11, 13, tzinfo=UTC) + timedelta(days=n) for n in range(10)]
    told: list[Delivery] = []
    for before, night in itertools.pairwise(nights):
        sandbox.clock.set(night)
        new = sandbox.deliveries(since=before, drop=0.1, duplicates=0.1, signing="unsigned")
        assert all(before < each.at <= night for each in new)
        told += new
        # What was deleted by now cannot be read, and what was not deleted can.
        deleted = {each.conversation_id for each in told if each.kind == "conversation:deleted"}
        begun = {each.conversation_id for each in told if each.kind == "conversation:created"}
        for ordinal in sandbox.world.ordinals:
            conversation_id = sandbox.world.head(ordinal).id
            if conversation_id in deleted:
                assert client.get(f"/v1/conversations/{conversation_id}").status_code == 404
            elif conversation_id in begun:
                assert client.get(f"/v1/conversations/{conversation_id}").status_code == 200
    sandbox.clock.set(None)

    def identity(each: Delivery) -> Any:
        return each.interface, each.kind, each.at, each.conversation_id, each.leg_id, each.dropped, each.repeated

    # After the world's end the last conversations expire, too.
    late = [each for each in told if each.kind == "conversation:deleted" and each.at > nights[7]]
    assert sorted(map(str, map(identity, whole + late))) == sorted(map(str, map(identity, told)))


# -- order


def test_what_is_lost_or_sent_twice_is_drawn_by_the_seed_alone(odd: Sandbox) -> None:
    def fate(**plan: Any) -> dict[Any, tuple[bool, int]]:
        sent = odd.deliveries(duplicates=0.05, drop=0.02, signing="unsigned", **plan)
        times = Counter(id(each.event) for each in sent)
        found: dict[Any, Any] = {}
        for place, each in enumerate(sent):
            key = (each.interface, each.kind, each.at, each.conversation_id, each.leg_id, each.event_id)
            assert each.repeated == (key in found), place
            found[key] = (each.dropped, times[id(each.event)])
        return found

    usual = fate()
    assert fate(shuffle=True) == usual == fate(shuffle=5.0, get=0.5, quirks=False)
    assert fate(seed=1) != usual
    dropped, twice = (sum(pick(one) for one in usual.values()) / len(usual) for pick in (_lost, _twice))
    assert 0.01 < dropped < 0.03
    assert 0.035 < twice < 0.06


def _lost(fate: tuple[bool, int]) -> bool:
    return fate[0]


def _twice(fate: tuple[bool, int]) -> bool:
    return fate[1] == 2


def test_shuffling_moves_events_as_far_as_asked_for(plain: Sandbox) -> None:
    in_order = [each.at for each in plain.deliveries()]
    assert in_order == sorted(in_order)
    neighbours = [each.at for each in plain.deliveries(shuffle=3.0)]
    assert neighbours != in_order
    assert sorted(neighbours) == in_order
    assert all((earlier - later).total_seconds() <= 3 for earlier, later in itertools.pairwise(neighbours))
    anywhere = [each.at for each in plain.deliveries(shuffle=True)]
    first_half = sum(at <= in_order[len(in_order) // 2] for at in anywhere[: len(anywhere) // 2])
    assert 0.45 < first_half / (len(anywhere) // 2) < 0.55


def test_legs_that_arrive_and_end_are_those_that_bodies_name(plain: Sandbox) -> None:
    deliveries = plain.deliveries(drop=0.6, transient_only=True, signing={"unsigned": 0.1, "stale": 0.1})
    seen, ended = set(), set()
    final = {"completed", "busy", "timeout", "cancelled", "rejected", "failed", "unanswered"}
    for each in deliveries:
        if each.dropped or each.signing not in RIGHT:
            continue
        event = each.event
        body = event.get("body", {})
        if each.interface == "voice" and "status" in event and "transcription_url" not in event:
            leg, over = event.get("uuid") or event["call_uuid"], event["status"] in final
        elif each.kind == "leg:status:update":
            leg, over = body["leg_id"], body["status"] in final
        elif each.kind.startswith(("sip:", "rtc:", "member:")) and each.kind not in {
            "sip:status",
            "rtc:status",
            "rtc:offer",
        }:
            leg, over = (body.get("channel") or {}).get("id") or body.get("rtc_id"), each.kind.endswith(":hangup")
        else:
            continue
        if leg:
            seen.add(leg)
            ended |= {leg} if over else set()
    assert deliveries.begun == seen
    assert deliveries.ended == ended < seen
    transient = {call.leg_id for call in plain.truth().calls if call.transient}
    assert {call.conversation_id for call in plain.truth().calls if call.leg_id in seen}
    assert seen <= transient
    assert plain.deliveries().begun == plain.deliveries().ended == {call.leg_id for call in plain.truth().calls}


# -- signatures


def verified(sandbox: Sandbox, delivery: Delivery) -> Json:
    token = delivery.headers["Authorization"].removeprefix("Bearer ")
    return jwt.decode(token, sandbox.signature_secret, algorithms=["HS256"], options={"verify_iat": False})


def test_every_right_signature_fits_the_bytes_that_are_sent(odd: Sandbox) -> None:
    forms: Counter[str] = Counter()
    for delivery in odd.deliveries(get=0.2, signing={"skewed": 0.1}, duplicates=0.1):
        claims = verified(odd, delivery)
        assert (claims["iss"], claims["api_key"]) == ("Vonage", odd.api_key)
        assert claims["application_id"] == odd.application_id
        raw, event = delivery.body, read(delivery)
        pairs = dict(parse_qsl(delivery.query, keep_blank_values=True))
        parsed = {name: json.loads(text) if text[:1] in "{[" and text else text for name, text in pairs.items()}
        hashes = {
            "body": raw,
            "re-serialised": json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(),
            "parameters": json.dumps(pairs, separators=(",", ":"), ensure_ascii=False).encode(),
            "parsed": json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode(),
        }
        fitting = [name for name, text in hashes.items() if hashlib.sha256(text).hexdigest() == claims["payload_hash"]]
        assert fitting
        forms[fitting[0] if delivery.method == "POST" else f"GET {fitting[-1]}"] += 1
    assert forms.keys() == {"body", "re-serialised", "GET parameters", "GET parsed"}
    ids = [verified(odd, each)["jti"] for each in odd.deliveries(ordinals=(1, 2, 3), duplicates=0.5)]
    assert len(set(ids)) == len(ids)


def test_signatures_are_wrong_in_the_way_that_was_asked_for(plain: Sandbox) -> None:
    body, now = b'{"a":1}', 1_795_166_262.0
    shown = {how: dict(plain.signer.headers(body, "", now, how)) for how in SIGNINGS}
    assert shown["unsigned"] == {}
    assert shown["empty"] == {"Authorization": "Bearer "}
    wrong = {}
    for how, headers in shown.items():
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            continue
        algorithm, claims = (
            jwt.get_unverified_header(token)["alg"],
            jwt.decode(token, options={"verify_signature": False}),
        )
        try:
            jwt.decode(
                token, plain.signature_secret, algorithms=["HS256"], options={"verify_iat": False, "verify_exp": False}
            )
            signed = True
        except jwt.PyJWTError:
            signed = False
        faults = {
            "algorithm": algorithm != "HS256", "signature": not signed, "hash": "payload_hash" not in claims,
            "body": claims.get("payload_hash") not in {None, hashlib.sha256(body).hexdigest()},
            "key": claims["api_key"] != plain.api_key, "application": claims["application_id"] != plain.application_id,
            "issuer": claims["iss"] != "Vonage", "past": claims["iat"] < now - 300, "future": claims["iat"] > now + 60,
            "expired": claims.get("exp", now + 1) < now,
        }  # fmt: skip
        wrong[how] = {fault for fault, there in faults.items() if there}
    assert all(wrong[how] == set() for how in RIGHT)
    assert {how: faults for how, faults in wrong.items() if how not in RIGHT} == {
        "wrong_secret": {"signature"}, "unknown_key": {"key"}, "no_hash": {"hash"}, "changed_body": {"body"},
        "other_application": {"application"}, "stale": {"past"}, "from_the_future": {"future"},
        "no_algorithm": {"algorithm", "signature"}, "public_key": {"algorithm", "signature"},
        "other_issuer": {"issuer"}, "expired": {"expired"},
    }  # fmt: skip


def test_the_contracts_vector_is_hashed_and_signed_the_same() -> None:
    vector = json.loads((FIXTURES / "signed_webhook.json").read_text())
    body = vector["request"]["body"].encode()
    assert payload_hash(body) == vector["claims"]["payload_hash"]
    claims = vector["claims"]
    signer = Signer(claims["api_key"], claims["application_id"], vector["secret"], "")
    token = signer.headers(body, "", claims["iat"])["Authorization"].removeprefix("Bearer ")
    ours = jwt.decode(token, vector["secret"], algorithms=["HS256"], options={"verify_iat": False})
    assert {**ours, "jti": ""} == {**claims, "jti": ""}


def test_nothing_secret_is_shown(plain: Sandbox) -> None:
    shown = repr([*plain.deliveries(ordinals=(1, 2)), plain.signer, plain.account, replace(plain.signer)])
    for secret in (plain.signature_secret, plain.api_secret, "Bearer", "PRIVATE"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("plan", "named"), [({"drop": 1.2}, "drop"), ({"get": -1}, "get"), ({"signing": "upside down"}, "upside down")]
)
def test_plans_that_cannot_be_are_refused(plain: Sandbox, plan: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        plain.deliveries(**plan)
