"""Causes in the audio: losses, jitter, silence, and scores that say nothing."""

from __future__ import annotations

import numpy as np

from tests._helpers.worlds.causes import cause
from tests._helpers.worlds.causes.drawing import AUDIO, SILENCE, of_size, planted, since, some
from tests._helpers.worlds.legs import APP, INBOUND, OUTBOUND, PHONE, SIP
from tests._helpers.worlds.planted import Planted
from tests._helpers.worlds.world import BEGIN, DAY, VERSIONS, World

_GROUP = "group_rate rate "
_CHANGED = "change change_point drift "
#: Shorter legs have too few packets to be judged. [s]
_JUDGED_S = 10.5


def _judged(world: World) -> np.ndarray:
    return world.legs.answered & (world.legs.talk >= _JUDGED_S) & world.legs.counted & world.legs.heard


def _poor(world: World) -> np.ndarray:
    return (world.legs.loss > 0.05) | (world.legs.jitter > 30)


def _lossy(world: World, rows: np.ndarray, low: float = 0.06, high: float = 0.14) -> np.ndarray:
    """Lose packets on rows; gives those that became poor by it."""
    fresh = rows & _judged(world) & ~_poor(world)
    world.legs.loss[rows] = world.rng.uniform(low, high, int(rows.sum()))
    return fresh


def _shaky(world: World, rows: np.ndarray) -> np.ndarray:
    fresh = rows & _judged(world) & ~_poor(world)
    world.legs.jitter[rows] = world.rng.uniform(33, 80, int(rows.sum()))
    return fresh


@cause("contact_centre", "softphone", "pbx", "bot", "mixed")
def jitter_by_length(world: World) -> Planted:
    """The longer a call, the larger its jitter: clocks drift, buffers fill."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & (legs.channel == PHONE)
    among = among if among.sum() >= 300 else _judged(world)
    was = _poor(world)
    slope = 26 / rng.uniform(250, 450)
    rows = some(world, among, rng.uniform(0.6, 0.95))
    legs.jitter[rows] = np.minimum(np.hypot(legs.jitter[rows], 4) + slope * legs.talk[rows], 140)
    return planted("jitter grows with the length of calls", _GROUP + "jitter_by_length length", AUDIO | {"jitter"},
                   rows & _poor(world) & ~was, among, _judged(world), everywhere=True)  # fmt: skip


@cause("contact_centre", "softphone", "pbx", "bot", "mixed")
def slow_drift(world: World) -> Planted:
    """Week by week more calls lose packets."""
    legs, rng = world.legs, world.rng
    among = _judged(world)
    age = (legs.start - BEGIN) / (world.days * DAY)
    target = among & (legs.channel == PHONE)
    hit = _lossy(world, some(world, target, rng.uniform(0.07, 0.14) * age))
    return planted("more poor audio week by week", _CHANGED + _GROUP + "trend", AUDIO, hit, target, among,
                   everywhere=True)  # fmt: skip


@cause("contact_centre", "softphone")
def user_headset(world: World) -> Planted:
    """One user has a bad headset, or a bad line at home."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & (legs.user >= 0)
    place = of_size(world, legs.user, among, 0.05, 0.3)
    target = among & (legs.user == place)
    rows = some(world, target, rng.uniform(0.25, 0.5))
    hit = _lossy(world, rows) if rng.random() < 0.5 else _shaky(world, rows)
    return planted(f"poor audio of {world.users[place]}", _GROUP + "user", AUDIO, hit, target, _judged(world))


def _version(world: World, among: np.ndarray) -> tuple[str, np.ndarray]:
    versions = np.array([*world.versions, ""], dtype=object)[world.legs.user]
    counts = [(among & (versions == version)).sum() for version in VERSIONS]
    fit = [n for n, count in enumerate(counts) if 60 <= count <= 0.6 * sum(counts)] or [int(np.argmin(counts))]
    version = VERSIONS[int(world.rng.choice(fit))]
    return version, versions == version


@cause("softphone", "contact_centre")
def version_constant(world: World) -> Planted:
    """One version of the application measures nothing: it always reports 4.5."""
    legs = world.legs
    among = legs.answered & (legs.channel == APP)
    version, of_version = _version(world, among)
    rows = some(world, among & of_version, 0.97)
    hit = rows & _judged(world)
    legs.counted[rows] = False
    return planted(f"version {version} always reports 4.5", _GROUP + "constant_score", "unmeasured measured good "
                   "constant_score mos ghost silent", hit, among & of_version, among)  # fmt: skip


@cause("softphone", "contact_centre")
def version_poor(world: World) -> Planted:
    """One version of the application has poor audio."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & (legs.channel == APP)
    version, of_version = _version(world, among)
    hit = _shaky(world, some(world, among & of_version, rng.uniform(0.12, 0.3)))
    return planted(f"poor audio of version {version}", _GROUP + "version", AUDIO, hit, among & of_version, among)


@cause("contact_centre", "softphone", "pbx")
def channel_one_way(world: World) -> Planted:
    """One kind of leg often brings no audio: a firewall."""
    legs, rng = world.legs, world.rng
    channel = SIP if (legs.channel == SIP).sum() > 300 else APP
    among = legs.answered & (legs.talk >= 5)
    target = among & (legs.channel == channel)
    rows = some(world, target & legs.heard, rng.uniform(0.06, 0.2))
    legs.heard[rows] = False
    return planted(f"no audio from {('phone', 'app', 'sip')[channel]} legs", _GROUP + "one_way", SILENCE | AUDIO |
                   {"unmeasured"}, rows, target, among)  # fmt: skip


@cause("contact_centre", "bot", "pbx")
def direction_silence(world: World) -> Planted:
    """Customers who call in often hear nothing."""
    legs, rng = world.legs, world.rng
    among = legs.answered & (legs.talk >= 5) & (legs.channel == PHONE)
    target = among & (legs.direction == INBOUND)
    rows = some(world, target, rng.uniform(0.06, 0.2))
    legs.sent[rows] = False
    return planted("no audio to customers who call in", _GROUP + "one_way", SILENCE | AUDIO, rows, target,
                   legs.answered & (legs.talk >= 5))  # fmt: skip


@cause("softphone", "dialler", "mixed")
def network_ghost(world: World) -> Planted:
    """Answered calls to one network have no audio at all."""
    legs, rng = world.legs, world.rng
    among = legs.answered & (legs.talk >= 5) & (legs.channel == PHONE)
    place = of_size(world, legs.network, among & legs.out_phone, 0.06, 0.35)
    target = among & (legs.network == place)
    rows = some(world, target & legs.out_phone, rng.uniform(0.2, 0.45))
    legs.heard[rows], legs.sent[rows] = False, False
    return planted(f"silence on {world.networks.codes[place]}", _GROUP + "one_way", SILENCE | AUDIO |
                   {"unmeasured"}, rows, target, among)  # fmt: skip


@cause("softphone", "dialler", "pbx")
def codec_change(world: World) -> Planted:
    """From a date on one network is reached over G.729, and sounds bad."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & legs.out_phone
    place = of_size(world, legs.network, among, 0.08, 0.4)
    target = among & (legs.network == place)
    rows = target & (legs.start >= since(world))
    legs.size[rows] = 32
    hit = _lossy(world, some(world, rows, rng.uniform(0.4, 0.8)), 0.055, 0.12)
    return planted(f"G.729 to {world.networks.codes[place]}", _GROUP + _CHANGED + "codec", AUDIO, hit,
                   legs.network == place, _judged(world))  # fmt: skip


@cause("softphone", "dialler", "pbx", "mixed")
def prefix_loss(world: World) -> Planted:
    """Calls to one area of a country abroad lose packets, on whatever network."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & legs.out_phone
    abroad = among & (world.networks.countries[legs.network] != world.networks.countries[0])
    place = of_size(world, legs.network, abroad, 0.1, 0.6)
    # The area is a part of the network's numbers: what follows its first digits is below half.
    start = world.networks.starts[place][0]
    inside = np.array([number.startswith(start) and number[len(start)] in "01234" for number in legs.remote.tolist()])
    moved = (legs.network == place) & inside
    fresh = [f"{number[: len(start)]}7{number[len(start) + 1 :]}" for number in legs.remote[moved].tolist()]
    legs.remote[moved] = np.array(fresh, dtype=object)
    target = (legs.network == place) & np.array([number.startswith(start + "7") for number in legs.remote.tolist()])
    hit = _lossy(world, some(world, target & among, rng.uniform(0.5, 0.9)))
    return planted(f"losses to numbers that begin with {start}7", _GROUP + "prefix", AUDIO, hit,
                   target | (legs.network == place), _judged(world))  # fmt: skip


@cause("contact_centre", "softphone", "bot", "mixed")
def friday_jitter(world: World) -> Planted:
    """On Fridays, backups run: jitter on all lines."""
    legs, rng = world.legs, world.rng
    among = _judged(world)
    weekday = (np.floor(legs.start / DAY).astype(int) + 3) % 7
    target = among & (weekday == 4)
    hit = _shaky(world, some(world, target, rng.uniform(0.1, 0.25)))
    return planted("jitter on Fridays", _GROUP + "weekday", AUDIO | {"jitter"}, hit, target, among)


@cause("softphone", "contact_centre", "pbx", "bot")
def line_full(world: World) -> Planted:
    """The office's line is full in the busiest two hours: losses on every leg of the staff, or of all."""
    legs, rng = world.legs, world.rng
    among = _judged(world)
    hour = legs.start % DAY // 3_600
    counts = np.bincount(hour[among].astype(int), minlength=24)
    first = int(rng.choice(np.argsort(counts)[-5:]))
    target = among & (((hour - first) % 24) < 2)
    hit = _lossy(world, some(world, target, rng.uniform(0.1, 0.22)))
    return planted(f"losses from {first} to {first + 2} o'clock UTC", _GROUP + "congestion hour", AUDIO, hit,
                   target, among)  # fmt: skip


@cause("softphone", "dialler", "mixed", "pbx")
def network_loss_until(world: World) -> Planted:
    """One network lost packets for a week in the middle; it is mended."""
    legs, rng = world.legs, world.rng
    among = _judged(world) & legs.out_phone
    place = of_size(world, legs.network, among, 0.12, 0.45)
    began = since(world, 0.25, 0.55)
    target = legs.network == place
    rows = target & among & (legs.start >= began) & (legs.start < began + 8 * DAY)
    hit = _lossy(world, some(world, rows, rng.uniform(0.5, 0.9)))
    return planted(f"{world.networks.codes[place]} lost packets for a week", _GROUP + _CHANGED + "outage", AUDIO,
                   hit, target, _judged(world) & (legs.direction == OUTBOUND))  # fmt: skip
