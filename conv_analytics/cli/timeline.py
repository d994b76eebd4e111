"""`conv-analytics timeline`: one conversation as a page, or as lines."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.formats import FORMATS, FORMATS_HELP, csv_text, table
from conv_analytics.cli.output import note, say
from conv_analytics.cli.units import add_units, units_of
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    import pandas as pd

    from conv_analytics.dataset import Dataset
    from conv_analytics.notebook import Ladder, Timeline

#: The format for process mining.
EVENT_LOG = "eventlog"

_DESCRIPTION = """\
Show one conversation of an export: its members and legs over time, its events, and the signalling between them. With -o
it is written as one HTML file that loads nothing from elsewhere; without, it is printed. Phone numbers, names, pressed
keys and texts are masked unless --unmasked is given.

With --format eventlog, one or all conversations are printed as an event log for process mining, as CSV with the names
of XES, as PM4Py reads it.
"""

_EPILOG = """\
examples:
  conv-analytics timeline exports/ CON-... -o call.html
  conv-analytics timeline exports/ CON-... --tz Europe/London
  conv-analytics timeline exports/ CON-... --format csv > call.csv
  conv-analytics timeline exports/ --format eventlog > log.csv
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "timeline", help="show one conversation", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument(
        "conversation",
        metavar="CON-ID",
        nargs="?",
        help="id of the conversation; with --format eventlog all when left out",
    )
    command.add_argument("-o", "--output", metavar="FILE", help="write a page (.html) or a picture (.svg)")
    command.add_argument(
        "--format", choices=(*FORMATS, EVENT_LOG), default="text", help=f"{FORMATS_HELP}; or an event log as CSV"
    )
    command.add_argument("--tz", metavar="ZONE", default="UTC", help="time zone, such as Europe/London (UTC)")
    add_units(command)
    command.add_argument("--unmasked", action="store_true", help="show phone numbers, names, pressed keys and texts")
    return command


def run(options: argparse.Namespace) -> int:
    """Draw or print."""
    path = folder(options.dest, work=options.work)

    from conv_analytics.dataset import open_dataset
    from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
    from conv_analytics.notebook import show_ladder, show_timeline

    if options.conversation is None and options.format != EVENT_LOG:
        raise ConfigError("Name a conversation: conv-analytics timeline DEST CON-ID. Only --format eventlog takes all.")
    data = open_dataset(path)
    if options.format == EVENT_LOG:
        say(csv_text(_event_log(data, options)))
        return Exit.COMPLETE
    # Only a page and lines of text have a ladder.
    with_ladder = options.output is not None or options.format == "text"
    units = units_of(options, data) if "hangups" in data.tables else None
    view: dict[str, Any] = {"tz": options.tz, "mask": not options.unmasked, "units": units}
    drawn = show_timeline(data, options.conversation, **view)
    try:
        ladder = show_ladder(data, options.conversation, **view) if with_ladder else None
    except (ConfigError, TableNotFound, ColumnNotFound):
        ladder = None  # The export has no tables of legs.
    if options.output is None:
        say(_printed(drawn, ladder, options.format))
    else:
        written = drawn.save_with(ladder, expand_user(options.output))
        note(f"{written}: {drawn!r}")
    return Exit.COMPLETE


def _event_log(data: Dataset, options: argparse.Namespace) -> pd.DataFrame:
    """The event log, masked unless --unmasked; names of users are masked as names."""
    from conv_analytics.analysis import event_log
    from conv_analytics.analysis.dialogue.event_log import PLATFORM
    from conv_analytics.cli.answers import masked

    names = {"org:resource": "from_user_name", "concept:name": "type", "case:concept:name": "conversation_id"}
    log = event_log(data, options.conversation).rename(columns=names)
    nobody = log["from_user_name"] == PLATFORM
    log = masked(log.assign(from_user_name=log["from_user_name"].mask(nobody)), options)
    log["from_user_name"] = log["from_user_name"].mask(nobody, PLATFORM)
    return log.rename(columns={column: name for name, column in names.items()})


def _printed(drawn: Timeline, ladder: Ladder | None, how: str) -> str:
    if how == "text":
        return f"{drawn}\n\n{ladder}" if ladder is not None else str(drawn)
    return table(drawn.table(), how)
