"""What is wrong in a world on purpose, and whether a problem that was named is that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests._helpers.worlds.legs import CHANNELS
from tests._helpers.worlds.world import DAY, HOUR, World

#: Of the calls that a problem names, so many must be where the cause is; of those that the cause made bad, so many
#: must be among the ones named, and fewer where hours or numbers are named one by one.
PRECISION, RECALL, RECALL_ONE_BY_ONE = 0.5, 0.4, 0.1
#: Words for what legs may be grouped by.
_SYNONYMS = {
    "network_code": "network", "to_network": "network", "number_prefix": "prefix", "to_prefix": "prefix",
    "from_address": "own", "own_number": "own", "caller_number": "own", "caller": "own", "to_address": "address",
    "remote_address": "address", "remote_number": "address", "user_id": "user", "user_name": "user", "agent": "user",
    "app_version": "version", "channel_type": "channel", "hour_of_day": "hour", "local_hour": "hour", "hours": "hour",
    "day_of_week": "weekday", "date": "day", "sip_code": "code", "codec_guess": "codec", "own_address": "own",
    "application_version": "version",
}  # fmt: skip
#: Groupings that say what a call was like, not where it was: they narrow nothing.
_QUALITIES = frozenset({
    "code", "outcome", "talk_s", "length", "length_band", "talk_band", "duration", "timer_s", "seconds",
    "rule", "reason", "reason_code", "week", "hung_up_by", "technology", "talk", "at_s", "cliff_s", "second", "role",
    "local_time", "status", "outcome_class",
})  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, eq=False)
class Planted:
    """A cause: the calls that it made bad, and what may be said of them.

    Attributes
    ----------
    description
        What is wrong, in words.
    kinds, cases
        The words for it: a problem is right if its ``kind`` or its ``case`` is among them.
    hit
        The legs that it made bad, of those there are.
    target
        The legs at the place that should be named.
    among
        The legs of the sort that can be bad in that way.
    everywhere
        Whether it is not at one place: a problem of all calls names it.
    window
        The instants between which it was; a problem of all calls must name about these. [s]
    missing
        Calls that it prevented.
    """

    description: str
    kinds: frozenset[str]
    cases: frozenset[str]
    hit: np.ndarray
    target: np.ndarray
    among: np.ndarray
    everywhere: bool = False
    window: tuple[float, float] | None = None
    missing: int = 0

    @property
    def excess(self) -> int:
        """The calls that would not have been bad."""
        return int(self.hit.sum()) + self.missing


class Groups:
    """The groups that problems name, over the legs of a world."""

    def __init__(self, world: World, user_ids: Mapping[str, str] | None = None) -> None:
        self.legs = legs = world.legs
        users = np.array([*world.users, ""], dtype=object)
        versions = np.array([*world.versions, ""], dtype=object)
        local = np.where(legs.network >= 0, world.networks.offsets[legs.network], 0)
        day = np.floor(legs.start / DAY).astype("M8[D]")
        self.user_names = dict(user_ids or {})
        self.arrays: dict[str, np.ndarray] = {
            "network": np.where(legs.network >= 0, world.networks.codes[legs.network], ""),
            "country": np.where(legs.network >= 0, world.networks.countries[legs.network], ""),
            "own": np.array([*world.own, ""], dtype=object)[legs.own],
            "user": users[legs.user],
            "version": versions[legs.user],
            "channel": np.array(CHANNELS, dtype=object)[legs.channel],
            "direction": np.array(["inbound", "outbound"], dtype=object)[legs.direction],
            "address": legs.remote,
            "codec": np.select([legs.size == 172, legs.size == 32, legs.size == 640], ["g711", "g729", "l16"], "opus"),
            "day": day.astype(str).astype(object),
        }
        self.hours = (legs.start % DAY // HOUR, (legs.start + local * HOUR) % DAY // HOUR)
        self.weekdays = (day.astype("int64") + 3) % 7

    def selected(
        self, keys: Mapping[str, Any], since: float | None = None, until: float | None = None, *, local: bool = False
    ) -> np.ndarray:
        """The legs that keys, and instants where they are given, select; hours are UTC, or those of the network.

        Raises
        ------
        KeyError
            If there is no such grouping.
        """
        rows = np.ones(len(self.legs), bool)
        for name, value in keys.items():
            dimension = _SYNONYMS.get(name, name)
            if dimension in _QUALITIES:
                continue
            values = [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]
            rows &= np.logical_or.reduce([self._is(dimension, each, local=local) for each in values])
        if since is not None:
            rows &= self.legs.start >= since
        if until is not None:
            rows &= self.legs.start < until
        return rows

    def _is(self, dimension: str, value: str, *, local: bool) -> np.ndarray:
        if dimension == "prefix":
            start = value.lstrip("+").rstrip("x*…")
            return np.array([text.startswith(start) for text in self.legs.remote.tolist()])
        if dimension == "hour":
            # One hour, or from one to another: 15, 15:00, 15-17, 22:00-02:00.
            first, _, last = (part.strip() for part in value.partition("-"))
            begin = _hour(first)
            length = (_hour(last) - begin) % 24 if last else 1
            return (self.hours[local] - begin) % 24 < length
        if dimension == "weekday":
            known = [name.lower()[:3] for name in _WEEKDAYS]
            number = known.index(value.lower()[:3]) if value.lower()[:3] in known else int(float(value))
            return self.weekdays == number
        if dimension == "weekend":
            return (self.weekdays >= 5) == (value.lower() in {"true", "1", "weekend"})
        if dimension == "user":
            value = self.user_names.get(value, value)
        if dimension in {"own", "address"}:
            # A number may be named wherever it stands: it is one of the account's, or a far one.
            value = value.lstrip("+")
            return (self.arrays["own"] == value) | (self.arrays["address"] == value)
        return self.arrays[dimension] == value


def _hour(text: str) -> int:
    return int(float(text.partition(":")[0]))


def place_of(cause: Planted, groups: Groups, keys: Mapping[str, Any], since: float | None, until: float | None) -> str:
    """Whether what a problem names is where the cause is: ``right``, a ``part`` of it, or ``other``."""
    narrowing = {_SYNONYMS.get(name, name) for name in keys} - _QUALITIES
    if not narrowing and (cause.window is None or not cause.everywhere):
        return "right" if cause.everywhere else "other"
    window = np.ones(len(cause.hit), bool)
    if cause.window is not None and "day" not in narrowing:
        if since is None and until is None:
            return "other"
        window = groups.selected({}, since and since - HOUR, until)
    wanted = RECALL_ONE_BY_ONE if narrowing & {"hour", "weekday", "day", "address"} else RECALL
    # Hours may be meant as UTC, or as those of the network that is called.
    clocks = (False, True) if "hour" in narrowing else (False,)
    places = {_place(cause, window & groups.selected(keys, local=local), wanted) for local in clocks}
    return next(place for place in ("right", "part", "other") if place in places)


def _place(cause: Planted, rows: np.ndarray, wanted: float) -> str:
    asked = rows & cause.among
    if not asked.any() or (asked & cause.target).sum() < PRECISION * asked.sum():
        return "other"
    return "right" if (rows & cause.hit).sum() >= wanted * cause.hit.sum() else "part"


def right_words(cause: Planted, kind: str, case: str) -> bool:
    """Whether a problem calls it what it is."""
    return kind in cause.kinds or case in cause.cases


def keys_of(value: Any) -> dict[str, Any]:
    """The keys of a problem, as a mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    return dict(json.loads(value)) if isinstance(value, str) and value else {}


__all__ = ["Groups", "Planted", "keys_of", "place_of", "right_words"]
