"""A world: an account's numbers, users and networks, and the legs of its calls; all drawn from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tests._helpers.worlds.legs import END, Legs
from tests._helpers.worlds.places import COUNTRIES, Networks

#: A Monday, 00:00 UTC.
BEGIN = 1_793_577_600
DAY, HOUR = 86_400, 3_600
OFFICE = np.array([0, 0, 0, 0, 0, 0, 0, 1, 5, 9, 11, 10, 7, 8, 10, 10, 9, 6, 3, 1, 0.5, 0, 0, 0])
EVENING = np.array([0, 0, 0, 0, 0, 0, 0, 0.5, 2, 5, 6, 6, 5, 5, 6, 7, 9, 11, 11, 8, 4, 1, 0, 0])
ALWAYS = np.array([3, 2, 1.5, 1, 1, 1.5, 2, 4, 6, 8, 9, 9, 8, 8, 9, 9, 9, 9, 8, 7, 6, 6, 5, 4])
NIGHT = np.array([9, 9, 8, 8, 7, 6, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 6, 8, 9, 9])
WORKDAYS = np.array([1.15, 1, 1, 1, 0.85, 0, 0])
ALL_DAYS = np.array([1.1, 1, 1, 1, 0.95, 0.55, 0.4])
WEEKENDS = np.array([0, 0, 0, 0, 0.2, 1, 1])
VERSIONS = ("4.11.2", "4.12.0", "5.0.1")
#: How often a call of each version is made by its share of users.
VERSION_SHARES = (0.45, 0.33, 0.22)
_FAILURES = np.array([503, 500, 502, 408, 504, 404, 484, 403, 488])
_FAILURE_SHARES = np.array([0.3, 0.1, 0.08, 0.1, 0.05, 0.25, 0.04, 0.05, 0.03])


@dataclass
class World:
    """What there is besides the legs, and how chance acts on them."""

    seed: int
    kind: str
    rng: np.random.Generator
    networks: Networks
    days: int = 28
    hours: np.ndarray = field(default_factory=lambda: OFFICE)
    weekdays: np.ndarray = field(default_factory=lambda: WORKDAYS)
    growth: float = 0.0
    """By how much there are more calls at the end than at the beginning, as a share."""
    own: list[str] = field(default_factory=list)
    """The account's numbers."""
    users: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    """The application version of each user."""
    agent_numbers: list[str] = field(default_factory=list)
    applications: list[tuple[int, ...]] = field(default_factory=list)
    """Places of the own numbers of each application, where there is more than one."""
    user_spread: float = 0.3
    number_spread: float = 0.5
    answer_spread: float = 0.6
    legs: Legs = field(default_factory=lambda: Legs(0))

    @classmethod
    def drawn(cls, seed: int, kind: str, countries: Sequence[str] | None = None) -> World:
        """An account somewhere, with its numbers and its staff."""
        rng = np.random.default_rng([seed, *kind.encode()])
        if countries is None:
            home = rng.choice(["GB", "US", "DE", "FR", "ES", "IT", "NL", "AU"])
            abroad = rng.permutation([code for code in COUNTRIES if code != home])[: rng.integers(2, 6)]
            countries = [str(home), *map(str, abroad)]
        made = cls(seed, kind, rng, Networks(rng, countries))
        home = COUNTRIES[countries[0]]
        count = int(rng.integers(3, 7))
        made.own = [
            f"{home.calling}{home.networks[-1][1]}{n}".ljust(len(home.calling) + home.digits + 1, "5")
            for n in rng.choice(np.arange(100, 1000), count, replace=False)
        ]
        staff = int(rng.integers(9, 18))
        made.users = [f"agent{number:02d}" for number in range(staff)]
        made.versions = [str(version) for version in rng.choice(VERSIONS, staff, p=VERSION_SHARES)]
        for place, version in enumerate(VERSIONS):
            made.versions[place] = version
        made.agent_numbers = list(made.networks.numbers(rng, made.home_networks(staff)))
        return made

    def home_networks(self, number: int) -> np.ndarray:
        """Networks of the account's own country, by their share."""
        at_home = self.networks.countries == self.networks.countries[0]
        shares = np.where(at_home, self.networks.shares, 0)
        return self.rng.choice(len(shares), number, p=shares / shares.sum())

    def times(self, number: int, offset: np.ndarray | float, hours: np.ndarray | None = None) -> np.ndarray:
        """Instants by the local hours and weekdays on which it is called. [s]"""
        rng = self.rng
        days = np.arange(self.days)
        weights = self.weekdays[days % 7] * (1 + self.growth * days / self.days)
        day = rng.choice(days, number, p=weights / weights.sum())
        chosen = self.hours if hours is None else hours
        hour = rng.choice(24, number, p=chosen / chosen.sum())
        seconds = day * DAY + (hour - offset) * HOUR + rng.uniform(0, HOUR, number)
        return BEGIN + seconds % (self.days * DAY)

    def called(self, number: int, population: int) -> tuple[np.ndarray, np.ndarray]:
        """Networks and numbers of so many attempts, to a population of numbers that are called again and again."""
        homes = self.rng.choice(len(self.networks.shares), population, p=self.networks.shares)
        numbers = self.networks.numbers(self.rng, homes)
        picks = np.concatenate(
            [np.arange(min(population, number)), self.rng.integers(0, population, max(number - population, 0))]
        )
        return homes[picks], numbers[picks]

    # -- chance

    def effect(self, keys: np.ndarray, spread: float) -> np.ndarray:
        """A normal deviate for each different key, given to all its legs."""
        known, place = np.unique(keys.astype("U") if keys.dtype == object else keys, return_inverse=True)
        return self.rng.normal(0, spread, len(known))[place]

    def dial(self, legs: Legs, answer: float = 0.42, failed: float = 0.018) -> None:
        """What becomes of attempts over phone networks: delays, ringing, answers, and the codes of the others."""
        rng, n = self.rng, len(legs)
        legs.pdd = self.networks.pdd_s[legs.network] * rng.lognormal(0, 0.3, n)
        legs.rings = rng.random(n) < 0.97
        logit = np.log(answer / (1 - answer)) + self.effect(legs.remote, self.answer_spread)
        logit = logit + self.effect(legs.network, 0.05) + np.where(legs.group >= 0, self.effect(legs.group, 0.25), 0)
        legs.answered = rng.random(n) < 1 / (1 + np.exp(-logit))
        legs.ring = np.where(
            legs.answered, rng.gamma(2.2, 4.2, n), rng.choice([25, 30, 38, 45], n) + rng.normal(0, 1, n)
        )
        legs.code, legs.ending = (
            np.where(legs.answered, 200, 480).astype(np.int16),
            END["REMOTE_HANGUP"] + 0 * legs.ending,
        )
        legs.ending[~legs.answered] = END["REMOTE_NO_ANSWER"]
        why = rng.random(n)
        for low, high, code, ending in ((0, 0.14, 486, "REMOTE_BUSY"), (0.14, 0.24, 603, "REMOTE_REJECTED"),
                                        (0.24, 0.36, 480, "RING_TIMER")):  # fmt: skip
            rows = ~legs.answered & (why >= low) & (why < high)
            legs.code[rows], legs.ending[rows] = code, END[ending]
            if code != 480:
                legs.ring[rows] = rng.gamma(1.5, 2.5, int(rows.sum()))
        bad = np.flatnonzero(rng.random(n) < failed * np.exp(self.effect(legs.remote, 0.4)))
        codes = rng.choice(_FAILURES, len(bad), p=_FAILURE_SHARES / _FAILURE_SHARES.sum())
        legs.fail(bad, codes)
        legs.ending[bad[codes == 404]] = END["REMOTE_NOT_FOUND"]

    def talk(self, legs: Legs, median: float, spread: float = 1.0) -> None:
        """How long answered legs talk, who hangs up, and what was heard."""
        rng, n = self.rng, len(legs)
        length = median * rng.lognormal(0, spread, n)
        style = np.where(legs.user >= 0, self.effect(legs.user, 0.12), 0.0)
        legs.talk = np.where(legs.answered, np.minimum(length * np.exp(style), 7_000) + 0.3, 0.0)
        legs.ending = np.where(legs.answered & (rng.random(n) < 0.4), END["LOCAL_HANGUP"], legs.ending)

    def listen(self, legs: Legs) -> None:
        """The audio of answered legs, as lines usually are: most without a loss, one in fifty poor."""
        rng, n = self.rng, len(legs)
        line = np.where(legs.user >= 0, self.effect(legs.user, self.user_spread), 0.0)
        line = line + self.effect(legs.remote, self.number_spread) + np.where(
            legs.network >= 0, self.effect(legs.network, 0.08), 0.0)  # fmt: skip
        luck = rng.random(n) / np.exp(line)
        legs.loss = np.where(rng.random(n) < 0.3, rng.gamma(1.2, 0.0018, n), 0.0)
        legs.burst = rng.choice([1, 1, 2, 3, 8], n)
        legs.jitter = 6.0 * rng.lognormal(0, 0.38, n) * np.exp(0.1 * line)
        lossy, shaky = luck < 0.010, (luck >= 0.010) & (luck < 0.014)
        legs.loss[lossy] = rng.uniform(0.05, 0.16, int(lossy.sum()))
        legs.jitter[shaky] = rng.uniform(31, 75, int(shaky.sum()))
        silent = rng.random(n) < 0.0025
        legs.heard &= ~silent
        legs.size = np.where(legs.channel == 1, rng.integers(70, 125, n), np.where(legs.channel == 3, 640, 172))
        wire = legs.channel == 3
        legs.loss[wire], legs.jitter[wire] = 0.0, 0.8


__all__ = [
    "ALL_DAYS", "ALWAYS", "BEGIN", "DAY", "EVENING", "HOUR", "NIGHT", "OFFICE", "VERSIONS", "WEEKENDS", "WORKDAYS",
    "World",
]  # fmt: skip
