"""Causes before the answer: calls that fail, are refused, ring too long or too short, or come at the wrong time."""

from __future__ import annotations

import numpy as np

from tests._helpers.worlds.causes import cause
from tests._helpers.worlds.causes.drawing import SETUP, added, of_size, planted, since, some, times_between
from tests._helpers.worlds.legs import END, OUTBOUND, SIP, Legs, joined
from tests._helpers.worlds.planted import Planted
from tests._helpers.worlds.world import BEGIN, DAY, HOUR, World

_GROUP = "group_rate rate "
_CHANGED = "change change_point outage drift "


def _failed(world: World) -> np.ndarray:
    code = world.legs.code
    return ~world.legs.answered & ((code >= 500) & (code < 600) | (code == 488) | (code == 408) & ~world.legs.rings)


@cause("dialler", "softphone", "pbx", "mixed")
def post_dial_delay(world: World) -> Planted:
    """One route takes five to nine seconds longer until it rings."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone)
    among = legs.out_phone & ~_failed(world)
    target = legs.out_phone & (legs.network == place)
    rows = some(world, target & among, rng.uniform(0.6, 0.95))
    legs.pdd[rows] += rng.uniform(5, 9) * rng.lognormal(0, 0.25, int(rows.sum()))
    return planted(f"post-dial delay of {world.networks.codes[place]}", "post_dial_delay", "pdd slow_setup",
                   rows, target, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "mixed", "pbx")
def caller_503(world: World) -> Planted:
    """Calls from one of the account's numbers fail with 503 from a date on."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.own, legs.out_phone, 0.1, 0.5)
    began = since(world, 0.4, 0.8)
    target = legs.out_phone & (legs.own == place)
    was = _failed(world)
    rows = some(world, target & (legs.start >= began), rng.uniform(0.4, 0.9))
    legs.fail(rows, 503)
    return planted(f"calls from {world.own[place]} fail with 503", _GROUP + _CHANGED + "caller_number", SETUP,
                   rows & ~was, target, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "pbx", "mixed")
def carrier_outage(world: World) -> Planted:
    """Nothing goes out for three busy hours of one day."""
    legs, rng = world.legs, world.rng
    hours = np.floor(legs.start[legs.out_phone] / HOUR)
    known, counts = np.unique(hours, return_counts=True)
    busy = known[np.argsort(counts)[-20:]]
    began = float(rng.choice(busy) * HOUR)
    ended = began + 3 * HOUR
    target = legs.out_phone & (legs.start >= began) & (legs.start < ended)
    was = _failed(world)
    rows = some(world, target, 0.93)
    legs.fail(rows, rng.choice([503, 408, 504], int(rows.sum()), p=[0.7, 0.2, 0.1]))
    around = legs.out_phone & (np.floor(legs.start / DAY) == np.floor(began / DAY))
    return planted("an outage of three hours", _GROUP + _CHANGED + "burst", SETUP, rows & ~was, target | around,
                   legs.out_phone, everywhere=True, window=(began, ended))  # fmt: skip


@cause("dialler", "softphone", "pbx", "mixed")
def network_change(world: World) -> Planted:
    """One network fails much more often from a date on."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone, 0.06, 0.3)
    began = since(world)
    target = legs.out_phone & (legs.network == place)
    was = _failed(world)
    rows = some(world, target & (legs.start >= began), rng.uniform(0.2, 0.4))
    legs.fail(rows, rng.choice([503, 500, 502], int(rows.sum())))
    return planted(f"{world.networks.codes[place]} fails since a date", _GROUP + _CHANGED, SETUP, rows & ~was,
                   target, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "mixed")
def hour_network(world: World) -> Planted:
    """One network is congested for three hours of every day, and only it."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone, 0.1, 0.4)
    target = legs.out_phone & (legs.network == place)
    hour = legs.start % DAY // HOUR
    counts = np.bincount(hour[target].astype(int), minlength=24)
    first = int(rng.choice(np.argsort(counts)[-6:]))
    during = ((hour - first) % 24) < 3
    was = _failed(world)
    rows = some(world, target & during, rng.uniform(0.4, 0.75))
    legs.fail(rows, 503)
    return planted(f"{world.networks.codes[place]} is congested from {first} to {first + 3} o'clock UTC",
                   _GROUP + "congestion hour interaction", SETUP, rows & ~was, target, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "pbx", "mixed")
def busy_hours(world: World) -> Planted:
    """Too few channels: at two hours of every day calls to all networks fail."""
    legs, rng = world.legs, world.rng
    hour = legs.start % DAY // HOUR
    counts = np.bincount(hour[legs.out_phone].astype(int), minlength=24)
    first = int(rng.choice(np.argsort(counts)[-4:]))
    target = legs.out_phone & (((hour - first) % 24) < 2)
    was = _failed(world)
    rows = some(world, target, rng.uniform(0.15, 0.35))
    legs.fail(rows, rng.choice([503, 500], int(rows.sum()), p=[0.9, 0.1]))
    return planted(f"calls fail from {first} to {first + 2} o'clock UTC", _GROUP + "congestion hour", SETUP,
                   rows & ~was, target, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "pbx", "mixed")
def weekday_only(world: World) -> Planted:
    """Calls fail on one day of the week."""
    legs, rng = world.legs, world.rng
    weekday = (np.floor(legs.start / DAY).astype(int) + 3) % 7
    chosen = int(rng.integers(0, 5))
    target = legs.out_phone & (weekday == chosen)
    was = _failed(world)
    rows = some(world, target, rng.uniform(0.12, 0.3))
    legs.fail(rows, rng.choice([503, 408], int(rows.sum())))
    return planted(f"calls fail on weekday {chosen}", _GROUP + "weekday", SETUP, rows & ~was, target,
                   legs.out_phone)  # fmt: skip


@cause("dialler", "softphone")
def spam_number(world: World) -> Planted:
    """One of the account's numbers is shown as spam from a date on: fewer people answer it."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.own, legs.out_phone, 0.12, 0.5)
    began = since(world)
    target = legs.out_phone & (legs.own == place)
    rows = some(world, target & (legs.start >= began) & legs.answered, rng.uniform(0.5, 0.8))
    refused = some(world, rows, 0.35)
    legs.ring[rows & ~refused] = rng.uniform(24, 40, int((rows & ~refused).sum()))
    legs.not_answered(rows & ~refused, 480, "REMOTE_NO_ANSWER")
    legs.not_answered(refused, 603, "REMOTE_REJECTED")
    return planted(f"{world.own[place]} is answered less often", _GROUP + _CHANGED + "spam", SETUP | {"declined"},
                   rows, target, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "pbx", "mixed")
def country_blocked(world: World) -> Planted:
    """Calls to one country are refused with 403."""
    legs, rng = world.legs, world.rng
    names, country = np.unique(world.networks.countries.astype(str), return_inverse=True)
    of_leg = np.where(legs.network >= 0, country[legs.network], -1)
    place = of_size(world, of_leg, legs.out_phone, 0.04, 0.25)
    target = legs.out_phone & (of_leg == place)
    rows = some(world, target, rng.uniform(0.85, 1.0))
    legs.fail(rows, 403, "REMOTE_REJECTED")
    return planted(f"calls to {names[place]} are refused", _GROUP + _CHANGED + "blocked sip_code", SETUP, rows,
                   target, legs.out_phone)  # fmt: skip


@cause("dialler")
def dead_numbers(world: World) -> Planted:
    """The list of one campaign is old: many of its numbers do not exist."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.own, legs.out_phone, 0.1, 0.4)
    target = legs.out_phone & (legs.own == place)
    _, of_number = np.unique(legs.remote.astype(str), return_inverse=True)
    gone = rng.random(of_number.max() + 1) < rng.uniform(0.2, 0.45)
    rows = target & gone[of_number]
    legs.fail(rows, 404, "REMOTE_NOT_FOUND")
    return planted(f"the list of {world.own[place]} is old", _GROUP + "bad_number sip_code", SETUP, rows, target,
                   legs.out_phone)  # fmt: skip


@cause("dialler", "softphone")
def short_ring_timer(world: World) -> Planted:
    """From a date on calls of one number ring for ten seconds only: the timer was set in the wrong unit."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.own, legs.out_phone, 0.12, 0.5)
    began, limit = since(world), rng.uniform(5, 9)
    target = legs.out_phone & (legs.own == place)
    late = target & (legs.start >= began) & (legs.ring > limit)
    rows = late & legs.answered
    legs.ring[late] = limit + rng.normal(0, 0.05, int(late.sum()))
    legs.not_answered(late, 480, "RING_TIMER")
    return planted(f"calls of {world.own[place]} ring for {limit:.0f} s", _GROUP + _CHANGED + "ring_timer "
                   "timer_cliff", SETUP, rows, target, legs.out_phone)  # fmt: skip


@cause("pbx")
def codec_mismatch(world: World) -> Planted:
    """From a date on calls to the PBX find no common codec: 488."""
    legs, rng = world.legs, world.rng
    among = legs.direction == OUTBOUND
    target = among & (legs.channel == SIP)
    began = since(world)
    was = _failed(world)
    rows = some(world, target & (legs.start >= began), rng.uniform(0.25, 0.6))
    legs.fail(rows, 488)
    return planted("no codec in common with the PBX", _GROUP + _CHANGED + "sip_code", SETUP, rows & ~was, target,
                   among)  # fmt: skip


@cause("dialler")
def schedule_shift(world: World) -> Planted:
    """From a date on one campaign is dialled in the wrong time zone: at night, when nobody answers."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.own, legs.out_phone, 0.12, 0.4)
    began, shift = since(world), float(rng.choice([-8, -7, 7, 8, 9])) * HOUR
    target = legs.out_phone & (legs.own == place)
    moved = target & (legs.start >= began) & (legs.start + shift < BEGIN + world.days * DAY)
    moved &= legs.start + shift >= began
    legs.start[moved] += shift
    local = (legs.start + world.networks.offsets[legs.network] * HOUR) % DAY // HOUR
    asleep = moved & ((local >= 22) | (local < 7))
    rows = some(world, asleep & legs.answered, 0.85)
    legs.ring[rows] = rng.uniform(24, 40, int(rows.sum()))
    legs.not_answered(rows, 480, "REMOTE_NO_ANSWER")
    return planted(f"{world.own[place]} is dialled {shift / HOUR:+.0f} h off", _GROUP + _CHANGED + "schedule_shift",
                   SETUP, rows, target | asleep, legs.out_phone)  # fmt: skip


@cause("dialler", "softphone")
def redial_storm(world: World) -> Planted:
    """A loop dials a few numbers again and again within minutes."""
    rng = world.rng
    numbers, per = int(rng.integers(3, 9)), int(rng.integers(12, 40))
    network, remote = world.called(numbers, numbers)
    at = rng.choice(world.legs.start, numbers)
    own = int(rng.integers(0, len(world.own)))
    parts = []
    for number in range(numbers):
        extra = Legs(per, conversation=np.arange(per), network=network[number], own=own)
        extra.remote = np.full(per, remote[number], dtype=object)
        extra.start = times_between(world, per, at[number], at[number] + rng.uniform(5, 15) * per)
        world.dial(extra, answer=0.03)
        extra.ring = np.minimum(extra.ring, rng.uniform(3, 8, per))
        busy = ~extra.answered & extra.rings
        extra.code[busy], extra.ending[busy] = 486, END["REMOTE_BUSY"]
        extra.talk = np.where(extra.answered, rng.uniform(1, 5, per), 0.0)
        parts.append(extra)
    hit = added(world, joined(parts))
    return planted(f"{numbers} numbers are dialled {per} times within minutes", "redial_storm redials volume burst",
                   "redial redials redialled", hit, hit, world.legs.out_phone, everywhere=True)  # fmt: skip


@cause("contact_centre", "bot", "pbx")
def volume_drop(world: World) -> Planted:
    """One of the account's numbers gets no calls from a date on: it was ported, or its routing is gone."""
    legs = world.legs
    inbound = (legs.direction == 0) & (legs.channel == 0)
    place = of_size(world, legs.own, inbound, 0.15, 0.5)
    began = since(world, 0.4, 0.8)
    gone = inbound & (legs.own == place) & (legs.start >= began)
    lost = np.isin(legs.conversation, legs.conversation[gone])
    world.legs = legs.take(~lost)
    legs = world.legs
    target = legs.own == place
    return planted(f"{world.own[place]} gets no calls since a date", "volume volume_drop change", "volume calls",
                   np.zeros(len(legs), bool), target, legs.direction == 0, missing=int(gone.sum()))  # fmt: skip
