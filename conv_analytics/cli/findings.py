"""`conv-analytics findings`: the distinct problems in an export, the one with the most excess calls first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.answers import add_folder, add_zone, dataset_of, masked
from conv_analytics.cli.colours import BOLD, painted
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.formats import plain, table
from conv_analytics.cli.maps import MAPS, add_maps, enriched
from conv_analytics.cli.output import note, say
from conv_analytics.cli.units import add_units, blocked, print_units, units_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    import pandas as pd

_DESCRIPTION = """\
Name what is wrong with the calls in an export, each problem once: what, where, since when, how many calls of how many,
against what is usual, on whose side, and what to do. Every sensible grouping is tested, and nothing that may be chance
is reported. Exits with 0 whether or not there are problems; with --fail, with 4 if there are. Exits with 3 if a unit
that the verdict poor needs is not known.
"""

_EPILOG = f"""\
{MAPS}
examples:
  conv-analytics findings exports/
  conv-analytics findings exports/ --since 2026-11-16 --tz Europe/Paris
  conv-analytics findings exports/ --map teams.csv --map carriers.csv
  conv-analytics findings exports/ --format json --fail > problems.json
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "findings", help="what is wrong: distinct problems, worst first", description=_DESCRIPTION, epilog=_EPILOG,
        parents=[common],
    )  # fmt: skip
    add_folder(command)
    command.add_argument("--since", metavar="T", help="calls that started from this time on")
    command.add_argument("--until", metavar="T", help="calls that started before this time")
    command.add_argument("--profile", default="recommended", help="rulebook of the verdict poor (recommended)")
    command.add_argument("--limit", metavar="N", type=int, default=10, help="name at most N problems (10)")
    command.add_argument(
        "--fdr", metavar="SHARE", type=float, default=0.05,
        help="accepted probability of naming anything where nothing is wrong (0.05)",
    )  # fmt: skip
    command.add_argument("--fail", action="store_true", help="exit with 4 if there is a problem")
    add_zone(command)
    add_maps(command)
    add_units(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print the problems."""
    from datetime import UTC, datetime

    from conv_analytics.cli.times import instant
    from conv_analytics.time_zones import zone_info

    now, zone = datetime.now(UTC), zone_info(options.tz)
    since, until = (None if text is None else instant(text, now, zone) for text in (options.since, options.until))
    dataset = dataset_of(options)
    from conv_analytics.analysis import findings

    units = units_of(options, dataset)
    print_units(units)
    result = findings(
        enriched(options, dataset), since=since, until=until, tz=options.tz, profile=options.profile, units=units,
        fdr=options.fdr, limit=options.limit,
    )  # fmt: skip
    note(f"{len(result):,} problems, of {len(result.looked_at):,} questions that were tested")
    problems = _masked(result.problems, options)
    if options.format == "text":
        _print(problems)
    else:
        say(table(problems, options.format))
    if options.fail and bool(result.problems["sure"].any()):
        return Exit.BEYOND
    return Exit.INCOMPLETE if blocked(units, options.profile) else Exit.COMPLETE


def _masked(problems: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """The problems with personal data masked; each leg id is masked by itself."""
    from conv_analytics.privacy.display import Display

    display = Display(on=not options.unmasked)
    legs = [",".join(map(display.identifier, str(ids).split(","))) for ids in problems["leg_ids"]]
    return masked(problems.drop(columns="leg_ids"), options).assign(leg_ids=legs)[[*problems.columns]]


def _print(problems: pd.DataFrame) -> None:
    """A paragraph per problem: a table of sentences would not fit a terminal."""
    for _, row in problems.iterrows():
        say(painted(plain(f"{row['problem']}. {row['what']}"), BOLD))
        for title, name in _LINES.items():
            if _is_told(row[name]):
                say(f"     {title:<14} {row[name]}")
        if row["case"] == "no_calls":
            say(f"     {'Missing':<14} {row['excess']:,.0f} calls, q {row['q']:.2g}")
        else:
            say(f"     {'Excess':<14} {row['excess']:,.0f} calls, {row['lo']:.1%} to {row['hi']:.1%}, q {row['q']:.2g}")
        say()


_LINES = {
    "Whose side": "side", "Compared with": "compared_with", "Same calls": "same_calls", "Ruled out": "ruled_out",
    "What to do": "advice", "Legs": "leg_ids", "Timeline": "conversation_id", "In Python": "python",
}  # fmt: skip


def _is_told(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
