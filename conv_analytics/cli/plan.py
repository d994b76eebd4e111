"""`conv-analytics plan`: what an export would cost, before it runs."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import say
from conv_analytics.cli.reading import CREDENTIALS, TIMES, add_reading, folder, reading
from conv_analytics.cli.source import add_pace, add_whence, check_pace, client_of
from conv_analytics.defaults import SAMPLE

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Estimate what an export with the same flags would cost: conversations, requests, time and bytes. The list is read and a
few conversations are looked at; nothing is exported. The estimate is kept in the folder, which is made when absent: the
next export within a day, with the same flags, reports how far off it was.
"""

_EPILOG = f"""\
{TIMES}
{CREDENTIALS}
examples:
  conv-analytics plan exports/
  conv-analytics plan exports/ --lookback 7d --rate 5
  conv-analytics plan exports/ --full --json | jq .requests.high
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "plan", help="estimate what an export would cost", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder to export to; made when absent")
    add_reading(command.add_argument_group("what"))
    add_whence(command.add_argument_group("from where"))
    how = command.add_argument_group("how")
    add_pace(how)
    how.add_argument("--sample", metavar="N", type=int, default=SAMPLE, help=f"conversations to look at ({SAMPLE})")
    how.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Estimate, and print the plan."""
    dest, asked = folder(options.dest), reading(options)
    check_pace(options)

    from conv_analytics.exporter.plan import plan

    with client_of(options) as client:
        found = plan(client, dest, **asked, sample=options.sample)
    say(json.dumps(found.to_dict()) if options.json else str(found))
    return Exit.COMPLETE
