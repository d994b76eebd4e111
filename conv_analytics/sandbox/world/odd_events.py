"""Irregular events: the same facts under other names, types and shapes (contract 7 and 9)."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.odd_parts import odd_channel, odd_flag, odd_media, restamp, restamp_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.world.dice import Dice

Json = dict[str, Any]


def _rename(body: Json, old: str, *new: str, dice: Dice) -> None:
    if old in body:
        body[dice.pick((old, *new))] = body.pop(old)


def _hangup(body: Json, dice: Dice) -> None:
    if dice.chance(0.5):
        body["reason"]["sip_code"] = int(body["reason"]["sip_code"])
    if "bandwidth" in body and dice.chance(0.5):
        body["bandwidth"] = {
            "bytes_in": body["bandwidth"]["byte_in"],
            "bytes_out": body["bandwidth"]["byte_out"],
        }
    if "quality" in body and dice.chance(0.5):
        for name in dice.pick((("mos_score", "packet_cnt"), ("flaw_total", "packet_loss_perc"))):
            body["quality"][name] = str(body["quality"][name])


def _leg(body: Json, dice: Dice) -> None:
    history = body["statusHistory"]
    for entry in history:
        entry["date"] = restamp(entry["date"], dice)
    if dice.chance(0.4):
        for state in [body["state"], *(entry["state"] for entry in history)]:
            if "successful" in state:
                state["succssful"] = state.pop("successful")
    if dice.chance(0.3):
        body["type"] = body["type"].upper()
    if len(history) == 1 and dice.chance(0.6):
        body["statusHistory"] = history[0]
    _rename(body, "statusHistory", "status_history", dice=dice)


def _asr(body: Json, dice: Dice) -> None:
    asr = body["asr"]
    word = dice.pick(("word", "text"))
    as_text = dice.chance(0.5)
    if "results" in asr:
        asr["results"] = [
            {word: one["word"], "confidence": str(one["confidence"]) if as_text else one["confidence"]}
            for one in asr["results"]
        ]
        _rename(asr, "results", "result", dice=dice)


def _record(body: Json, dice: Dice) -> None:
    _rename(body, "mulitrack", "multitrack", "multi_track", dice=dice)
    _rename(body, "beep_stop", "beepEnd", "beep_end", dice=dice)
    _rename(body, "detect_speech", "detectSpeach", "detect_speach", dice=dice)
    _record_id(body, dice)


def _record_id(body: Json, dice: Dice) -> None:
    for name in ("recording_id", "record_id"):
        if name in body:
            text = body.pop(name)
            body[dice.pick(("recording_id", "record_id"))] = dice.pick((text, text.replace("-", "")))
            break
    if "event_id" in body:
        body["event_id"] = str(body["event_id"])


def _dtmf(body: Json, dice: Dice) -> None:
    _rename(body, "digits", "digit", dice=dice)
    if dice.chance(0.4):
        body.pop("method", None)
        body.pop("duration", None)


def _answer(body: Json, dice: Dice) -> None:
    _rename(body, "isFromMB", "isFromMb", "is_from_mb", dice=dice)


def _member(body: Json, dice: Dice) -> None:
    user = body.get("user")
    if isinstance(user, dict):
        _rename(user, "id", "user_id", dice=dice)
        _rename(user, "user_id", "id", dice=dice)
        if user.get("display_name", "") is None and dice.chance(0.5):
            del user["display_name"]
    for part in body.get("initiator", {}).values():
        odd_flag(part, dice)
    if isinstance(body.get("media"), dict):
        odd_media(body["media"], dice)
    if "timestamp" in body:
        restamp_all(body["timestamp"], dice)
    if body.get("invited_by", "") is None:
        body["invited_by"] = "<null>"


def _status(body: Json, dice: Dice) -> None:
    if body.get("direction") in {"in", "out"} and dice.chance(0.5):
        body["direction"] = {"in": "inbound", "out": "outbound"}[body["direction"]]
    if dice.chance(0.5):
        body["duration"] = int(body["duration"])
    for name in ("start_time", "end_time", "request_time"):
        if name in body:
            body[name] = restamp(body[name], dice)


def _message(body: Json, dice: Dice) -> None:
    template = body.get("template")
    if isinstance(template, dict) and "whatsapp" in template:
        body["whatsapp"] = template.pop("whatsapp")
    if "location" in body and dice.chance(0.6):
        for name in ("longitude", "latitude"):
            body["location"][name] = float(body["location"][name])
    if dice.chance(0.3):
        body["viber_service"] = {"type": "promotion", "ttl": 600, "tag": "x"}


def _receipt(body: Json, dice: Dice) -> None:
    for name in ("event_id", "original_event_id"):
        if name in body and dice.chance(0.6):
            body[name] = int(body[name])


def _play(body: Json, dice: Dice) -> None:
    body["stream_url"] = dice.pick(([], body["stream_url"][0], body["stream_url"]))


def _speaking(body: Json, dice: Dice) -> None:
    """Draw headers, id and type beside channel{from, to}, as SEED's type does."""
    channel = body["channel"]
    if dice.chance(0.5) and channel.get("id") is not None:
        body |= {name: channel.pop(name) for name in ("headers", "id", "type") if name in channel}


def _updated(body: Json, dice: Dice) -> None:
    _rename(body, "state", "status", dice=dice)
    restamp_all(body["timestamp"], dice)


ODD_BODIES: dict[str, Callable[[Json, Dice], None]] = {
    "sip:hangup": _hangup, "rtc:hangup": _hangup, "leg:status:update": _leg, "audio:asr:done": _asr,
    "audio:record": _record, "audio:record:stop": _record_id, "audio:record:done": _record_id,
    "audio:dtmf": _dtmf, "rtc:answer": _answer, "member:invited": _member, "member:joined": _member,
    "member:left": _member, "member:media": _member, "sip:status": _status, "rtc:status": _status,
    "message": _message, "message:submitted": _receipt, "message:delivered": _receipt,
    "message:seen": _receipt, "message:rejected": _receipt, "message:undeliverable": _receipt,
    "member:message:status": _receipt, "event:delete": _receipt, "audio:play": _play,
    "audio:speaking:on": _speaking, "audio:speaking:off": _speaking, "conversation:updated": _updated,
}  # fmt: skip


def odd_event(whole: Json, dice: Dice) -> Json:
    """Return an irregular copy of an event; custom bodies are the user's and stay as they are."""
    whole = deepcopy(whole)
    kind, body = whole["type"], whole["body"]
    way = ODD_BODIES.get(kind)
    if way is not None:
        way(body, dice)
    elif not kind.startswith("custom"):
        body["x_unknown"] = {"since": "v2", "List": [1, 2]}
    if isinstance(body.get("channel"), dict) and way is not _speaking:
        odd_channel(body["channel"], dice)
    whole["timestamp"] = restamp(whole["timestamp"], dice)
    _odd_envelope(whole, dice)
    return whole


def _odd_envelope(whole: Json, dice: Dice) -> None:
    way = dice.pick(("plain", "v0.1", "links", "no_links", "extra", "no_member"))
    if way == "v0.1":
        whole["_links"]["self"]["href"] = whole["_links"]["self"]["href"].replace("/v1/", "/v0.1/")
    elif way == "links":
        whole["_links"] = {}
    elif way == "no_links":
        del whole["_links"]
    elif way == "extra":
        whole |= {"to": "", "state": "", "cid": "x", "href": "/beta/x"}
    elif way == "no_member" and "_embedded" in whole:
        whole["_embedded"].pop("from_member")
        if whole["_embedded"]["from_user"]["display_name"] is None:
            del whole["_embedded"]["from_user"]["display_name"]
