"""Causes after the answer: calls that are cut, too short, not real, or that somebody else is paid for."""

from __future__ import annotations

import numpy as np

from tests._helpers.worlds.causes import cause
from tests._helpers.worlds.causes.drawing import SILENCE, added, of_size, planted, since, some
from tests._helpers.worlds.legs import END, OUTBOUND, PHONE, WEBSOCKET, Legs
from tests._helpers.worlds.places import RARE
from tests._helpers.worlds.planted import Planted
from tests._helpers.worlds.world import BEGIN, DAY, World

_GROUP = "group_rate rate "
_CHANGED = "change change_point "
_CLIFF = "timer_cliff timer_cliffs cliff dropped "
_SHORT_S = 6.0


def _cliff(world: World, rows: np.ndarray, seconds: float, share: float, ending: str) -> np.ndarray:
    legs = world.legs
    hit = some(world, rows & legs.answered & (legs.talk > seconds + 1), share)
    legs.cut(hit, seconds + world.rng.normal(0, 0.15, int(hit.sum())), ending)
    return hit


@cause("dialler", "softphone", "pbx", "mixed")
def cliff_45(world: World) -> Planted:
    """Half of the calls over one route end 45 s after the answer."""
    legs = world.legs
    place = of_size(world, legs.network, legs.out_phone & legs.answered, 0.12, 0.45)
    target = legs.out_phone & (legs.network == place)
    hit = _cliff(world, target, 45.0, world.rng.uniform(0.4, 0.8), "REMOTE_HANGUP")
    return planted(f"calls to {world.networks.codes[place]} end after 45 s", _CLIFF, "dropped cut timer_cliff",
                   hit, target, legs.out_phone & legs.answered)  # fmt: skip


@cause("dialler", "softphone", "pbx")
def cliff_odd(world: World) -> Planted:
    """Calls over one route end after an odd time that no timer has by default."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone & legs.answered, 0.15, 0.5)
    target = legs.out_phone & (legs.network == place)
    seconds = float(rng.choice([23.4, 37.0, 53.5, 71.0, 97.0]))
    hit = _cliff(world, target, seconds, rng.uniform(0.45, 0.85), "REMOTE_FAILURE")
    return planted(f"calls to {world.networks.codes[place]} end after {seconds:g} s", _CLIFF + _GROUP,
                   "dropped cut timer_cliff", hit, target, legs.out_phone & legs.answered)  # fmt: skip


@cause("contact_centre", "softphone", "pbx", "mixed")
def session_timer(world: World) -> Planted:
    """Long calls are dropped when a session timer ends that nobody refreshes."""
    legs, rng = world.legs, world.rng
    seconds = float(rng.choice([300, 360, 480, 600]))
    among = legs.answered & (legs.channel == PHONE)
    hit = _cliff(world, among, seconds, rng.uniform(0.7, 1.0), "REMOTE_FAILURE")
    return planted(f"long calls end after {seconds:.0f} s", _CLIFF + _GROUP + "length", "dropped cut timer_cliff",
                   hit, among, among, everywhere=True)  # fmt: skip


@cause("softphone", "pbx", "mixed")
def dropped_route(world: World) -> Planted:
    """Calls over one network break off in the middle."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone & legs.answered, 0.1, 0.4)
    target = legs.out_phone & (legs.network == place)
    hit = some(world, target & legs.answered & (legs.talk > 15), rng.uniform(0.3, 0.6))
    legs.cut(hit, legs.talk[hit] * rng.uniform(0.2, 0.8, int(hit.sum())), "REMOTE_FAILURE")
    return planted(f"calls to {world.networks.codes[place]} break off", _GROUP + "dropped", "dropped cut", hit,
                   target, legs.out_phone & legs.answered)  # fmt: skip


@cause("dialler", "pbx", "softphone", "mixed")
def short_call_fraud(world: World) -> Planted:
    """Hundreds of short answered calls to a range of numbers that nobody called before."""
    rng = world.rng
    country = RARE[str(rng.choice(list(RARE)))]
    place, number = world.networks.add(country), int(rng.integers(50, 160))
    nights = rng.choice(np.arange(world.days // 3, world.days), 3, replace=False)
    at = BEGIN + rng.choice(nights, number) * DAY + rng.uniform(0, 5, number) * 3600
    extra = Legs(number, conversation=np.arange(number), network=place, own=int(rng.integers(0, len(world.own))))
    extra.remote, extra.start = world.networks.numbers(rng, np.full(number, place)), at
    world.dial(extra, answer=0.97, failed=0.01)
    extra.ring = np.where(extra.answered, rng.uniform(0.5, 3, number), extra.ring)
    world.listen(extra)
    extra.talk = np.where(extra.answered, rng.uniform(1, 5.8, number), 0)
    extra.ending = np.where(extra.answered, END["LOCAL_HANGUP"], extra.ending)
    hit = added(world, extra)
    return planted(f"short calls to {country.code}", _GROUP + "short_call_fraud premium_prefix fraud volume",
                   "short fraud", hit, hit, world.legs.out_phone)  # fmt: skip


@cause("dialler", "pbx", "softphone", "mixed")
def premium_prefix(world: World) -> Planted:
    """Somebody calls an expensive destination all night, and lets it run."""
    rng = world.rng
    country = RARE[str(rng.choice(list(RARE)))]
    place, number = world.networks.add(country), int(rng.integers(30, 90))
    nights = rng.choice(np.arange(world.days // 3, world.days), 2, replace=False)
    at = BEGIN + rng.choice(nights, number) * DAY + rng.uniform(0, 6, number) * 3600
    extra = Legs(number, conversation=np.arange(number), network=place, own=int(rng.integers(0, len(world.own))))
    numbers = world.networks.numbers(rng, np.full(int(rng.integers(2, 8)), place))
    extra.remote, extra.start = rng.choice(numbers, number), at
    world.dial(extra, answer=0.95, failed=0.01)
    world.listen(extra)
    extra.talk = np.where(extra.answered, rng.uniform(300, 2_400, number), 0)
    hit = added(world, extra)
    return planted(f"long calls to {country.code}", _GROUP + "premium_prefix short_call_fraud fraud volume cost",
                   "cost fraud premium long", hit, hit, world.legs.out_phone)  # fmt: skip


@cause("dialler", "softphone", "pbx", "mixed")
def false_answer(world: World) -> Planted:
    """One route says that calls are answered at once, without a ring, and bills seconds of silence."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone, 0.06, 0.3)
    target = legs.out_phone & (legs.network == place)
    rows = some(world, target & (legs.code != 404), rng.uniform(0.35, 0.7))
    number = int(rows.sum())
    legs.answered[rows], legs.code[rows], legs.rings[rows] = True, 200, False
    legs.pdd[rows], legs.ring[rows] = rng.uniform(0.3, 1.0, number), 0.0
    legs.loss[rows], legs.jitter[rows], legs.heard[rows] = 0.0, 5.0, False
    legs.cut(rows, rng.uniform(3, 14, number), "LOCAL_HANGUP", "REMOTE_HANGUP")
    return planted(f"false answers of {world.networks.codes[place]}", _GROUP + "false_answer", SILENCE | {"short",
                   "answered", "false_answer", "unmeasured", "poor", "pdd"}, rows, target, legs.out_phone)  # fmt: skip


@cause("contact_centre", "softphone")
def agent_hangs_up(world: World) -> Planted:
    """One agent hangs up as soon as a call is put through."""
    legs, rng = world.legs, world.rng
    among = legs.answered & (legs.user >= 0)
    place = of_size(world, legs.user, among, 0.06, 0.3)
    target = among & (legs.user == place)
    rows = some(world, target & (legs.talk > _SHORT_S), rng.uniform(0.35, 0.6))
    legs.cut(rows, rng.uniform(1.5, 5.5, int(rows.sum())), "REMOTE_HANGUP")
    return planted(f"{world.users[place]} hangs up at once", _GROUP + "short_calls short user", "short", rows,
                   target, among)  # fmt: skip


@cause("dialler", "softphone")
def short_since(world: World) -> Planted:
    """From a date on people hang up on one number at once: a new script, or a wrong voice."""
    legs, rng = world.legs, world.rng
    among = legs.answered & (legs.direction == OUTBOUND)
    place = of_size(world, legs.own, among, 0.12, 0.5)
    target = legs.out_phone & (legs.own == place)
    rows = some(world, target & among & (legs.start >= since(world)) & (legs.talk > _SHORT_S), rng.uniform(0.25, 0.5))
    legs.cut(rows, rng.uniform(1.5, 5.5, int(rows.sum())), "REMOTE_HANGUP")
    return planted(f"calls of {world.own[place]} are short since a date", _GROUP + _CHANGED + "short_calls short",
                   "short", rows, target, among)  # fmt: skip


@cause("bot")
def websocket_drops(world: World) -> Planted:
    """The bot's server closes its websocket after a few seconds."""
    legs, rng = world.legs, world.rng
    target = legs.answered & (legs.channel == WEBSOCKET)
    rows = some(world, target & (legs.talk > 8), rng.uniform(0.05, 0.15))
    legs.cut(rows, rng.uniform(1.0, 5.5, int(rows.sum())), "REMOTE_FAILURE")
    # The customers' legs end with it: either of the two may be named.
    partner = np.isin(np.arange(len(legs)), legs.partner[rows])
    return planted("the bot's websocket closes", _GROUP + "short_calls short dropped", "short dropped cut",
                   rows, target | partner, target, everywhere=True)  # fmt: skip
