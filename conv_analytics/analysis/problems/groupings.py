"""The groupings of cases: columns of legs, prefixes of numbers, and times of the week."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.problems.observations import Codes, Ints, Observations
from conv_analytics.analysis.problems.versions import VERSIONS

#: Lengths of the tested prefixes of numbers, in digits.
PREFIXES = (2, 3, 4, 5, 6, 7)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Grouping:
    """One way to group calls.

    Attributes
    ----------
    name
        The column, or ``prefix4`` for the first four digits of the remote number.
    noun
        The noun for a group in a sentence.
    side
        Whose responsibility a problem of one group is.
    adjusts
        Whether direction and channel may explain a difference; not if they are the grouping.
    party
        Whether its groups are people, numbers or devices: many, small, and each with its own habits.
    rank
        Of groups with the same calls, the one with the lowest rank is named.
    """

    name: str
    noun: str
    side: str
    adjusts: bool = True
    party: bool = False
    rank: int = 5

    @property
    def column(self) -> str:
        """Its key in a problem."""
        return "prefix" if self.name.startswith("prefix") else self.name


class _Groupings(dict[str, Grouping]):
    """Groupings by name; custom columns are groupings, too."""

    def __missing__(self, name: str) -> Grouping:
        return Grouping(name, name.replace("_", " "), "unknown", rank=2)


GROUPINGS: Mapping[str, Grouping] = _Groupings({each.name: each for each in (
    Grouping("all", "all calls", "unknown", adjusts=False, rank=0),
    Grouping("network_code", "network", "route or carrier", rank=1),
    Grouping("country", "country", "route or carrier", rank=2),
    *(Grouping(f"prefix{length}", "numbers that begin with", "route or carrier", rank=6 + length)
      for length in PREFIXES),
    Grouping("from_address", "calling number", "caller", party=True, rank=4),
    Grouping("to_address", "called number", "called party", party=True, rank=4),
    Grouping("user_id", "user", "called party", party=True, rank=3),
    *(Grouping(name, "version", "own application", rank=2) for name in VERSIONS),
    Grouping("channel_type", "channel", "platform", adjusts=False, rank=5),
    Grouping("direction", "direction", "platform", adjusts=False, rank=5),
    Grouping("codec_guess", "codec", "platform", rank=20),
    Grouping("remote_kind", "kind of address", "own application", adjusts=False, rank=6),
    Grouping("weekday", "weekday", "unknown", rank=5),
)})  # fmt: skip


@dataclass
class Groups:
    """Codes of every grouping, for legs and for attempts, each computed when it is first needed."""

    observations: Observations
    _codes: dict[tuple[str, str], Codes] = field(default_factory=dict)

    def of(self, name: str, unit: str = "leg") -> Codes:
        """The codes of a grouping; for attempts, -1 where the legs of one attempt differ."""
        if (name, unit) not in self._codes:
            self._codes[name, unit] = self._legs(name) if unit == "leg" else self._attempts(self.of(name))
        return self._codes[name, unit]

    def has(self, name: str) -> bool:
        """Whether the data has this grouping at all."""
        if name in {"all", "weekday"}:
            return True
        if not name.startswith("prefix"):
            return name in self.observations.columns
        if "remote_address" not in self.observations.columns:
            return False
        # A prefix whose last digit distinguishes nothing is not a separate grouping.
        length = int(name.removeprefix("prefix"))
        return length == PREFIXES[0] or len(self.of(name).labels) > len(self.of(f"prefix{length - 1}").labels)

    def _legs(self, name: str) -> Codes:
        legs = self.observations
        if name == "all":
            return Codes(np.zeros(len(legs), dtype=np.int32), ["all"])
        if name == "weekday":
            return Codes(legs.weekday, WEEKDAYS)
        if name.startswith("prefix"):
            return self._prefix(int(name.removeprefix("prefix")))
        if name in {"from_address", "to_address"}:
            # The address of a user's own leg is the user, which is a separate grouping.
            app = legs.texts["channel_type"].is_in("app")
            users_end = app & (legs.outbound == (name == "to_address"))
            return Codes(np.where(users_end, -1, legs.texts[name].codes), legs.texts[name].labels)
        return legs.texts[name]

    def _prefix(self, length: int) -> Codes:
        numbers = self.observations.texts["remote_address"]
        if not len(numbers.labels):
            return numbers
        if length < PREFIXES[-1]:
            # Prefixes of the longer prefixes, which are fewer than the numbers.
            longer = self.of(f"prefix{length + 1}")
            encoded = pc.dictionary_encode(pc.utf8_slice_codeunits(pa.array(longer.labels, pa.string()), 0, length))
            of_longer = np.append(encoded.indices.to_numpy(zero_copy_only=False), -1)
            return Codes(of_longer[longer.codes].astype(np.int32), encoded.dictionary.to_pylist())
        labels = getattr(numbers.labels, "array", None)
        labels = pa.array(list(numbers.labels)) if labels is None else labels
        digits = pc.utf8_ltrim(labels, characters="+")
        number = pc.match_substring_regex(digits, "^[0-9]{7,15}$")
        encoded = pc.dictionary_encode(pc.if_else(number, pc.utf8_slice_codeunits(digits, 0, length), None))
        of_label = np.append(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), -1)
        return Codes(of_label[numbers.codes].astype(np.int32), encoded.dictionary.to_pylist())

    def _attempts(self, per_leg: Codes) -> Codes:
        attempt = self.observations.attempt
        rows = np.flatnonzero(attempt >= 0)
        if not len(rows):
            return per_leg
        count = int(attempt[rows].max()) + 1
        low, high = np.full(count, len(per_leg.labels) + 1, dtype=np.int32), np.full(count, -2, dtype=np.int32)
        np.minimum.at(low, attempt[rows], per_leg.codes[rows])
        np.maximum.at(high, attempt[rows], per_leg.codes[rows])
        same = np.where(low == high, low, -1)
        codes = per_leg.codes.copy()
        codes[rows] = same[attempt[rows]]
        return Codes(codes, per_leg.labels)


def representatives(legs: Observations) -> Ints:
    """One leg of each attempt: the one that was answered, else the first."""
    rows = np.flatnonzero(legs.attempt >= 0)
    order = np.lexsort((legs.started_us[rows], ~legs.answered[rows], legs.attempt[rows]))
    rows = rows[order]
    first = np.r_[True, legs.attempt[rows][1:] != legs.attempt[rows][:-1]] if len(rows) else np.empty(0, bool)
    return rows[first]


__all__ = ["GROUPINGS", "WEEKDAYS", "Grouping", "Groups", "representatives"]
