"""`conv-analytics compact`: a copy of a folder in few large files."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import say
from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Iterator

    from conv_analytics.dataset.maintenance.compact import Compacted

_DESCRIPTION = """\
Copy an export folder to a new one: per table and day few large files instead of one per run, and of each conversation
and member the latest row only. Nothing is asked of the API, and the folder itself is only read. The copy goes on where
the folder ended: export to it from then on, and delete the old folder when nobody reads it any more.
"""

_EPILOG = """\
examples:
  conv-analytics compact exports/ --to exports-2027/
  conv-analytics verify exports-2027/ && mv exports exports-old && mv exports-2027 exports
  conv-analytics replay exports/ --to exports-2027/        the same, with what can be read of the quarantine by now
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "compact",
        help="copy a folder to a new one, in few large files",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="the folder of an export")
    command.add_argument("--to", metavar="NEW", required=True, help="a folder that does not exist yet")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Copy, and say what became smaller."""
    copied = to_copy(options, replay=False)
    if options.json:
        say(json.dumps(copied.to_dict()))
    else:
        for line in (*copied_lines(copied), *(f"not copied: {damage}" for damage in copied.replayed.damaged)):
            say(line)
    return Exit.INCOMPLETE if copied.replayed.damaged else Exit.COMPLETE


def to_copy(options: argparse.Namespace, *, replay: bool) -> Compacted:
    """Make the copy that the arguments describe."""
    for name in ("dest", "to"):
        if not getattr(options, name).strip():
            raise ConfigError(f"{'DEST' if name == 'dest' else '--to'} is empty: name a folder.")

    from conv_analytics.dataset.maintenance.compact import compact

    return compact(expand_user(options.dest), expand_user(options.to), replay=replay)


def copied_lines(copied: Compacted) -> Iterator[str]:
    """The copy in sentences."""
    yield (
        f"{copied.files_before:,} files, {copied.bytes_before / 1e6:,.1f} MB, were copied to {copied.files:,} files,"
        f" {copied.bytes / 1e6:,.1f} MB, in {copied.seconds:,.1f} s: commit {copied.commit}"
    )
    yield f"{sum(copied.rows.values()):,} rows; {copied.superseded:,} gave way to a later one of the same key"
    yield f"{copied.quarantined:,} records are in the quarantine of the copy"
