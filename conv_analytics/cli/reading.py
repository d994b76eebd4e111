"""Flags that say what to read from the API, shared by `export` and `plan`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from conv_analytics.cli.times import ACCEPTED, ACCEPTED_DURATIONS, duration, instant
from conv_analytics.defaults import SWEEP
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

    from conv_analytics.exporter.options import ReadOptions

T = TypeVar("T")

TIMES = f"""\
times:
  {ACCEPTED}
  Conversations are selected by the time they were created; a time without a zone is UTC.
  Durations: {ACCEPTED_DURATIONS}
"""

CREDENTIALS = """\
credentials:
  Taken from the arguments, else from VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY (a path or PEM text), else from the
  Vonage CLI's configuration. The host is https://api.nexmo.com unless --base-url or VONAGE_API_HOST says otherwise.
"""


def add_reading(group: _ArgumentGroup) -> None:
    """Declare what to read."""
    group.add_argument("--since", metavar="T", help="only conversations created from this time on")
    group.add_argument("--until", metavar="T", help="only conversations created before this time")
    group.add_argument("--tables", metavar="A,B", help="tables to export, or all (all but users and sessions)")
    group.add_argument("--full", action="store_true", help="read all events again, and add those that the folder lacks")
    group.add_argument(
        "--lookback", metavar="TIME", help="skip known conversations without events for longer than this, such as 7d"
    )
    week = f"{SWEEP.days}d"
    group.add_argument(
        "--sweep", metavar="TIME", default=week, help=f"with --lookback, check the skipped ones this often ({week})"
    )


def reading(options: argparse.Namespace) -> ReadOptions:
    """The options from the flags."""
    now = datetime.now(UTC)
    return {
        "since": _read("--since", options.since, lambda text: instant(text, now)),
        "until": _read("--until", options.until, lambda text: instant(text, now)),
        "tables": options.tables,
        "full": options.full,
        "lookback": _read("--lookback", options.lookback, duration),
        "concurrency": options.concurrency,
        "rate": options.rate,
        "sweep": _read("--sweep", options.sweep, duration) or timedelta(),
    }


def _read(flag: str, text: str | None, reader: Callable[[str], T]) -> T | None:
    try:
        return None if text is None else reader(text)
    except ConfigError as error:
        raise ConfigError(f"{flag}: {error}") from None
