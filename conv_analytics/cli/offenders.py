"""`conv-analytics offenders`: groups that are worse than the rest, and by how many calls."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics import glossary
from conv_analytics.cli.answers import add_folder, add_zone, dataset_of, names, show
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.maps import MAPS, add_maps, enriched
from conv_analytics.cli.units import add_units, blocked, print_units, units_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
List groups by how many more bad calls they have than they would at the rate of all other groups (excess): k bad of n,
the rate with its 95 % confidence interval, the rate of the others, and whether chance explains the difference (q,
adjusted for the number of groups tested). Offenders come first; one bad call of one does not make a route an offender.
Exits with 3 if a unit that the verdict poor needs is not known.
"""

#: The cases, which `conv_analytics.analysis.entities.cases` counts.
CASES = ("answered", "unanswered", "failed", "pdd", "good", "fair", "poor", "unmeasured", "measured", "no_in", "no_out",
         "ghost", "silent", "short")  # fmt: skip
_EPILOG = f"""\
cases:
{glossary.as_help(CASES)}

{MAPS}
examples:
  conv-analytics offenders exports/
  conv-analytics offenders exports/ --by network_code,hour --case failed --tz Europe/London --min-n 10
  conv-analytics offenders exports/ --map carriers.csv:prefix --by carrier
  conv-analytics offenders exports/ --by user_id --case silent --format csv > silent.csv
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "offenders", help="groups with too many bad calls", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    add_folder(command)
    command.add_argument(
        "--by", metavar="A,B", default="network_code",
        help="group by these: columns of legs, hour, weekday, day or week (network_code)",
    )  # fmt: skip
    command.add_argument("--case", metavar="NAME", default="poor", help="what counts as bad (poor); see below")
    command.add_argument(
        "--scope", choices=("outbound", "inbound", "all"), help="legs to count; those of the case when left out"
    )
    command.add_argument("--profile", default="recommended", help="rulebook of the verdict poor (recommended)")
    command.add_argument("--min-n", metavar="N", type=int, default=30, help="do not test groups smaller than N (30)")
    command.add_argument("--last", metavar="N", type=int, default=50, help="list at most N groups (50; 0: all)")
    add_zone(command)
    add_maps(command)
    add_units(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print how many offenders there are, and the groups."""
    dataset = dataset_of(options)
    from conv_analytics.analysis import offenders
    from conv_analytics.analysis.entities.cases import CASES as COUNTED
    from conv_analytics.cli.output import note

    case = COUNTED.get(options.case)
    units = units_of(options, dataset) if case and case.judged else None
    if units is not None:
        print_units(units)
    by = names(options.by)
    table = offenders(
        enriched(options, dataset, by), by, options.case,
        scope=options.scope, tz=options.tz, profile=options.profile, units=units, min_n=options.min_n,
    )  # fmt: skip
    worse, tested = int(table["offender"].sum()), int(table["p"].notna().sum())
    note(
        f"{len(table):,} groups, {tested:,} of them large enough to test, {worse:,} of those with too many"
        f" {options.case} legs; {int(table['k'].sum()):,} of {int(table['n'].sum()):,} legs in all"
    )
    show(table.head(options.last or len(table)), options)
    unknown = case is not None and case.of_verdicts and units is not None and blocked(units, options.profile)
    return Exit.INCOMPLETE if unknown else Exit.COMPLETE
