"""`conv-analytics copy`: copies a dataset unchanged, from a folder or bucket to another one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say, say_json

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Copy an export to another folder or bucket as it is: the same files, the same commits. Every file is checked against its
recorded SHA-256. Run it again to bring an earlier copy up to date, or to go on with one that was interrupted. Makes no
request to the API, and only reads SOURCE.
"""

_EPILOG = """\
examples:
  conv-analytics copy exports/ s3://exports/vonage       a folder into a bucket; export there from then on
  conv-analytics copy s3://exports/vonage exports/       and back, such as to ask many questions without requests
  conv-analytics copy exports/ /mnt/backup/exports/      a backup; run it every night
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "copy",
        help="copy a dataset as it is to another folder or bucket, or bring a copy up to date",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("source", metavar="SOURCE", help="folder of an export, or the URL of a bucket")
    command.add_argument("dest", metavar="DEST", help="an empty folder or bucket path, or an earlier copy")
    add_work(command)
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Copy, and print what was copied."""
    source, target = folder(options.source, "SOURCE"), folder(options.dest, work=options.work)

    from conv_analytics.dataset.maintenance.copy import copy

    copied = copy(source, target)
    if options.json:
        say_json(copied.to_dict())
        return Exit.COMPLETE
    if copied.commits:
        say(
            f"{copied.commits:,} commits with {copied.files:,} files, {copied.bytes / 1e6:,.1f} MB, were copied and"
            f" checked in {copied.seconds:,.1f} s"
        )
    else:
        say("Nothing to do: it has every commit.")
    say(f"{options.dest} is at commit {copied.commit}, as {options.source}")
    if copied.waiting:
        say(f"{copied.waiting:,} live events stay in the inbox of {options.source}: run ingest there, then copy again")
    return Exit.COMPLETE
