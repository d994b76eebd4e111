"""A world as the tables that an export has of it, so that `legs` and `quality` run over what they always run over."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tests._helpers.worlds.audio import measured
from tests._helpers.worlds.legs import APP, CHANNELS, ENDINGS, OUTBOUND, PHONE, SIP, WEBSOCKET
from tests._helpers.worlds.world import World

_DIRECTIONS = ("inbound", "outbound")
#: SIP code -> last status, and its reason.
_WORDS = {
    200: ("completed", "ok"), 403: ("rejected", "forbidden"), 404: ("failed", "not_found"),
    408: ("timeout", "request_timeout"), 480: ("timeout", "temporarily_unavailable"),
    484: ("failed", "address_incomplete"), 486: ("busy", "busy_here"), 487: ("cancelled", "request_terminated"),
    488: ("failed", "failed"), 500: ("failed", "server_internal_error"), 502: ("failed", "bad_gateway"),
    503: ("failed", "service_unavailable"), 504: ("failed", "server_timeout"), 603: ("rejected", "rejected"),
}  # fmt: skip
_CODES = np.array(sorted(_WORDS))
_STATUSES = sorted({"started", "ringing", "answered", *(status for status, _ in _WORDS.values())})
_REASONS = sorted({reason for _, reason in _WORDS.values()})


def tables_of(world: World) -> dict[str, pd.DataFrame]:
    """The tables of the world's calls."""
    legs = world.legs
    names = _Names(world)
    ids = {"conversation_id": names.conversations, "leg_id": names.legs}
    hung_up_at = legs.ended_at
    steps = [(legs.start, "started"), (legs.start + legs.pdd, "ringing"), (legs.answered_at, "answered")]
    exists = [np.ones(len(legs), bool), legs.rings, legs.answered]
    known = np.searchsorted(_CODES, np.where(legs.answered, 200, legs.code))
    last = np.array([_STATUSES.index(_WORDS[code][0]) for code in _CODES])[known]
    reason = np.array([_REASONS.index(_WORDS[code][1]) for code in _CODES])[known]
    number = np.arange(len(legs)) * 10
    rows, at, status, why, order = [], [], [], [], []
    for step, ((instant, word), there) in enumerate(zip(steps, exists, strict=True)):
        chosen = np.flatnonzero(there)
        rows.append(chosen)
        at.append(instant[chosen])
        status.append(np.full(len(chosen), _STATUSES.index(word)))
        why.append(np.full(len(chosen), -1))
        order.append(number[chosen] + step)
    rows.append(np.arange(len(legs)))
    at.append(hung_up_at)
    status.append(last)
    why.append(reason)
    order.append(number + 4)
    which, instants, events = np.concatenate(rows), _instants(np.concatenate(at)), np.concatenate(order)
    direction = pd.Categorical.from_codes(legs.direction, _DIRECTIONS)
    channel = pd.Categorical.from_codes(legs.channel, CHANNELS)
    technology = pd.Categorical.from_codes(np.where(legs.channel == APP, 1, 0), ["sip", "rtc"])
    statuses = pd.DataFrame({
        **{name: _text(values[which]) for name, values in ids.items()},
        "event_id": events + 1, "at": instants, "status": pd.Categorical.from_codes(np.concatenate(status), _STATUSES),
        "reason": pd.Categorical.from_codes(np.concatenate(why), _REASONS), "direction": direction[which],
        "channel_type": channel[which], "member_id": _text(names.members[which]),
    })  # fmt: skip
    common = {
        **{name: _text(values) for name, values in ids.items()},
        "direction": direction, "channel_type": channel, "technology": technology,
        "from_member_id": _text(names.members), "from_user_id": _text(names.users), **names.ends,
    }  # fmt: skip
    hangups = pd.DataFrame(common | {
        "event_id": number + 6, "at": _instants(hung_up_at + 0.01),
        "reason_code": pd.Categorical.from_codes(legs.ending, ENDINGS), "sip_code": _counts(legs.code * 1.0),
        **{name: _counts(values) if name in {"flaw_total", "packet_cnt", "byte_in", "byte_out"} else values
           for name, values in measured(legs).items()},
    })  # fmt: skip
    seconds = np.where(legs.answered, np.ceil(legs.talk), 0)
    rates = np.where(legs.network >= 0, world.networks.rates[legs.network], 0.0) * (legs.direction == OUTBOUND)
    rates = np.where((legs.direction != OUTBOUND) & (legs.channel == PHONE), 0.0045, rates)
    codes = world.networks.codes[legs.network]
    codes[legs.network < 0] = None
    records = pd.DataFrame(common | {
        "event_id": number + 7, "at": _instants(hung_up_at + 0.4), "requested_at": _instants(legs.start),
        "started_at": _instants(np.where(legs.answered, np.floor(legs.answered_at), np.nan)),
        "ended_at": _instants(np.floor(hung_up_at)), "duration_s": _counts(seconds), "rate": rates,
        "price": np.round(rates * seconds / 60, 8), "network_code": _text(codes),
        "status": pd.Categorical.from_codes(last, _STATUSES), "reason": pd.Categorical.from_codes(reason, _REASONS),
    })  # fmt: skip
    made = {"leg_statuses": statuses, "hangups": hangups, "call_records": records, "users": _users(world, names),
            "members": pd.DataFrame({
                "conversation_id": common["conversation_id"], "member_id": common["from_member_id"],
                "user_id": common["from_user_id"], "leg_id": common["leg_id"], "channel_type": channel,
            })}  # fmt: skip
    return {name: frame.sort_values("at", kind="stable", ignore_index=True) if "at" in frame else frame
            for name, frame in made.items()}  # fmt: skip


class _Names:
    """Ids and addresses, as texts."""

    def __init__(self, world: World) -> None:
        legs = world.legs
        salt = f"{world.seed % 65_536:04x}"
        conversations, place = np.unique(legs.conversation, return_inverse=True)
        self.conversations = _array(f"CON-{salt}{number:08x}" for number in conversations.tolist())[place]
        self.legs = _array(f"{salt}{number:012x}" for number in range(len(legs)))
        self.members = _array(f"MEM-{salt}{number:012x}" for number in range(len(legs)))
        user_ids = _array([*(f"USR-{salt}{number:04x}" for number in range(len(world.users))), None])
        self.user_ids = user_ids[:-1]
        self.users = user_ids[legs.user]
        own = _array([*world.own, None])[legs.own]
        out = legs.direction == OUTBOUND
        self.ends: dict[str, object] = {}
        remote = {key: np.where(legs.channel == kind, legs.remote, None) for key, kind in _KEYS.items()}
        remote["uri"] = np.where(legs.channel == WEBSOCKET, legs.remote, remote["uri"])
        for end, our_side in zip(("from", "to"), (out, ~out), strict=True):
            for key, values in remote.items():
                ours = own if key == "number" else None
                self.ends[f"{end}_{key}"] = _text(np.where(our_side, ours, values))
            kinds = np.where(our_side, PHONE, legs.channel)
            self.ends[f"{end}_type"] = pd.Categorical.from_codes(kinds, CHANNELS)


_KEYS = {"number": PHONE, "user": APP, "uri": SIP}


def _users(world: World, names: _Names) -> pd.DataFrame:
    custom_data = [json.dumps({"app_version": version, "team": "sales"}) for version in world.versions]
    return pd.DataFrame({
        "user_id": _text(names.user_ids), "name": _text(_array(world.users)),
        "display_name": _text(_array(name.title() for name in world.users)), "custom_data": _text(_array(custom_data)),
    })  # fmt: skip


def version_of_users(world: World) -> dict[str, str]:
    """Application version by user id."""
    return dict(zip(_Names(world).user_ids.tolist(), world.versions, strict=True))


def _array(values: Sequence[object] | object) -> np.ndarray:
    listed = list(values)  # type: ignore[call-overload] # a generator or a list
    made = np.empty(len(listed), dtype=object)
    made[:] = listed
    return made


def _text(values: np.ndarray) -> pd.Series:
    return pd.Series(pd.array(values, dtype="str"))


def _counts(values: np.ndarray) -> pd.Series:
    return pd.Series(pd.array(np.where(np.isnan(values), -1, values).astype("int64"), dtype="Int64")).mask(
        np.isnan(values)
    )


def _instants(seconds: np.ndarray) -> pd.Series:
    known = ~np.isnan(seconds)
    micros = np.where(known, np.round(np.where(known, seconds, 0) * 1e6), np.iinfo(np.int64).min).astype("int64")
    return pd.Series(micros.view("M8[us]")).dt.tz_localize("UTC")


__all__ = ["tables_of", "version_of_users"]
