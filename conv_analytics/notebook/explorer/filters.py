"""The filters of the explorer: which calls it shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Self

from conv_analytics.analysis.entities.sip import CLASSES
from conv_analytics.analysis.entities.verdicts import RANK
from conv_analytics.errors import ConfigError

#: The value of calls without one.
NONE = "none known"
#: The filters that are lists, and the columns of calls that they filter.
LISTS = {
    "networks": "network_code",
    "countries": "country",
    "directions": "direction",
    "outcomes": "outcome",
    "verdicts": "verdict",
}
#: The words that are known for some of them, whatever the data is; data may have others, but for verdicts.
KNOWN = {
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
        When a call started: days of the explorer's time zone, or instants; `until` is excluded.
    networks, countries, directions, outcomes, verdicts
        One or more values; ``none known`` stands for calls without one.
    text
        A part of an id, number, code or word as it is shown; or a whole number or name, which matches even where it is
        shown masked.

    Raises
    ------
    ConfigError
        If a value is not a text, or not a verdict. Directions and outcomes that neither the API nor the explored data
        has are refused when the filters are set.

    Examples
    --------
    >>> Filters(outcomes="busy").outcomes
    ('busy',)
    >>> print(Filters(since="2026-05-04", verdicts=["poor", "fair"]))
    since 2026-05-04; verdicts: poor, fair
    >>> Filters(verdicts="awful")
    Traceback (most recent call last):
    conv_analytics.errors.tree.ConfigError: 'awful' is not one of verdicts: unmeasured, good, fair, poor.
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
            wanted = getattr(self, name)
            wanted = () if wanted is None else wanted if isinstance(wanted, Iterable) else (wanted,)
            values = tuple(dict.fromkeys((wanted,) if isinstance(wanted, str) else wanted))
            for value in values:
                if not isinstance(value, str):
                    raise ConfigError(f"{value!r} is not one of {name}: texts.")
                if name == "verdicts":
                    require_known(name, value, KNOWN[name])
            object.__setattr__(self, name, values)
        if not isinstance(self.text, str):
            raise ConfigError(f"text={self.text!r} is not a text.")

    @classmethod
    def of(cls, message: Any) -> Self:
        """The filters that a browser sends: a mapping of texts and lists; a filter that is not in it is empty."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in dict(message).items() if name in known}
        edges = {name: values.get(name) or None for name in ("since", "until")}
        return cls(**{**values, **edges})

    def listed(self, name: str) -> tuple[str, ...]:
        """The values of a filter that is a list."""
        values: tuple[str, ...] = getattr(self, name)
        return values

    def plain(self) -> dict[str, Any]:
        """The filters as JSON values."""
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


def require_known(name: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value of a list that is not a known one."""
    if value not in known:
        raise ConfigError(f"{value!r} is not one of {name}: {', '.join(known)}.")


def _text(edge: datetime | date | str | None) -> str:
    """An edge in the spelling that a browser's field of a day reads: of ISO 8601's others it would show none."""
    if edge is None or isinstance(edge, date):
        return "" if edge is None else edge.isoformat()
    day = len(edge) <= len("2026-11-23")
    return date.fromisoformat(edge).isoformat() if day else datetime.fromisoformat(edge).isoformat()


__all__ = ["KNOWN", "LISTS", "NONE", "Filters", "require_known"]
