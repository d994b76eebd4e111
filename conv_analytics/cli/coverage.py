"""`conv-analytics coverage`: which calls a folder has, and which it lacks."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.answers import add_unmasked, add_zone, masked
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.formats import table
from conv_analytics.cli.masking import add_mask, mask_of
from conv_analytics.cli.output import say, say_json
from conv_analytics.cli.reading import CREDENTIALS
from conv_analytics.cli.source import add_connection, add_pace, check_pace, client_of
from conv_analytics.cli.times import ACCEPTED, instant
from conv_analytics.errors import ConfigError
from conv_analytics.json_records import json_records

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    import pandas as pd

    from conv_analytics.exporter.coverage import Coverage

#: Number of missing legs to print; --json and the table voice_calls have all of them.
_SHOWN = 20

_DESCRIPTION = """\
Compare the Voice API's call list with a folder, leg by leg. The lists that an export reads lack most calls: one in a
transient conversation cannot be read once it has ended. The call list shows what is missing, but only for some days:
run this daily, after the export. The result is stored in the folder's table voice_calls.

  covered            the folder has the leg to its end, from the lists
  covered_live       it has the leg to its end, from webhooks
  partial            it has the conversation, but not the leg, or not its end
  transient_missed   it has nothing, and the conversation can no longer be read
  expired            it has nothing: the conversation was gone before it was read
  other_region       it has nothing: the conversation is on another host (--base-url)
  not_yet            not counted: the call had not ended, or is for the next export to read

The exit code is 3 if the share is below --fail-under, or if something could not be read.
"""

_EPILOG = f"""\
times:
  {ACCEPTED}
  A time without a zone is UTC.

{CREDENTIALS}
examples:
  conv-analytics coverage exports/                       since the last time, or the last 24 hours
  conv-analytics coverage exports/ --fail-under 99%      exit 3 if more than one leg of a hundred is missing
  conv-analytics coverage exports/ --since 2d --base-url eu --base-url https://api-us-3.vonage.com
  conv-analytics coverage exports/ --json | jq '.missing[].leg_id'
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "coverage",
        help="say which calls a folder has, and which it lacks",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    what = command.add_argument_group("what")
    what.add_argument("--since", metavar="TIME", help="calls from this time on (where the last run ended, or 24h)")
    what.add_argument("--until", metavar="TIME", help="calls before this time (10 minutes ago)")
    what.add_argument("--fail-under", metavar="SHARE", help="exit 3 if the folder has less of the calls, such as 99%%")
    add_zone(command)
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    add_unmasked(command)
    add_mask(command.add_argument_group("privacy"))
    whence = command.add_argument_group("from where")
    add_connection(whence, several=True)
    add_pace(command.add_argument_group("how"))
    return command


def run(options: argparse.Namespace) -> int:
    """Compare, and print the shares and what is missing."""
    path, least = folder(options.dest, work=options.work), _share(options.fail_under)
    now = datetime.now(UTC)
    since, until = (None if text is None else instant(text, now) for text in (options.since, options.until))
    check_pace(options)
    mask = mask_of(options)
    hosts: list[str] = options.base_url or []
    options.base_url = hosts[0] if hosts else None

    from conv_analytics.exporter.coverage import coverage

    with client_of(options) as client:
        result = coverage(
            client,
            path,
            since=since,
            until=until,
            base_urls=hosts[1:],
            tz=options.tz,
            mask=mask,
            concurrency=options.concurrency,
            rate=options.rate,
        )
    missing, extra = masked(result.missing, options), masked(result.extra_legs, options)
    low = least is not None and result.share < least
    if options.json:
        say_json(_json(result, missing, extra))
    else:
        _print(result, missing)
        if low:
            say(f"\nThe share is below {options.fail_under.strip()}.")
    return Exit.INCOMPLETE if low or not result.complete else Exit.COMPLETE


def _print(result: Coverage, missing: pd.DataFrame) -> None:
    say(result.sentence())
    for line in result.remarks():
        say(line)
    say()
    for name, count in result.counts.items():
        if count:
            say(f"  {name:<18} {count:>12,}")
    say()
    say(table(_shares(result), "text"))
    if len(missing):
        shown = missing[["at", "coverage_class", "direction", "from", "to", "duration_s", "leg_id", "conversation_id"]]
        say(f"\nmissing, wholly or in part: {len(missing):,} legs")
        say(table(shown.head(_SHOWN), "text"))
        if len(missing) > _SHOWN:
            say(f"... and {len(missing) - _SHOWN:,} more: --json has all, and so has the table voice_calls")


def _shares(result: Coverage) -> pd.DataFrame:
    """The shares without the counts of each class, in percent."""
    shares = result.shares[["part", "value", "k", "n", "rate", "lo", "hi"]].copy()
    for name in ("rate", "lo", "hi"):
        shares[name] = [f"{100 * value:.2f} %" if value == value else "-" for value in shares[name]]  # noqa: PLR0124  NaN
    return shares


def _json(result: Coverage, missing: pd.DataFrame, extra: pd.DataFrame) -> dict[str, Any]:
    return {
        "since": result.since.isoformat(),
        "until": result.until.isoformat(),
        "status": "complete" if result.complete else "incomplete",
        **result.to_dict(),
        "shares": json_records(result.shares),
        "missing": json_records(missing),
        "extra_legs": json_records(extra),
        "incomplete": result.incomplete,
        "requests": result.requests,
        "retries": result.retries,
        "quarantined": result.quarantined,
        "seconds": round(result.seconds, 3),
        "commit": result.commit,
    }


def _share(text: str | None) -> float | None:
    """A share from a percentage or from a number up to 1.

    >>> _share("99%"), _share("0.995"), _share(None)
    (0.99, 0.995, None)
    """
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?(%?)", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"--fail-under is {text!r}: it is a share, such as 99% or 0.99.")
    return share
