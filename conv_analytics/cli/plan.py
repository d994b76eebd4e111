"""`conv-analytics plan`: what an export would cost, before it runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say, say_json
from conv_analytics.cli.reading import CREDENTIALS, TIMES, add_reading, reading
from conv_analytics.cli.source import add_connection, add_pace, check_pace, client_of
from conv_analytics.defaults import SAMPLE

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Estimate what an export with the same flags would cost: conversations, requests, time and bytes. Reads the list of
conversations and looks at a few of them, but exports nothing. The estimate is kept in the folder, which is created if
it does not exist: the next export within a day, with the same flags, reports how far off the estimate was.
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
    command.add_argument("dest", metavar="DEST", help="folder to export to; created if it does not exist")
    add_work(command)
    add_reading(command.add_argument_group("what"))
    add_connection(command.add_argument_group("from where"))
    how = command.add_argument_group("how")
    add_pace(how)
    how.add_argument(
        "--sample", metavar="N", type=int, default=SAMPLE, help=f"number of conversations to look at ({SAMPLE})"
    )
    how.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Estimate, and print the plan."""
    dest, read_options = folder(options.dest, work=options.work), reading(options)
    check_pace(options)

    from conv_analytics.exporter.plan import plan

    with client_of(options) as client:
        cost = plan(client, dest, **read_options, sample=options.sample)
    if options.json:
        say_json(cost.to_dict())
    else:
        say(str(cost))
    return Exit.COMPLETE
