"""Flags that say what to read, and where the folder is; shared by what exports and what plans an export."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from conv_analytics.cli.when import ACCEPTED, ACCEPTED_DURATIONS, duration, instant
from conv_analytics.defaults import SWEEP
from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

    from conv_analytics.exporter.options import ReadOptions

T = TypeVar("T")

TIMES = f"""\
times:
  {ACCEPTED}
  Conversations are chosen by when they were created; a time without a zone is UTC.
  Lengths of time: {ACCEPTED_DURATIONS}
"""

CREDENTIALS = """\
credentials:
  From the arguments, else from VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY (a path or PEM text), else from the Vonage
  CLI's configuration. The host is https://api.nexmo.com unless --base-url or VONAGE_API_HOST says otherwise.
"""


def add_reading(group: _ArgumentGroup) -> None:
    """Declare what to read."""
    group.add_argument("--since", metavar="T", help="only conversations created from this time on")
    group.add_argument("--until", metavar="T", help="only conversations created before this time")
    group.add_argument("--tables", metavar="A,B", help="tables to export, or all; default all but users and sessions")
    group.add_argument("--full", action="store_true", help="read all events again; what the folder lacks is added")
    group.add_argument(
        "--lookback", metavar="TIME", help="do not ask for known conversations that have been quiet for longer, as 7d"
    )
    week = f"{SWEEP.days}d"
    group.add_argument(
        "--sweep", metavar="TIME", default=week, help=f"with --lookback, ask for all of them once in this time ({week})"
    )


def reading(options: argparse.Namespace) -> ReadOptions:
    """What the flags say."""
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


def folder(text: str) -> Path:
    """The folder that is named by DEST."""
    if not text.strip():
        raise ConfigError("DEST is empty: name the folder to write to.")
    if "://" in text:
        raise ConfigError(f"DEST must be a folder of this machine, not {text!r}.")
    return expand_user(text)


def _read(flag: str, text: str | None, reader: Callable[[str], T]) -> T | None:
    try:
        return None if text is None else reader(text)
    except ConfigError as error:
        raise ConfigError(f"{flag}: {error}") from None
