"""`conv-analytics doctor`: checks everything that a nightly export needs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from conv_analytics.cli.colours import level_line
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.formats import plain
from conv_analytics.cli.output import as_flags, say, say_json
from conv_analytics.cli.reading import CREDENTIALS
from conv_analytics.cli.source import add_connection

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: `conv_analytics.diagnostics.entry.TIMEOUT_S`, which is not imported for a help text.
_TIMEOUT_S = 10.0

_DESCRIPTION = """\
Check everything that a nightly export needs: application id and key, host, proxy and certificates, token, clock, the
list of conversations, the folder with its last runs, free disk space, and how long the platform keeps what an export
reads. Each line says ok, warning, error or skipped, and what to do. Sends a handful of requests, and writes nothing.
Exits with 1 if there are errors.
"""

_EPILOG = f"""\
{CREDENTIALS}
  With VONAGE_API_KEY and VONAGE_API_SECRET, the application's settings (lifetimes, webhooks, signatures) are checked.

examples:
  conv-analytics doctor
  conv-analytics doctor exports/ --listener http://127.0.0.1:8080
  conv-analytics doctor exports/ --json | jq '.findings[] | select(.level == "error")'
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "doctor", help="find out what is wrong", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", nargs="?", help="folder of the export")
    add_work(command)
    command.add_argument("--listener", metavar="URL", help="address of a running listener, to check its health")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    group = command.add_argument_group("from where")
    add_connection(group)
    group.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        default=_TIMEOUT_S,
        help=f"seconds to wait for a response ({_TIMEOUT_S:g})",
    )
    return command


def run(options: argparse.Namespace) -> int:
    """Check, and print the findings."""
    dest = None if options.dest is None else folder(options.dest, work=options.work)

    from conv_analytics.diagnostics.diagnosis import Diagnosis
    from conv_analytics.diagnostics.entry import doctor

    diagnosis = doctor(
        dest,
        application_id=options.application_id,
        private_key=options.private_key,
        base_url=options.base_url,
        listener=options.listener,
        timeout=options.timeout,
    )
    shown = Diagnosis(
        tuple(replace(each, what=as_flags(each.what), advice=as_flags(each.advice)) for each in diagnosis)
    )
    if options.json:
        say_json(shown.to_dict())
    else:
        for line in str(shown).splitlines():
            say(level_line(plain(line)))
    return Exit.FAULTS if diagnosis.errors else Exit.COMPLETE
