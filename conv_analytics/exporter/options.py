"""What an export reads, and how hard it may ask."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from conv_analytics.errors import ConfigError
from conv_analytics.resources import Conversation, endpoints
from conv_analytics.resources.endpoint import Listing
from conv_analytics.tables import TABLES

#: Tables that take requests of their own and are therefore only exported when named.
OPTIONAL = ("users", "sessions")
#: The client keeps so many connections.
MAX_CONCURRENCY = 100
DEFAULT_TABLES = tuple(name for name in TABLES if name not in OPTIONAL)
#: With a lookback, every conversation is asked for once in this time.
SWEEP = timedelta(days=7)

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Options:
    """Checked options of a run."""

    tables: tuple[str, ...] = DEFAULT_TABLES
    since: datetime | None = None
    until: datetime | None = None
    concurrency: int = 20
    rate: float = 10.0
    page_size: int = 100
    full: bool = False
    lookback: timedelta | None = None
    sweep: timedelta = SWEEP

    def covers(self, created: datetime | None) -> bool:
        """Whether a conversation of this age is wanted; one of unknown age is."""
        if created is None:
            return True
        return (self.since is None or created >= self.since) and (self.until is None or created < self.until)

    def listing(self) -> Listing[Conversation]:
        """The list of conversations to read.

        Whether the API takes the bounds themselves in is not documented: a second more is asked for at either end, and
        `covers` decides (contract 2.6).
        """
        return endpoints.list_all_conversations(
            page_size=self.page_size,
            date_start=self.since and self.since - _SECOND,
            date_end=self.until and self.until + _SECOND,
        )

    @property
    def events(self) -> bool:
        """Whether events must be read."""
        return any(TABLES[name].types or name == "events" for name in self.tables)

    @property
    def members(self) -> bool:
        """Whether members must be read."""
        return "members" in self.tables

    @property
    def users(self) -> bool:
        """Whether users must be listed."""
        return self.users_in_full or self.sessions

    @property
    def users_in_full(self) -> bool:
        """Whether each user must be asked for: lists of users are short."""
        return "users" in self.tables

    @property
    def sessions(self) -> bool:
        """Whether sessions must be read."""
        return "sessions" in self.tables


def options(
    *,
    tables: Collection[str] | str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    concurrency: int = 20,
    rate: float = 10.0,
    full: bool = False,
    lookback: timedelta | None = None,
    sweep: timedelta = SWEEP,
) -> Options:
    """Check options; raise `ConfigError` naming the one that is wrong."""
    since, until = _utc(since), _utc(until)
    if since and until and since >= until:
        raise ConfigError(
            f"since ({since.isoformat()}) is not before until ({until.isoformat()}): nothing can lie between them."
        )
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise ConfigError(f"concurrency is {concurrency}; it must be 1 to {MAX_CONCURRENCY}.")
    if not rate >= 0:
        raise ConfigError(f"rate is {rate}; it must be 0 (no limit) or more requests per second.")
    _check_probing(lookback, sweep, full=full)
    return Options(_tables(tables), since, until, concurrency, rate, full=full, lookback=lookback, sweep=sweep)


def _check_probing(lookback: timedelta | None, sweep: timedelta, *, full: bool) -> None:
    nothing = timedelta()
    if full and lookback is not None:
        raise ConfigError(
            "full reads every conversation again, and a lookback passes some over: leave one of them out."
        )
    if lookback is not None and lookback <= nothing:
        raise ConfigError(f"lookback is {lookback}; it must be longer than nothing, such as 7 days.")
    if sweep < nothing:
        raise ConfigError(f"sweep is {sweep}; it must be 0 (every run asks for all conversations) or longer.")


def _utc(moment: datetime | None) -> datetime | None:
    """An instant with a zone; one without is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _tables(names: Collection[str] | str | None) -> tuple[str, ...]:
    if names is None:
        return DEFAULT_TABLES
    asked = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if asked == ["all"]:
        return tuple(TABLES)
    for name in asked:
        if name not in TABLES:
            raise ConfigError(f"There is no table {name!r}. Tables are {', '.join(TABLES)}; or say all.")
    return tuple(name for name in TABLES if name in asked)
