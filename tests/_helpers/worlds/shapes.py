"""Kinds of accounts: who calls whom over which legs, with nothing wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests._helpers.worlds.legs import APP, END, INBOUND, PHONE, SIP, WEBSOCKET, Legs, joined
from tests._helpers.worlds.world import ALL_DAYS, ALWAYS, BEGIN, EVENING, OFFICE, WORKDAYS, World


def dialler(world: World, attempts: int = 3_000) -> Legs:
    """Campaigns: one leg a conversation, to customers at their local hours; some listen, most do not answer."""
    world.hours, world.weekdays = EVENING, ALL_DAYS
    network, remote = world.called(attempts, int(attempts / 1.5))
    legs = Legs(attempts, conversation=np.arange(attempts), network=network, remote=remote)
    legs.start = world.times(attempts, world.networks.offsets[network])
    legs.own = world.rng.choice(len(world.own), attempts, p=_uneven(world, len(world.own)))
    world.dial(legs, answer=world.rng.uniform(0.3, 0.5))
    world.talk(legs, median=38, spread=1.05)
    world.listen(legs)
    return legs


def contact_centre(world: World, calls: int = 700, outbound: int = 450) -> Legs:
    """Customers call in; three agents ring at once in their application or on a phone, and the first to answer talks.

    Agents call customers back from their application.
    """
    world.hours, world.weekdays = OFFICE, WORKDAYS
    return joined([ring_all(world, calls), softphone(world, outbound)])


def ring_all(world: World, calls: int, at_once: int = 3) -> Legs:
    """Inbound calls that ring some agents at once."""
    rng, staff = world.rng, len(world.users)
    network, remote = world.called(calls, int(calls / 1.3))
    start = world.times(calls, world.networks.offsets[0])
    customer = Legs(
        calls, conversation=np.arange(calls), direction=INBOUND, network=network, remote=remote, start=start
    )
    customer.own = rng.choice(len(world.own), calls, p=_uneven(world, len(world.own)))
    customer.pdd, customer.rings, customer.answered, customer.code = 0.4, False, True, 200
    customer.pdd = rng.uniform(0.2, 0.6, calls)
    # A menu first, then three of the staff; on_phone are those who work on a phone.
    menu = rng.uniform(6, 25, calls)
    chosen = np.argsort(rng.random((calls, staff)), axis=1)[:, :at_once]
    needed = np.where(rng.random((calls, at_once)) < 0.75, rng.gamma(2.5, 3.0, (calls, at_once)), 99.0)
    on_phone = np.arange(staff) % 3 == 0
    patience = np.minimum(rng.exponential(70, calls) + 5, 30.0)
    first, winner = needed.min(axis=1), needed.argmin(axis=1)
    taken = first < patience
    rung = np.where(taken, first, patience)
    agents = Legs(calls * at_once, conversation=np.repeat(np.arange(calls), at_once), user=chosen.ravel())
    agents.channel = np.where(on_phone[agents.user], PHONE, APP)
    homes = world.home_networks(staff)
    agents.network = np.where(agents.channel == PHONE, homes[agents.user], -1)
    names, numbers = np.array(world.users, dtype=object), np.array(world.agent_numbers, dtype=object)
    agents.remote = np.where(agents.channel == PHONE, numbers[agents.user], names[agents.user])
    agents.own = np.repeat(customer.own, at_once)
    agents.start = np.repeat(start + menu, at_once) + rng.uniform(0, 0.1, len(agents))
    quick = np.where(agents.channel == PHONE, world.networks.pdd_s[agents.network], 0.35)
    agents.pdd = quick * rng.lognormal(0, 0.2, len(agents))
    agents.ring = np.maximum(np.repeat(rung, at_once) - agents.pdd + 1.5, 0.2)
    wins = (np.repeat(winner, at_once) == np.tile(np.arange(at_once), calls)) & np.repeat(taken, at_once)
    agents.answered, agents.code = wins, np.where(wins, 200, 487)
    agents.ending = np.where(wins, END["REMOTE_HANGUP"], END["LOCAL_CANCEL"])
    lost = np.flatnonzero(np.repeat(~taken & (patience >= 30), at_once))
    agents.code[lost], agents.ending[lost] = 480, END["RING_TIMER"]
    broken = np.flatnonzero(~wins & (rng.random(len(agents)) < 0.01))
    agents.fail(broken, rng.choice([503, 500, 480], len(broken)))
    world.talk(agents, median=170, spread=0.95)
    partner = np.full(calls, -1)
    partner[taken] = calls + np.flatnonzero(wins)
    customer.talk = menu + rung + 2.0
    both = joined([customer, agents])
    both.conversation = np.concatenate([customer.conversation, agents.conversation])
    _bridge(both, np.flatnonzero(partner >= 0), partner[partner >= 0])
    world.listen(both)
    return both


def softphone(world: World, calls: int, answer: float = 0.55) -> Legs:
    """Staff call from their application: its leg comes in, the customer's goes out."""
    rng = world.rng
    network, remote = world.called(calls, int(calls / 1.4))
    user = rng.choice(len(world.users), calls, p=_uneven(world, len(world.users), 6.0))
    names = np.array(world.users, dtype=object)
    start = world.times(calls, world.networks.offsets[0])
    near = Legs(calls, conversation=np.arange(calls), direction=INBOUND, channel=APP, user=user, remote=names[user])
    near.start, near.pdd, near.rings, near.answered, near.code = start, rng.uniform(0.1, 0.4, calls), False, True, 200
    near.own = rng.choice(len(world.own), calls, p=_uneven(world, len(world.own)))
    far = Legs(calls, conversation=np.arange(calls), network=network, remote=remote, own=near.own)
    far.start = start + rng.uniform(0.6, 1.2, calls)
    world.dial(far, answer=answer)
    world.talk(far, median=140, spread=0.95)
    return _two(world, near, far)


def pbx(world: World, calls: int = 1_400) -> Legs:
    """A trunk: extensions of a PBX call out, and customers call extensions."""
    world.hours, world.weekdays = OFFICE, WORKDAYS
    rng, inward = world.rng, int(calls * 0.35)
    outward = calls - inward
    extensions = np.array([f"sip:{number}@pbx.example.org" for number in range(201, 241)], dtype=object)
    network, remote = world.called(outward, int(outward / 1.4))
    start = world.times(outward, world.networks.offsets[0])
    near = Legs(outward, conversation=np.arange(outward), direction=INBOUND, channel=SIP)
    near.remote = extensions[rng.integers(0, 40, outward)]
    near.start, near.pdd, near.rings, near.answered, near.code = (
        start,
        rng.uniform(0.05, 0.3, outward),
        False,
        True,
        200,
    )
    near.own = rng.choice(len(world.own), outward, p=_uneven(world, len(world.own)))
    far = Legs(outward, conversation=np.arange(outward), network=network, remote=remote, own=near.own)
    far.start = start + rng.uniform(0.2, 0.5, outward)
    world.dial(far, answer=0.6)
    world.talk(far, median=120, spread=1.0)
    network, remote = world.called(inward, int(inward / 1.3))
    start = world.times(inward, world.networks.offsets[0])
    caller = Legs(
        inward, conversation=np.arange(inward), direction=INBOUND, network=network, remote=remote, start=start
    )
    caller.pdd, caller.rings, caller.answered, caller.code = rng.uniform(0.2, 0.6, inward), False, True, 200
    caller.own = rng.choice(len(world.own), inward, p=_uneven(world, len(world.own)))
    desk = Legs(inward, conversation=np.arange(inward), channel=SIP, remote=extensions[rng.integers(0, 40, inward)])
    desk.start, desk.own, desk.network = start + rng.uniform(0.3, 0.8, inward), caller.own, 0
    world.dial(desk, answer=0.7, failed=0.01)
    desk.network[:] = -1
    desk.pdd = rng.uniform(0.1, 0.4, inward)
    world.talk(desk, median=130, spread=1.0)
    return joined([_two(world, near, far), _two(world, caller, desk)])


def bot(world: World, calls: int = 1_500) -> Legs:
    """A voice bot: customers call in, and a websocket takes them; some are handed to an agent's phone."""
    world.hours, world.weekdays = ALWAYS, ALL_DAYS
    rng = world.rng
    network, remote = world.called(calls, int(calls / 1.3))
    start = world.times(calls, world.networks.offsets[0])
    caller = Legs(calls, conversation=np.arange(calls), direction=INBOUND, network=network, remote=remote, start=start)
    caller.pdd, caller.rings, caller.answered, caller.code = rng.uniform(0.2, 0.6, calls), False, True, 200
    caller.own = rng.choice(len(world.own), calls, p=_uneven(world, len(world.own)))
    wire = Legs(calls, conversation=np.arange(calls), channel=WEBSOCKET, remote="wss://bot.example.org/audio")
    wire.start, wire.own = start + rng.uniform(0.7, 1.2, calls), caller.own
    wire.pdd, wire.rings, wire.answered, wire.code = rng.uniform(0.1, 0.3, calls), False, True, 200
    world.talk(wire, median=75, spread=0.9)
    both = _two(world, caller, wire)
    handed = np.flatnonzero(rng.random(calls) < 0.18)
    agent = Legs(len(handed), conversation=handed, user=rng.integers(0, len(world.users), len(handed)))
    agent.network = world.home_networks(len(world.users))[agent.user]
    agent.remote, agent.own = np.array(world.agent_numbers, dtype=object)[agent.user], caller.own[handed]
    agent.start = both.ended_at[handed] - 0.5
    world.dial(agent, answer=0.8)
    world.talk(agent, median=150, spread=0.9)
    world.listen(agent)
    both.talk[handed] += np.where(agent.answered, agent.talk, 3.0) + agent.pdd + agent.ring
    made = joined([both, agent])
    made.conversation = np.concatenate([both.conversation, agent.conversation])
    return made


def mixed(world: World) -> Legs:
    """A bit of everything, as a reseller's account has it."""
    parts = [dialler(world, 900), ring_all(world, 220), softphone(world, 250), pbx(world, 350), bot(world, 300)]
    world.hours, world.weekdays = OFFICE, WORKDAYS
    return joined(parts)


def one_day(world: World) -> Legs:
    """The export of a single day: a contact centre, or staff who call out."""
    world.days, world.weekdays = 1, ALL_DAYS
    return contact_centre(world, 400, 300) if world.rng.random() < 0.5 else softphone(world, 900)


def one_night(world: World) -> Legs:
    """The export from one evening to the next morning."""
    legs = dialler(world, 1_600)
    legs.start = BEGIN + 20 * 3_600 + world.rng.uniform(0, 10 * 3_600, len(legs))
    return legs


def large_dialler(world: World) -> Legs:
    """A campaign of some weeks with many calls, around the clock."""
    world.days = int(world.rng.integers(9, 40))
    legs = dialler(world, 9_000)
    world.hours = ALWAYS
    return legs


def small_team(world: World) -> Legs:
    """Eight people who call from their application, at hours of their own."""
    count = 8
    world.users, world.versions = world.users[:count], world.versions[:count]
    world.agent_numbers = world.agent_numbers[:count]
    world.hours = EVENING
    return softphone(world, int(world.rng.integers(900, 2_000)))


def large_pbx(world: World) -> Legs:
    """A trunk with more calls than most, seven days a week."""
    legs = pbx(world, int(world.rng.integers(1_800, 3_000)))
    world.weekdays = ALL_DAYS
    return legs


def _two(world: World, near: Legs, far: Legs) -> Legs:
    """Calls of two legs: the first is up as long as the second is, or rings."""
    number = len(near)
    both = joined([near, far])
    both.conversation = np.concatenate([near.conversation, far.conversation])
    waiting = np.flatnonzero(~far.answered)
    both.talk[waiting] = np.maximum(far.ended_at[waiting] + 1.5 - near.answered_at[waiting], 0.5)
    _bridge(both, np.arange(number), number + np.arange(number))
    world.listen(both)
    return both


def _bridge(legs: Legs, near: np.ndarray, far: np.ndarray) -> None:
    """Let legs talk to each other: both end together; who hung up on one side is the other on the other."""
    legs.partner[near], legs.partner[far] = far, near
    up = legs.answered[far]
    near, far = near[up], far[up]
    legs.talk[near] = legs.ended_at[far] + 0.2 - legs.answered_at[near]
    local = legs.ending[far] == END["LOCAL_HANGUP"]
    legs.ending[near] = np.where(local, END["REMOTE_HANGUP"], END["LOCAL_HANGUP"])


def _uneven(world: World, number: int, concentration: float = 3.0) -> np.ndarray:
    return world.rng.dirichlet(np.full(number, concentration))


#: Shape -> how its legs are made.
SHAPES: dict[str, Callable[[World], Legs]] = {
    "dialler": dialler, "contact_centre": contact_centre, "softphone": lambda world: softphone(world, 1_500),
    "pbx": pbx, "bot": bot, "mixed": mixed, "one_day": one_day, "one_night": one_night, "large_dialler": large_dialler,
    "small_team": small_team, "large_pbx": large_pbx,
}  # fmt: skip

__all__ = [
    "SHAPES", "bot", "contact_centre", "dialler", "large_dialler", "large_pbx", "mixed", "one_day", "one_night", "pbx",
    "ring_all", "small_team", "softphone",
]  # fmt: skip
