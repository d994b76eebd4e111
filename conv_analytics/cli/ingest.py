"""`conv-analytics ingest`: fold live events, and files of events, into a folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.masking import add_mask, mask_of
from conv_analytics.cli.output import say, say_json

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.exporter.ingest_report import Ingested

_DESCRIPTION = """\
Fold events into a folder of Parquet files: those that its listener received (conv-analytics listen) and, when FILES
are named, those of files: bodies of webhooks, events or pages of the API's lists, as JSON, JSON Lines or inside a log,
plain or compressed. An event is stored once, however often and by whichever way it comes; where a webhook and the API's
list say different things, the list is right. Makes no request.
"""

_EPILOG = """\
examples:
  conv-analytics ingest exports/                             what the listener received
  conv-analytics ingest exports/ dumps/*.json.gz webhook.log
  conv-analytics ingest exports/ dumps/ && conv-analytics report exports/
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "ingest",
        help="fold live events and files of events into a folder",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export; created if it does not exist")
    add_work(command)
    command.add_argument("files", metavar="FILES", nargs="*", help="files, folders of files, or patterns")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    add_mask(command.add_argument_group("privacy"))
    return command


def run(options: argparse.Namespace) -> int:
    """Fold events in, and print what was added."""
    path, mask = folder(options.dest, work=options.work), mask_of(options)

    from conv_analytics.errors import ExportIncomplete
    from conv_analytics.exporter.ingestion import ingest

    try:
        done = ingest(path, options.files or None, mask=mask)
    except ExportIncomplete as incomplete:
        show(incomplete.report, as_json=options.json)
        raise
    show(done, as_json=options.json)
    return Exit.COMPLETE


def show(ingested: Ingested, *, as_json: bool) -> None:
    """Print what was added, as text or as JSON."""
    if as_json:
        say_json(ingested.to_dict())
    else:
        say(str(ingested))
