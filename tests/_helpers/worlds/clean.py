"""Worlds with nothing to find, odd in a way that looks like something."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests._helpers.worlds import shapes
from tests._helpers.worlds.legs import END, Legs, joined
from tests._helpers.worlds.places import Networks
from tests._helpers.worlds.world import ALL_DAYS, BEGIN, DAY, HOUR, NIGHT, OFFICE, WEEKENDS, World

Fill = Callable[[World], Legs]
CLEAN: dict[str, Fill] = {}


def clean(fill: Fill) -> Fill:
    CLEAN[fill.__name__] = fill
    return fill


@clean
def dialler(world: World) -> Legs:
    """Campaigns, nothing else."""
    return shapes.dialler(world)


@clean
def contact_centre(world: World) -> Legs:
    """Three agents ring at once for every customer: two of three attempts are cancelled."""
    return shapes.contact_centre(world)


@clean
def pbx(world: World) -> Legs:
    """A trunk of a PBX."""
    return shapes.pbx(world)


@clean
def voice_bot(world: World) -> Legs:
    """A bot on a websocket."""
    return shapes.bot(world)


@clean
def mixed(world: World) -> Legs:
    """A reseller's account."""
    return shapes.mixed(world)


@clean
def small_networks(world: World) -> Legs:
    """500 networks with a handful of calls each."""
    world.networks = Networks.many(world.rng, 500)
    return shapes.dialler(world, 3_500)


@clean
def dominant_network(world: World) -> Legs:
    """Nine of ten calls go to one network."""
    shares = world.networks.shares * 0.1
    shares[0] += 1 - shares.sum()
    world.networks.shares = shares
    return shapes.softphone(world, 1_500)


@clean
def bursts(world: World) -> Legs:
    """Campaigns start at once: 60 calls in two minutes, and their outcomes are alike."""
    rng = world.rng
    legs = shapes.dialler(world, 3_000)
    legs.group = rng.integers(0, 50, len(legs))
    begins = world.times(50, world.networks.offsets[0])
    legs.start = begins[legs.group] + rng.uniform(0, 120, len(legs))
    # Drawn anew, with what calls of a burst have in common.
    legs.talk[:] = 0
    world.dial(legs, answer=0.4)
    world.talk(legs, median=38, spread=1.05)
    world.listen(legs)
    return legs


@clean
def export_gaps(world: World) -> Legs:
    """The export lacks three days, and some hours of others."""
    rng, legs = world.rng, shapes.contact_centre(world, 800, 520)
    day = np.floor((legs.start - BEGIN) / DAY).astype(int)
    hour = (legs.start % DAY // HOUR).astype(int)
    lost = np.isin(day, rng.choice(np.arange(2, world.days - 2), 3, replace=False))
    for gap in rng.choice(np.arange(2, world.days - 2), 4, replace=False):
        first = int(rng.integers(8, 15))
        lost |= (day == gap) & (hour >= first) & (hour < first + 4)
    return legs.take(~np.isin(legs.conversation, legs.conversation[lost]))


@clean
def repeated_callers(world: World) -> Legs:
    """15 numbers are called 200 times each; what becomes of a call depends on whose it is."""
    world.answer_spread = 0.9
    legs = shapes.dialler(world, 10)
    network, remote = world.called(15, 15)
    who = world.rng.integers(0, 15, 3_000)
    legs = Legs(3_000, conversation=np.arange(3_000), network=network[who], remote=remote[who])
    legs.start = world.times(3_000, world.networks.offsets[legs.network])
    legs.own = world.rng.integers(0, len(world.own), 3_000)
    world.dial(legs, answer=0.45)
    world.talk(legs, median=60, spread=1.0)
    world.listen(legs)
    return legs


@clean
def two_applications(world: World) -> Legs:
    """A campaign and a contact centre in one account, each with numbers of its own."""
    half = max(len(world.own) // 2, 1)
    campaign, centre = shapes.dialler(world, 1_500), shapes.contact_centre(world, 350, 250)
    campaign.own = campaign.own % half
    centre.own = half + centre.own % (len(world.own) - half)
    return joined([campaign, centre])


@clean
def recorded_prompt(world: World) -> Legs:
    """Whoever answers hears a message of 29.5 s; many listen to its end."""
    legs = shapes.dialler(world)
    patient = legs.answered & (world.rng.random(len(legs)) < 0.45)
    legs.talk[patient] = 29.5 + world.rng.normal(0, 0.25, int(patient.sum()))
    legs.ending[patient] = END["LOCAL_HANGUP"]
    long = legs.answered & ~patient & (legs.talk > 31)
    legs.talk[long] = world.rng.uniform(1, 29, int(long.sum()))
    return legs


@clean
def steady_script(world: World) -> Legs:
    """Interviews of the same questions: talk times of 31 s, give or take six."""
    legs = shapes.dialler(world)
    legs.talk = np.where(legs.answered, np.maximum(world.rng.normal(31, 6, len(legs)), 2), 0)
    return legs


@clean
def weekends(world: World) -> Legs:
    """A ticket line: hardly a call from Monday to Thursday."""
    legs = shapes.contact_centre(world)
    world.weekdays = WEEKENDS
    moved = world.times(int(legs.conversation.max()) + 1, world.networks.offsets[0])
    return _moved(legs, moved)


@clean
def growth(world: World) -> Legs:
    """Three times as many calls at the end as at the beginning."""
    world.growth = 2.0
    return shapes.mixed(world)


@clean
def holiday(world: World) -> Legs:
    """Two days without calls, and a busy day after."""
    legs = shapes.contact_centre(world)
    first = int(world.rng.integers(8, 18))
    day = np.floor((legs.start - BEGIN) / DAY).astype(int)
    away = np.isin(legs.conversation, legs.conversation[(day == first) | (day == first + 1)])
    return legs.take(~away)


@clean
def night_shift(world: World) -> Legs:
    """A line for emergencies: calls at night."""
    legs = shapes.contact_centre(world)
    world.hours, world.weekdays = NIGHT, ALL_DAYS
    return _moved(legs, world.times(int(legs.conversation.max()) + 1, world.networks.offsets[0]))


@clean
def restless_days(world: World) -> Legs:
    """Days differ, and are like the day before: weather, pay day, news."""
    legs = shapes.dialler(world, 3_200)
    steps = world.rng.normal(0, 0.2, world.days)
    mood = np.zeros(world.days)
    for day in range(1, world.days):
        mood[day] = 0.6 * mood[day - 1] + steps[day]
    of_leg = mood[np.minimum(((legs.start - BEGIN) // DAY).astype(int), world.days - 1)]
    # On good days some of those who would not have answered do; on bad days the other way round.
    change = world.rng.random(len(legs)) < np.abs(of_leg) * 0.5
    rang = legs.rings & (legs.code != 404)
    down, up = change & (of_leg < 0) & legs.answered, change & (of_leg > 0) & ~legs.answered & rang & (legs.code == 480)
    legs.not_answered(down, 480, "REMOTE_NO_ANSWER")
    legs.answered[up], legs.code[up] = True, 200
    legs.talk[up], legs.ring[up] = world.rng.lognormal(3.6, 1, int(up.sum())), world.rng.gamma(2.2, 4.2, int(up.sum()))
    legs.ending[up] = END["REMOTE_HANGUP"]
    return legs


@clean
def slow_country(world: World) -> Legs:
    """One country rings later than the others, as all of its networks always have."""
    world.networks.pdd_s = np.where(world.networks.countries == world.networks.countries[-1], 3.6, world.networks.pdd_s)
    return shapes.softphone(world, 1_500)


@clean
def few_calls(world: World) -> Legs:
    """A small account: 250 attempts in four weeks."""
    return shapes.softphone(world, 250)


@clean
def other_clocks(world: World) -> Legs:
    """Everybody is called in the office's hours, wherever they are: far away few answer, as it is night there."""
    legs = shapes.dialler(world, int(world.rng.integers(2_500, 5_000)))
    legs.start = world.times(len(legs), 0, OFFICE)
    legs.start += world.rng.choice([0, 0, 10 * HOUR, 14 * HOUR], len(legs))
    local = (legs.start + world.networks.offsets[legs.network] * HOUR) % DAY // HOUR
    asleep = legs.answered & ((local >= 22) | (local < 7)) & (world.rng.random(len(legs)) < 0.7)
    legs.ring[asleep] = world.rng.uniform(24, 40, int(asleep.sum()))
    legs.not_answered(asleep, 480, "REMOTE_NO_ANSWER")
    return legs


@clean
def one_day(world: World) -> Legs:
    """The export of a single day."""
    return shapes.one_day(world)


@clean
def one_night(world: World) -> Legs:
    """The export of one night."""
    return shapes.one_night(world)


@clean
def small_team(world: World) -> Legs:
    """Eight people, of which two or three have the same version."""
    return shapes.small_team(world)


@clean
def large_pbx(world: World) -> Legs:
    """A trunk with many calls."""
    return shapes.large_pbx(world)


@clean
def large_dialler(world: World) -> Legs:
    """A campaign with many calls."""
    return shapes.large_dialler(world)


@clean
def one_number(world: World) -> Legs:
    """Two people with one number, who call one country."""
    world.own, world.users, world.versions = world.own[:1], world.users[:2], world.versions[:2]
    world.agent_numbers = world.agent_numbers[:2]
    world.networks = Networks(world.rng, [str(world.networks.countries[0])])
    return shapes.softphone(world, 600)


@clean
def two_months(world: World) -> Legs:
    """A small office over eight weeks: rare destinations have a few calls, of which one may be long."""
    world.days, world.own = 56, world.own[:2]
    return joined([shapes.dialler(world, 1_600), shapes.ring_all(world, 350, 2)])


@clean
def clock_change(world: World) -> Legs:
    """Clocks are put back in the middle: everybody calls an hour later by UTC."""
    legs = shapes.dialler(world, 2_500)
    legs.start[legs.start >= BEGIN + world.days * DAY / 2] += HOUR
    return legs


@clean
def half_measured(world: World) -> Legs:
    """Packets are counted on every other server only: half of the legs report start values."""
    legs = shapes.contact_centre(world)
    legs.counted &= world.rng.random(len(legs)) < 0.5
    return legs


@clean
def no_scores(world: World) -> Legs:
    """Nothing counts packets: all legs report start values."""
    legs = shapes.mixed(world)
    legs.counted[:] = False
    return legs


@clean
def three_zones(world: World) -> Legs:
    """As many calls to Australia as to Germany and the United States, each at its own evening."""
    world.networks = Networks(world.rng, ["US", "DE", "AU"], tail=0.1)
    return shapes.dialler(world, 3_500)


def _moved(legs: Legs, instants: np.ndarray) -> Legs:
    """Conversations begin at other instants, their legs as long after each other as before."""
    first = np.full(len(instants), np.inf)
    np.minimum.at(first, legs.conversation, legs.start)
    legs.start = instants[legs.conversation] + legs.start - first[legs.conversation]
    return legs


__all__ = ["CLEAN"]
