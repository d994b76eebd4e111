"""The period of a report, and the hours, days or weeks in it: on the clock of a zone, DST included."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.errors import ConfigError
from conv_analytics.instants import MICROSECOND, from_micros, micros
from conv_analytics.time_zones import EARLIEST, LATEST, hour_end, hour_start, offset_us, on_clock

#: Maximum length of a period that is shown by hours, by days, and by weeks; a longer one is shown by years.
BY_HOURS, BY_DAYS, BY_WEEKS = timedelta(hours=49), timedelta(days=120), timedelta(days=20 * 366)


@dataclass(frozen=True)
class Period:
    """A time from `since` up to but not including `until`, and the period of the same length before it.

    Attributes
    ----------
    since, until
        Instants in UTC; None if neither the caller nor the data limit the period.
    before
        Start of the period to compare with, which ends at `since`; None without one.
    """

    zone: ZoneInfo
    since: datetime | None
    until: datetime | None
    before: datetime | None = None

    @property
    def empty(self) -> bool:
        """Whether it has no length."""
        return self.since is None or self.until is None or self.since >= self.until

    @property
    def unit(self) -> str:
        """The unit of a trend: ``hour``, ``day``, ``week`` or ``year``."""
        if self.since is None or self.until is None:
            return "day"
        length = self.until - self.since
        limits = (("hour", BY_HOURS), ("day", BY_DAYS), ("week", BY_WEEKS))
        return next((unit for unit, most in limits if length <= most), "year")

    def slots(self) -> list[datetime]:
        """The start of each hour, day, week or year, and the end of the last one, as instants in UTC.

        Examples
        --------
        >>> london = ZoneInfo("Europe/London")
        >>> march = Period(london, datetime(2026, 3, 28, tzinfo=london), datetime(2026, 3, 31, tzinfo=london))
        >>> starts = march.slots()
        >>> [int((after - at).total_seconds() / 3600) for at, after in zip(starts, starts[1:])]
        [24, 23, 24]
        """
        if self.since is None or self.until is None or self.empty:
            return []
        instants: Iterator[datetime]
        if self.unit == "hour":
            instants = self._hours(micros(self.since))
        else:
            first = _begin(on_clock(self.since, self.zone).date(), self.unit)
            days = itertools.accumulate(itertools.repeat(self.unit), _following, initial=first)
            instants = (midnight(day, self.zone) if day < date.max else LATEST for day in days)
        starts = [min(next(instants), self.since)]
        while starts[-1] < self.until:
            starts.append(next(instants))
        return starts

    def _hours(self, at: int) -> Iterator[datetime]:
        """The starts of the hours of the zone's clock, from the one that an instant lies in."""
        at = hour_start(at, self._offset_at)
        while True:
            yield from_micros(min(max(at, micros(EARLIEST)), micros(LATEST)))
            at = hour_end(at, self._offset_at)

    def _offset_at(self, at: int) -> int:
        return offset_us(at, self.zone)

    def label(self, at: datetime) -> str:
        """The start of a slot on the zone's clock."""
        local = on_clock(at, self.zone)
        return local.isoformat(" ", "minutes") if self.unit == "hour" else local.date().isoformat()


def period_of(
    since: datetime | date | str | None,
    until: datetime | date | str | None,
    tz: str,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Period:
    """The requested period.

    Parameters
    ----------
    since, until
        Instants with a zone, days (their midnight in `tz`), or either as ISO 8601 text; `until` is excluded.
    tz
        IANA name of the zone.
    first, last
        The first and the last instant of the data, in place of a limit that is None.

    Raises
    ------
    ConfigError
        If one is neither an instant nor a day, has no zone, or the end is not after the start.

    Examples
    --------
    >>> week = period_of("2026-03-27", "2026-04-03", "Europe/London")
    >>> week.since.isoformat(), week.until.isoformat(), week.before.isoformat()
    ('2026-03-27T00:00:00+00:00', '2026-04-02T23:00:00+00:00', '2026-03-20T00:00:00+00:00')
    """
    zone = zone_info(tz)
    begin, end = _instant("since", since, zone), _instant("until", until, zone)
    if begin is not None and end is not None and begin >= end:
        raise ConfigError(f"since={since} is not before until={until}: there is no time between them.")
    start = begin if begin is not None else first and first.astimezone(UTC)
    stop = end if end is not None else last and shifted(last.astimezone(UTC), MICROSECOND)
    if start is not None and stop is not None and start > stop:
        start, stop = (start, start) if end is None else (stop, stop)
    before = _before(start, stop, zone) if begin is not None and start is not None and stop is not None else None
    return Period(zone, start, stop, before)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins; if clocks skip midnight, the first instant after it."""
    return _instant_of(datetime.combine(day, time(), zone))


def shifted(at: datetime, by: timedelta) -> datetime:
    """An instant shifted by some time, but not beyond the first or last possible one.

    >>> shifted(LATEST, timedelta(days=1)) == LATEST, shifted(EARLIEST, -timedelta(days=1)) == EARLIEST
    (True, True)
    """
    try:
        return at + by
    except OverflowError:
        return LATEST if by > timedelta() else EARLIEST


def _instant_of(local: datetime) -> datetime:
    try:
        return local.astimezone(UTC)
    except OverflowError:
        return EARLIEST if local.year == 1 else LATEST


def _begin(day: date, unit: str) -> date:
    """The first day of the unit that a day is in."""
    if unit == "year":
        return day.replace(month=1, day=1)
    return day - timedelta(days=min(day.weekday(), (day - date.min).days)) if unit == "week" else day


def _following(day: date, unit: str) -> date:
    """The first day of the next unit, or the last possible day."""
    if unit == "year":
        return day.replace(year=day.year + 1) if day.year < date.max.year else date.max
    return day + min(timedelta(days=1 if unit == "day" else 7), date.max - day)


def _before(since: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    if since >= until or since - EARLIEST < until - since:
        return None
    local, end = on_clock(since, zone), on_clock(until, zone)
    if since == midnight(local.date(), zone) and until == midnight(end.date(), zone):
        # Whole days are compared with the same number of days, even if one of them has 23 hours.
        return midnight(local.date() - min(end.date() - local.date(), local.date() - date.min), zone)
    return since - (until - since)


def _instant(name: str, value: datetime | date | str | None, zone: ZoneInfo) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= len("2026-11-23") else datetime.fromisoformat(value)
        except ValueError:
            raise ConfigError(
                f"{name}={value!r} is not a point in time. Give one like '2026-11-20' or '2026-11-20T14:30:00+01:00'."
            ) from None
    if not isinstance(value, date):
        raise ConfigError(
            f"{name}={value!r} is a {type(value).__name__}, not a point in time. Give a day or an instant with its time"
            " zone, or either as text, like '2026-11-20' or '2026-11-20T14:30:00+01:00'."
        )
    if not isinstance(value, datetime):
        return midnight(value, zone)
    if value.tzinfo is None:
        return in_utc(name, value)
    return _instant_of(value)


__all__ = ["Period", "midnight", "period_of", "shifted"]
