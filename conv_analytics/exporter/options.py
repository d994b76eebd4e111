"""The options of an export: declared, documented and checked in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from conv_analytics.defaults import CONCURRENCY, RATE, SWEEP
from conv_analytics.errors import ConfigError
from conv_analytics.exporter.progress import ProgressChoice
from conv_analytics.exporter.run_events import Observer
from conv_analytics.privacy import Mask
from conv_analytics.resources import Conversation, endpoints
from conv_analytics.resources.endpoint import Listing
from conv_analytics.tables import TABLES

F = TypeVar("F", bound=Callable[..., Any])

#: Tables that take requests of their own and are therefore only exported when named.
OPTIONAL = ("users", "sessions")
LISTED_TABLES = tuple(name for name, table in TABLES.items() if table.listed)
DEFAULT_TABLES = tuple(name for name in LISTED_TABLES if name not in OPTIONAL)
#: The client keeps this many connections.
MAX_CONCURRENCY = 100
#: Maximum consecutive failures before listing stops: then the API is down, not the conversations.
MAX_CONSECUTIVE_FAILURES = 20

_SECOND = timedelta(seconds=1)


class ScopeOptions(TypedDict, total=False):
    """The scope of an export or a plan; `conv_analytics.export` documents each option."""

    since: datetime | None
    until: datetime | None
    tables: Collection[str] | str | None


class PaceOptions(TypedDict, total=False):
    """How fast an export or a plan reads, and which conversations it passes over."""

    concurrency: int
    rate: float
    full: bool
    lookback: timedelta | None
    sweep: timedelta
    work: str | Path | None


class ReadOptions(ScopeOptions, PaceOptions, total=False):
    """The scope and pace of an export or a plan."""


class StoreOptions(TypedDict, total=False):
    """The storage options of an export."""

    allow_empty: bool
    processes: int | None
    mask: Mask | None


class PanelOptions(PaceOptions, StoreOptions, total=False):
    """The options of `conv_analytics.export_panel`: what to read are fields of the panel, which shows the progress."""


class ExportOptions(ReadOptions, StoreOptions, total=False):
    """The options of `conv_analytics.export` and `conv_analytics.aexport`, which document each of them."""

    progress: ProgressChoice
    on_event: Observer | None


@dataclass(frozen=True)
class Options:
    """The options of a run, with their defaults."""

    since: datetime | None = None
    until: datetime | None = None
    tables: tuple[str, ...] | None = None
    concurrency: int = CONCURRENCY
    rate: float = RATE
    full: bool = False
    lookback: timedelta | None = None
    sweep: timedelta = SWEEP
    work: str | Path | None = None
    allow_empty: bool = False
    processes: int | None = None
    progress: ProgressChoice = "auto"
    on_event: Observer | None = None
    mask: Mask | None = None
    page_size: int = 100

    def __post_init__(self) -> None:
        if self.since and self.until and self.since >= self.until:
            raise ConfigError(
                f"since ({self.since.isoformat()}) is not before until ({self.until.isoformat()}): nothing can lie"
                " between them."
            )
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise ConfigError(f"concurrency is {self.concurrency}; it must be 1 to {MAX_CONCURRENCY}.")
        if self.processes not in {None, 1, 2}:
            raise ConfigError(
                f"processes is {self.processes!r}; it must be 1 (download and convert in one), 2 (convert in another"
                " one), or None (2 where there are two processors and more than a little to convert)."
            )
        if not self.rate >= 0:
            raise ConfigError(f"rate is {self.rate}; it must be 0 (no limit) or more requests per second.")
        if self.full and self.lookback is not None:
            raise ConfigError("full reads every conversation again, and a lookback skips some: give only one of them.")
        if self.lookback is not None and self.lookback <= timedelta():
            raise ConfigError(f"lookback is {self.lookback}; it must be positive, such as 7 days.")
        if self.sweep < timedelta():
            raise ConfigError(f"sweep is {self.sweep}; it must be 0 (every run requests all conversations) or longer.")

    @classmethod
    def checked(cls, function: str, options: ReadOptions | PanelOptions, declared: type = ReadOptions) -> Options:
        """The options of a call, checked against those declared for the function.

        Raises
        ------
        TypeError
            If it takes no option of that name.
        ConfigError
            If a value is wrong.
        """
        _refuse_unknown(function, options, declared)
        values: dict[str, Any] = {**options}
        for name, read in (("since", _utc), ("until", _utc), ("tables", _tables)):
            if values.get(name) is not None:
                values[name] = read(values[name])
        return cls(**values)

    @property
    def mask_settings(self) -> dict[str, Any] | None:
        """The settings of the mask, for a report; None without a mask."""
        return None if self.mask is None else self.mask.settings()

    @property
    def selected(self) -> tuple[str, ...]:
        """Names of the tables to export."""
        return DEFAULT_TABLES if self.tables is None else self.tables

    def covers(self, created: datetime | None) -> bool:
        """Whether a conversation of this age is selected; one of unknown age is."""
        if created is None:
            return True
        return (self.since is None or created >= self.since) and (self.until is None or created < self.until)

    def listing(self) -> Listing[Conversation]:
        """The list of conversations to read.

        Whether the API includes the bounds themselves is not documented: the request asks for one more second at either
        end, and `covers` decides (contract 2.6).
        """
        return endpoints.list_all_conversations(
            page_size=self.page_size,
            date_start=self.since and self.since - _SECOND,
            date_end=self.until and self.until + _SECOND,
        )

    @property
    def events(self) -> bool:
        """Whether events must be read."""
        return any(TABLES[name].types or name == "events" for name in self.selected)

    @property
    def members(self) -> bool:
        """Whether members must be read."""
        return "members" in self.selected

    @property
    def users(self) -> bool:
        """Whether users must be listed."""
        return self.users_in_full or self.sessions

    @property
    def users_in_full(self) -> bool:
        """Whether each user must be requested: the list has little more than their names."""
        return "users" in self.selected

    @property
    def sessions(self) -> bool:
        """Whether sessions must be read."""
        return "sessions" in self.selected


def expand_options(declared: type) -> Callable[[F], F]:
    """Show the options of a `TypedDict` in the signature of a function that takes them as ``**options``.

    >>> @expand_options(ReadOptions)
    ... def plan(folder: str, **options: object) -> None: ...
    >>> list(inspect.signature(plan).parameters)[:3], inspect.signature(plan).parameters["rate"].default
    (['folder', 'since', 'until'], 10.0)
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        before = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        options = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=getattr(Options, name),
                annotation=getattr(hint, "__forward_arg__", hint),
            )
            for name, hint in declared.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*before, *options])  # type: ignore[attr-defined]  # read by inspect and Jupyter
        return function

    return decorate


def _refuse_unknown(function: str, options: Mapping[str, object], declared: type) -> None:
    known = list(declared.__annotations__)
    for name in options:
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            advice = f"Did you mean {nearest[0]!r}?" if nearest else f"Options are {', '.join(known)}."
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}. {advice}")


def _utc(moment: datetime) -> datetime:
    """An instant with a zone; one without is taken as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tables(names: Collection[str] | str) -> tuple[str, ...]:
    requested = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if requested == ["all"]:
        return LISTED_TABLES
    for name in requested:
        if name not in TABLES:
            raise ConfigError(f"There is no table {name!r}. Tables are {', '.join(LISTED_TABLES)}; or say all.")
        if not TABLES[name].listed:
            raise ConfigError(f"{name} cannot be selected: a folder has it as soon as there are rows for it.")
    return tuple(name for name in LISTED_TABLES if name in requested)
