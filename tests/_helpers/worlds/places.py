"""Where the calls of a world go: countries with their networks, numbers, prices, clocks and usual post-dial delays.

Numbers have a digit more than those of their country: none of them can be dialled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Country(NamedTuple):
    """A country: its calling code and clock, how long its networks take to ring, and what a minute costs."""

    code: str
    calling: str
    utc_offset: int
    pdd_s: float
    rate: float
    digits: int
    """Digits of its numbers after the calling code."""
    networks: tuple[tuple[str, str], ...]
    """Network code, and what its numbers begin with."""


def _country(code: str, calling: str, *rest: float | str) -> Country:
    offset, pdd_s, rate, digits, networks = rest
    pairs = (entry.split(":") for entry in str(networks).split())
    known = tuple((network, first) for network, first in pairs)
    return Country(code, calling, int(offset), float(pdd_s), float(rate), int(digits), known)


COUNTRIES = {country.code: country for country in (
    _country("GB", "44", 0, 1.5, 0.0139, 10, "23410:7712 23415:7787 23430:7953 23420:7401 GB-FIXED:20"),
    _country("US", "1", -5, 1.8, 0.0127, 10, "310410:415 310260:917 311480:646 US-FIXED:212"),
    _country("FR", "33", 1, 2.1, 0.0295, 9, "20801:608 20810:617 20820:661 FR-FIXED:14"),
    _country("DE", "49", 1, 1.9, 0.0240, 10, "26201:171 26202:173 26203:176 DE-FIXED:30"),
    _country("ES", "34", 1, 2.2, 0.0260, 9, "21401:610 21403:655 21407:629 ES-FIXED:91"),
    _country("IT", "39", 1, 2.4, 0.0250, 10, "22201:335 22210:347 22288:328 IT-FIXED:06"),
    _country("NL", "31", 1, 1.7, 0.0310, 9, "20404:612 20408:620 NL-FIXED:20"),
    _country("IE", "353", 0, 1.8, 0.0210, 9, "27201:87 27202:86 IE-FIXED:1"),
    _country("SE", "46", 1, 1.9, 0.0195, 9, "24001:70 24007:73 SE-FIXED:8"),
    _country("PL", "48", 1, 2.3, 0.0180, 9, "26001:601 26002:602 26003:501 PL-FIXED:22"),
    _country("BR", "55", -3, 2.8, 0.0420, 11, "72405:1199 72406:2199 72411:3199 BR-FIXED:1130"),
    _country("IN", "91", 5, 2.7, 0.0110, 10, "40410:98 40445:97 40554:99 IN-FIXED:22"),
    _country("AU", "61", 10, 2.5, 0.0390, 9, "50501:41 50502:43 50503:42 AU-FIXED:2"),
    _country("ZA", "27", 2, 2.6, 0.0450, 9, "65501:82 65510:83 ZA-FIXED:11"),
    _country("MX", "52", -6, 2.7, 0.0330, 10, "33420:55 334030:33 MX-FIXED:81"),
    _country("SG", "65", 8, 2.0, 0.0280, 8, "52501:9 52503:8 SG-FIXED:6"),
)}  # fmt: skip
#: Destinations that nobody calls by habit: prefixes of revenue-share fraud.
RARE = {country.code: country for country in (
    _country("SO", "252", 3, 4.0, 0.62, 9, "63701:61"),
    _country("LV", "371", 2, 3.2, 0.48, 8, "24701:81"),
    _country("CU", "53", -5, 4.1, 0.71, 8, "36801:5"),
    _country("MV", "960", 5, 3.8, 0.83, 7, "47201:79"),
    _country("SL", "232", 0, 4.2, 0.55, 8, "61901:76"),
    _country("TN", "216", 1, 3.4, 0.51, 8, "60501:98"),
)}  # fmt: skip


class Networks:
    """The networks that a world calls, heavy-tailed: a few have most of the calls."""

    def __init__(self, rng: np.random.Generator, countries: Sequence[str], *, tail: float = 1.1) -> None:
        pairs = [(COUNTRIES[code], *network) for code in countries for network in COUNTRIES[code].networks]
        # The first country is the account's own, and has about half of the calls.
        weights = np.array([1 / (1 + countries.index(country.code)) ** tail for country, _, _ in pairs])
        weights *= rng.lognormal(0, 0.5, len(pairs))
        self._set([(country, code, (first,)) for country, code, first in pairs], weights)

    def _set(self, rows: list[tuple[Country, str, tuple[str, ...]]], weights: np.ndarray) -> None:
        self.codes = np.array([code for _, code, _ in rows], dtype=object)
        self.countries = np.array([country.code for country, _, _ in rows], dtype=object)
        self.starts = [[country.calling + first for first in firsts] for country, _, firsts in rows]
        self.lengths = [len(country.calling) + country.digits + 1 for country, _, _ in rows]
        self.offsets = np.array([country.utc_offset for country, _, _ in rows])
        self.pdd_s = np.array([country.pdd_s for country, _, _ in rows])
        self.rates = np.array([country.rate for country, _, _ in rows])
        self.shares = weights / weights.sum()

    @classmethod
    def many(cls, rng: np.random.Generator, count: int) -> Networks:
        """Hundreds of small networks, as resellers and number ranges make them."""
        made = cls(rng, ["GB"])
        countries = list(COUNTRIES.values())
        rows = []
        for number in range(count):
            country = countries[number % len(countries)]
            mobile = country.networks[0][0][:3]
            rows.append((country, f"{mobile}{number:03d}", (f"{country.networks[0][1][:1]}{number:03d}"[:4],)))
        made._set(rows, rng.lognormal(0, 0.6, count))
        return made

    def add(self, country: Country) -> int:
        """Add a destination that is not called by habit; gives its place."""
        code, first = country.networks[0]
        for name, value in (("codes", code), ("countries", country.code), ("offsets", country.utc_offset),
                            ("pdd_s", country.pdd_s), ("rates", country.rate), ("shares", 0.0)):  # fmt: skip
            setattr(self, name, np.append(getattr(self, name), np.array([value], getattr(self, name).dtype)))
        self.starts.append([country.calling + first])
        self.lengths.append(len(country.calling) + country.digits + 1)
        return len(self.codes) - 1

    def numbers(self, rng: np.random.Generator, networks: np.ndarray) -> np.ndarray:
        """A number in each of the networks."""
        draws = rng.integers(0, 10**9, len(networks))
        which = rng.integers(0, 1000, len(networks))
        made = []
        for network, draw, pick in zip(networks.tolist(), draws.tolist(), which.tolist(), strict=True):
            starts = self.starts[network]
            start = starts[pick % len(starts)]
            left = self.lengths[network] - len(start)
            made.append(f"{start}{draw:09d}"[: len(start) + min(left, 9)].ljust(self.lengths[network], "0"))
        return np.array(made, dtype=object)


__all__ = ["COUNTRIES", "RARE", "Country", "Networks"]
