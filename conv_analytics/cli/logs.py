"""The log of a command on standard error: none, lines of text, or one JSON object per line."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from conv_analytics.errors import redact
from conv_analytics.instants import utc_text
from conv_analytics.log import LOGGER, Entry

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

#: Loggers of a command: this package, and Python's own warnings, which would otherwise be printed between the lines.
_NAMES = ("conv_analytics", "py.warnings")
_SHOWN = "CONV_ANALYTICS_PROGRESS"


def add(common: argparse.ArgumentParser) -> None:
    """Declare the flags of every command."""
    common.add_argument(
        "--log-format", choices=FORMATS, default="text", help="write standard error as text or as JSON lines (text)"
    )
    common.add_argument(
        "--log-level", choices=LEVELS, help="log what happens: %(choices)s (nothing as text, info as JSON)"
    )


class Lines(logging.Handler):
    """Writes each record as one line to the current standard error."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.setFormatter(Json() if as_json else Text())
        self.as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. An export goes on when standard error is closed or full."""
        stream: TextIO | None = sys.stderr
        try:
            if stream is not None:
                stream.write(self.format(record) + "\n")
                stream.flush()
        except (OSError, ValueError):
            return


class Text(logging.Formatter):
    """A time, a level and the message, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the line."""
        return redact(f"{_time(record)} {record.levelname} {record.getMessage()}")


class Json(logging.Formatter):
    """One JSON object: ``ts``, ``level``, ``event``, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the line; no text in it holds a secret."""
        entry = record.msg if isinstance(record.msg, Entry) else Entry(record.name, {"message": record.getMessage()})
        head = {"ts": _time(record), "level": record.levelname.lower(), "event": entry.event}
        return json.dumps({**head, **entry.fields}, default=str)


@contextmanager
def logged(arguments: Sequence[str]) -> Iterator[None]:
    """Log to standard error while a command runs, as its arguments say; they are not fully parsed yet."""
    chosen = _early(arguments)
    as_json = chosen.log_format == "json"
    if not as_json and chosen.log_level is None:
        yield
        return
    # A progress bar would be drawn over the lines.
    before, levels_before = os.environ.get(_SHOWN), [(name, logging.getLogger(name).level) for name in _NAMES]
    handler = Lines(as_json=as_json)
    logging.captureWarnings(capture=True)
    os.environ[_SHOWN] = "none" if as_json else before or "plain"
    for name in _NAMES:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel((chosen.log_level or "info").upper())
    try:
        yield
    finally:
        for name, level in levels_before:
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(level)
        logging.captureWarnings(capture=False)
        if before is None:
            del os.environ[_SHOWN]
        else:
            os.environ[_SHOWN] = before


def as_json() -> bool:
    """Whether the standard error is a log of JSON lines."""
    return any(isinstance(handler, Lines) and handler.as_json for handler in logging.getLogger(_NAMES[0]).handlers)


def remark(event: str, text: str, **fields: Any) -> None:
    """Log a message of the command line at any level: it may be the only record of how a run ended."""
    level = logging.INFO if event == "note" else logging.ERROR
    LOGGER.log(level, Entry(event, {"message": text, **fields}))


def _early(arguments: Sequence[str]) -> argparse.Namespace:
    flags = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add(flags)
    try:
        return flags.parse_known_args(list(arguments))[0]
    except (argparse.ArgumentError, SystemExit):
        # The full parser reports what is wrong, as text.
        return argparse.Namespace(log_format="text", log_level=None)


def _time(record: logging.LogRecord) -> str:
    return utc_text(datetime.fromtimestamp(record.created, UTC), "milliseconds")
