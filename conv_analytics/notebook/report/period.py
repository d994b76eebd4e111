"""The period of a report, and the hours, days or weeks in it: on the clock of a zone, DST included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.errors import ConfigError
from conv_analytics.instants import MICROSECOND

#: Up to which length a period is shown by hours, and by days; a longer one is shown by weeks.
BY_HOURS, BY_DAYS = timedelta(hours=49), timedelta(days=120)


@dataclass(frozen=True)
class Period:
    """A time from `since` until before `until`, and the period of the same length before it.

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
        """The unit of a trend: ``hour``, ``day`` or ``week``."""
        if self.since is None or self.until is None:
            return "day"
        length = self.until - self.since
        return "hour" if length <= BY_HOURS else "day" if length <= BY_DAYS else "week"

    def slots(self) -> list[datetime]:
        """The start of each hour, day or week, and the end of the last one, as instants in UTC.

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
        if self.unit == "hour":
            local = self.since.astimezone(self.zone)
            at = self.since.astimezone(UTC) - timedelta(
                minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
            starts = []
            while at < self.until:
                starts.append(at)
                at += timedelta(hours=1)
            return [*starts, at]
        day = self.since.astimezone(self.zone).date()
        step = 1 if self.unit == "day" else 7
        if self.unit == "week":
            day -= timedelta(days=day.weekday())
        starts = []
        while (at := midnight(day, self.zone)) < self.until:
            starts.append(at)
            day += timedelta(days=step)
        return [*starts, at]

    def label(self, at: datetime) -> str:
        """The start of a slot on the zone's clock."""
        local = at.astimezone(self.zone)
        return local.isoformat(" ", "minutes") if self.unit == "hour" else local.date().isoformat()


def period_of(
    since: datetime | date | str | None,
    until: datetime | date | str | None,
    tz: str,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Period:
    """The period that a caller asks for.

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
        If one is no instant, has no zone, or the end is not after the start.

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
    stop = end if end is not None else last and last.astimezone(UTC) + MICROSECOND
    if start is not None and stop is not None and start > stop:
        start, stop = (start, start) if end is None else (stop, stop)
    before = _before(start, stop, zone) if begin is not None and start is not None and stop is not None else None
    return Period(zone, start, stop, before)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins; if clocks skip midnight, the first instant after it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _before(since: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    if since >= until:
        return None
    local, end = since.astimezone(zone), until.astimezone(zone)
    if local.time() == end.time() == time():
        # Whole days are compared with as many days, even if one of them has 23 hours.
        return midnight(local.date() - (end.date() - local.date()), zone)
    return since - (until - since)


def _instant(name: str, value: datetime | date | str | None, zone: ZoneInfo) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= len("2026-11-23") else datetime.fromisoformat(value)
        except ValueError:
            raise ConfigError(
                f"{name}={value!r} is no point in time. Give one like '2026-11-20' or '2026-11-20T14:30:00+01:00'."
            ) from None
    if not isinstance(value, datetime):
        return midnight(value, zone)
    return in_utc(name, value)


__all__ = ["Period", "midnight", "period_of"]
