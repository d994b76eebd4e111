"""What is looked for: values that say which calls are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Self

from conv_analytics.analysis.entities.sip import CLASSES
from conv_analytics.analysis.entities.verdicts import RANK
from conv_analytics.errors import ConfigError

#: Stands for a value that is not known.
NONE = "none known"
#: The filters that are lists, and the columns of calls that they look at.
LISTS = {
    "networks": "network_code",
    "countries": "country",
    "directions": "direction",
    "outcomes": "outcome",
    "verdicts": "verdict",
}
#: The words that some of them can have; others have what the data has.
_WORDS = {
    "directions": ("inbound", "outbound", NONE),
    "outcomes": tuple(CLASSES),
    "verdicts": tuple(RANK),
}


@dataclass(frozen=True)
class Filters:
    """Which calls are shown; an empty filter shows all.

    Attributes
    ----------
    since, until
        When a call started: days of the explorer's time zone, or instants; `until` is not included.
    networks, countries, directions, outcomes, verdicts
        One or more values; ``none known`` is that of calls without one.
    text
        A part of an id, a number, a code or a word, as it is shown; or a whole number or name, which is found though
        it is shown masked.

    Raises
    ------
    ConfigError
        If a word is none that there is.

    Examples
    --------
    >>> Filters(outcomes="busy").outcomes
    ('busy',)
    >>> print(Filters(since="2026-05-04", verdicts=["poor", "fair"]))
    since 2026-05-04; verdicts: poor, fair
    >>> Filters(verdicts="awful")
    Traceback (most recent call last):
    conv_analytics.errors.tree.ConfigError: 'awful' is none of verdicts: unmeasured, good, fair, poor.
    """

    since: datetime | date | str | None = None
    until: datetime | date | str | None = None
    networks: Iterable[str] = ()
    countries: Iterable[str] = ()
    directions: Iterable[str] = ()
    outcomes: Iterable[str] = ()
    verdicts: Iterable[str] = ()
    text: str = ""

    def __post_init__(self) -> None:
        for name in LISTS:
            given = getattr(self, name)
            values = tuple(dict.fromkeys((given,) if isinstance(given, str) else given))
            known = _WORDS.get(name)
            for value in values:
                if not isinstance(value, str) or (known is not None and value not in known):
                    raise ConfigError(f"{value!r} is none of {name}: {', '.join(known or ('texts',))}.")
            object.__setattr__(self, name, values)

    @classmethod
    def of(cls, given: Any) -> Self:
        """What a browser asks for: a mapping of texts and lists; what it does not name is not filtered."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in dict(given).items() if name in known}
        edges = {name: values.get(name) or None for name in ("since", "until")}
        return cls(**{**values, **edges})

    def listed(self, name: str) -> tuple[str, ...]:
        """The values of one that is a list."""
        found: tuple[str, ...] = getattr(self, name)
        return found

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        edges = {"since": _text(self.since), "until": _text(self.until)}
        return {**edges, **{name: list(self.listed(name)) for name in LISTS}, "text": self.text}

    def __bool__(self) -> bool:
        return self != Filters()

    def __str__(self) -> str:
        parts = [f"since {self.since}"] if self.since else []
        parts += [f"until {self.until}"] if self.until else []
        parts += [f"{name}: {', '.join(self.listed(name))}" for name in LISTS if self.listed(name)]
        parts += [f"text {self.text!r}"] if self.text else []
        return "; ".join(parts) or "all calls"


def _text(edge: datetime | date | str | None) -> str:
    return "" if edge is None else edge.isoformat() if isinstance(edge, date) else edge


__all__ = ["LISTS", "NONE", "Filters"]
