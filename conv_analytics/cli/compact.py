"""`conv-analytics compact`: a copy of a folder in a few large files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say, say_json

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Iterator

    from conv_analytics.dataset.maintenance.compact import Compacted

_DESCRIPTION = """\
Copy an export folder to a new one, with a few large files per table and day instead of one per run, and only the latest
row of each conversation and member. Makes no request, and only reads the old folder. The copy continues where the old
folder ended: export to the copy from then on, and delete the old folder when nobody reads it any more.
"""

_EPILOG = """\
examples:
  conv-analytics compact exports/ --to exports-2027/
  conv-analytics verify exports-2027/ && mv exports exports-old && mv exports-2027 exports
  conv-analytics replay exports/ --to exports-2027/        the same, plus the quarantined records that can be read now
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "compact",
        help="copy a folder to a new one, in a few large files",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("--to", metavar="NEW", required=True, help="the new folder; it must not exist yet")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Copy, and print what changed."""
    copied = to_copy(options, replay=False)
    if options.json:
        say_json(copied.to_dict())
    else:
        for line in (*copied_lines(copied), *(f"not copied: {damage}" for damage in copied.replayed.damaged)):
            say(line)
    return Exit.INCOMPLETE if copied.replayed.damaged else Exit.COMPLETE


def to_copy(options: argparse.Namespace, *, replay: bool) -> Compacted:
    """Make the copy that the arguments describe."""
    source, target = folder(options.dest, work=options.work), folder(options.to, "--to")

    from conv_analytics.dataset.maintenance.compact import compact

    return compact(source, target, replay=replay)


def copied_lines(copied: Compacted) -> Iterator[str]:
    """The copy in sentences."""
    yield (
        f"{copied.files_before:,} files, {copied.bytes_before / 1e6:,.1f} MB, were copied to {copied.files:,} files,"
        f" {copied.bytes / 1e6:,.1f} MB, in {copied.seconds:,.1f} s: commit {copied.commit}"
    )
    yield f"{sum(copied.rows.values()):,} rows; {copied.superseded:,} were replaced by a later row of the same key"
    yield f"{copied.quarantined:,} records are in the quarantine of the copy"
    if copied.waiting:
        yield f"{copied.waiting:,} live events stay in the inbox of the folder: run ingest there, then copy it again"
