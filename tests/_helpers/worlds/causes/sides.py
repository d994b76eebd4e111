"""Causes at other places and of other sizes: trunks, versions of few users, small shifts, single days."""

from __future__ import annotations

import numpy as np

from tests._helpers.worlds.causes import cause
from tests._helpers.worlds.causes.drawing import AUDIO, SETUP, of_size, planted, since, some
from tests._helpers.worlds.legs import APP, OUTBOUND, PHONE, SIP
from tests._helpers.worlds.planted import Planted
from tests._helpers.worlds.world import World

_GROUP = "group_rate rate "
_CHANGED = "change change_point "
_CLIFF = "timer_cliff timer_cliffs cliff dropped "
_JUDGED_S = 10.5


def _judged(world: World) -> np.ndarray:
    legs = world.legs
    return legs.answered & (legs.talk >= _JUDGED_S) & legs.counted & legs.heard


def _cut(world: World, rows: np.ndarray, seconds: float, share: float, ending: str) -> np.ndarray:
    legs = world.legs
    hit = some(world, rows & legs.answered & (legs.talk > seconds + 1), share)
    other = "REMOTE_HANGUP" if ending == "LOCAL_HANGUP" else "LOCAL_HANGUP"
    legs.cut(hit, seconds + world.rng.normal(0, 0.12, int(hit.sum())), ending, other)
    return hit


def _version(world: World, among: np.ndarray, least: int) -> tuple[str, np.ndarray]:
    versions = np.array([*world.versions, ""], dtype=object)[world.legs.user]
    known, counts = np.unique(versions[among].astype(str), return_counts=True)
    fit = [name for name, count in zip(known, counts, strict=True) if least <= count <= 0.65 * counts.sum()]
    version = str(world.rng.choice(fit)) if fit else str(known[np.argmin(counts)])
    return version, versions == version


@cause("pbx", "large_pbx")
def trunk_cliff(world: World) -> Planted:
    """Calls to the PBX end when a session timer there is not refreshed, as if its people had hung up."""
    legs, rng = world.legs, world.rng
    among = legs.answered & (legs.direction == OUTBOUND)
    target = among & (legs.channel == SIP)
    seconds = float(rng.choice([32.0, 60.0, 90.0, 120.0]))
    hit = _cut(world, target, seconds, rng.uniform(0.5, 0.95), str(rng.choice(["REMOTE_HANGUP", "LOCAL_HANGUP"])))
    return planted(f"SIP legs end after {seconds:g} s", _CLIFF + _GROUP, "dropped cut timer_cliff", hit, target, among)


@cause("softphone", "small_team")
def version_cliff(world: World) -> Planted:
    """One version of the application hangs up after a fixed time."""
    legs, rng = world.legs, world.rng
    among = legs.answered & (legs.channel == APP)
    version, of_version = _version(world, among, 100)
    seconds = float(rng.choice([41.0, 60.0, 75.0, 120.0]))
    hit = _cut(world, among & of_version, seconds, rng.uniform(0.5, 0.9), "LOCAL_HANGUP")
    return planted(f"version {version} hangs up after {seconds:g} s", _CLIFF + _GROUP, "dropped cut timer_cliff",
                   hit, among & of_version, among)  # fmt: skip


@cause("contact_centre", "softphone", "small_team", "mixed")
def application_jitter(world: World) -> Planted:
    """The application's legs have more jitter than they should: a Wi-Fi, a busy computer, a proxy."""
    legs, rng = world.legs, world.rng
    among = _judged(world)
    target = among & (legs.channel == APP)
    was = (legs.loss > 0.05) | (legs.jitter > 30)
    rows = some(world, target, rng.uniform(0.07, 0.2))
    legs.jitter[rows] = rng.uniform(32, 70, int(rows.sum()))
    return planted("jitter of the application's legs", _GROUP + "channel", AUDIO | {"jitter"}, rows & ~was, target,
                   among)  # fmt: skip


@cause("large_dialler", "dialler")
def network_slightly_worse(world: World) -> Planted:
    """One network fails for five to eight calls in a hundred more than others."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone, 0.12, 0.35)
    target = legs.out_phone & (legs.network == place)
    was = ~legs.answered & (legs.code >= 500) & (legs.code < 600)
    rows = some(world, target, rng.uniform(0.05, 0.08))
    legs.fail(rows, rng.choice([503, 500, 502], int(rows.sum())))
    return planted(f"{world.networks.codes[place]} fails a little more often", _GROUP + _CHANGED + "drift", SETUP,
                   rows & ~was, target, legs.out_phone)  # fmt: skip


@cause("small_team", "contact_centre")
def version_of_few(world: World) -> Planted:
    """A version that two or three people have: each of them alone looks like a bad headset."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & (legs.channel == APP)
    version, of_version = _version(world, among, 80)
    was = (legs.loss > 0.05) | (legs.jitter > 30)
    rows = some(world, among & of_version, rng.uniform(0.25, 0.45))
    legs.loss[rows] = rng.uniform(0.06, 0.14, int(rows.sum()))
    return planted(f"losses of version {version}", _GROUP + "version", AUDIO, rows & ~was, among & of_version, among)


@cause("one_day", "one_night")
def day_network_poor(world: World) -> Planted:
    """An export of one day, in which a network has poor audio all the time."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & (legs.channel == PHONE)
    place = of_size(world, legs.network, among, 0.15, 0.45)
    target = among & (legs.network == place)
    was = (legs.loss > 0.05) | (legs.jitter > 30)
    rows = some(world, target, rng.uniform(0.5, 1.0))
    legs.loss[rows] = rng.uniform(0.06, 0.16, int(rows.sum()))
    return planted(f"losses on {world.networks.codes[place]}", _GROUP + _CHANGED, AUDIO, rows & ~was, target,
                   _judged(world))  # fmt: skip


@cause("one_day", "one_night")
def day_network_down(world: World) -> Planted:
    """An export of one day, in which a network is down from some hour on."""
    legs, rng = world.legs, world.rng
    place = of_size(world, legs.network, legs.out_phone, 0.1, 0.4)
    began = float(np.quantile(legs.start[legs.out_phone], rng.uniform(0.2, 0.6)))
    target = legs.out_phone & (legs.network == place)
    was = ~legs.answered & (legs.code >= 500) & (legs.code < 600)
    rows = some(world, target & (legs.start >= began), rng.uniform(0.6, 0.95))
    legs.fail(rows, 503)
    return planted(f"{world.networks.codes[place]} is down", _GROUP + _CHANGED + "outage", SETUP, rows & ~was, target,
                   legs.out_phone)  # fmt: skip


@cause("large_pbx", "small_team")
def network_short_since(world: World) -> Planted:
    """From a date on calls over one network are dropped within seconds."""
    legs, rng = world.legs, world.rng
    among = legs.answered & legs.out_phone
    place = of_size(world, legs.network, among, 0.12, 0.4)
    target = legs.out_phone & (legs.network == place)
    hit = some(world, target & among & (legs.start >= since(world)) & (legs.talk > 7), rng.uniform(0.3, 0.6))
    legs.cut(hit, rng.uniform(0.8, 5.5, int(hit.sum())), "REMOTE_FAILURE")
    return planted(f"{world.networks.codes[place]} drops calls since a date", _GROUP + _CHANGED + "dropped short_calls",
                   "dropped short cut", hit, target, among)  # fmt: skip
