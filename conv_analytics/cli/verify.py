"""`conv-analytics verify`: checks that a folder is intact, and has what the API has."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.cli.answers import add_unmasked
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.masking import add_mask, mask_of
from conv_analytics.cli.output import say, say_json
from conv_analytics.cli.source import add_connection, add_pace, check_pace, client_of
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.dataset.maintenance.finding import Finding

_DESCRIPTION = """\
Check an export folder: every file against its size and checksum, the commit log, keys, event ids and watermarks. Writes
nothing. Each finding says what to do; the exit code is 3 if there are errors, and 0 if there are none or only warnings.
"""

_EPILOG = """\
examples:
  conv-analytics verify exports/
  conv-analytics verify exports/ --json | jq '.findings[] | select(.level == "error")'
  conv-analytics verify exports/ --against-api --base-url eu     one request per conversation that the API lists
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "verify", help="check an export folder", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    add_unmasked(command)
    whence = command.add_argument_group("against the API")
    whence.add_argument("--against-api", action="store_true", help="also compare the last event of each conversation")
    add_connection(whence)
    add_pace(whence)
    add_mask(whence)
    return command


def run(options: argparse.Namespace) -> int:
    """Check, and print the findings."""
    path = folder(options.dest, work=options.work)
    check_pace(options)
    if options.mask is not None and not options.against_api:
        raise ConfigError("--mask is for --against-api: a folder by itself is checked as it is.")

    from conv_analytics.dataset.maintenance.finding import Level
    from conv_analytics.dataset.maintenance.verify import verify
    from conv_analytics.privacy.display import Display

    findings = verify(path)
    if options.against_api:
        findings += _against_api(path, options)
    display = Display(on=not options.unmasked)
    findings = [replace(each, what=display.ids(each.what), where=display.ids(each.where)) for each in findings]
    levels = Counter(finding.level for finding in findings)
    if options.json:
        counts = {"errors": levels[Level.ERROR], "warnings": levels[Level.WARNING]}
        status = "damaged" if levels[Level.ERROR] else "whole"
        say_json({"status": status, **counts, "findings": [finding.to_dict() for finding in findings]})
    else:
        for finding in findings:
            say(str(finding))
        say(f"\nerrors: {levels[Level.ERROR]:,}, warnings: {levels[Level.WARNING]:,}")
    return Exit.INCOMPLETE if levels[Level.ERROR] else Exit.COMPLETE


def _against_api(path: Path, options: argparse.Namespace) -> list[Finding]:
    from conv_analytics.exporter.audit import audit

    with client_of(options) as client:
        pace = {"concurrency": options.concurrency, "rate": options.rate}
        return list(audit(client, path, mask=mask_of(options), **pace).findings())
