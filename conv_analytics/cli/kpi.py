"""`conv-analytics kpi`: rates of calls, by any column."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics import glossary
from conv_analytics.cli.answers import add_folder, add_zone, dataset_of, masked, names, show
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.formats import table
from conv_analytics.cli.maps import MAPS, add_maps, enriched
from conv_analytics.cli.output import note, say
from conv_analytics.cli.readable import FEW, metrics_in_columns

if TYPE_CHECKING:
    from argparse import _SubParsersAction

#: The rates that are printed by default.
METRICS = ("asr", "ner", "setup_failure", "drop_failure", "short_6")

_DESCRIPTION = """\
Print the rates of the calls in an export: ASR, NER, dropped and short calls and more, each with its counts (k of n) and
its 95 % confidence interval (lo, hi).
"""

#: The rates of `kpi` except those of short calls (short_3, short_6, short_10, ...).
ALL_METRICS = ("asr", "abr", "ner", "ner_terminal", "ner_isa", "ser", "seer", "seer_487", "isa", "scr", "ccr",
               "setup_failure", "drop_failure", "abandoned", "undecided")  # fmt: skip
_EPILOG = f"""\
metrics:
{glossary.as_help(ALL_METRICS)}
  short_3, short_6, short_10, short_20, short_60: answered calls of up to that many seconds

{MAPS}
examples:
  conv-analytics kpi exports/
  conv-analytics kpi exports/ --by network_code --metrics asr,ner
  conv-analytics kpi exports/ --metrics all
  conv-analytics kpi exports/ --map sites.csv --by site
  conv-analytics kpi exports/ --by country,weekday --tz Europe/Paris --scope all --format csv
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "kpi", help="rates of calls, by any column", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    add_folder(command)
    command.add_argument("--by", metavar="A,B", help="group by these: columns of legs, hour, weekday, day or week")
    command.add_argument(
        "--metrics", metavar="A,B", default=",".join(METRICS),
        help=f"rates to print, or all ({','.join(METRICS)})",
    )  # fmt: skip
    command.add_argument(
        "--long", action="store_true", help="a row per group and rate, with its counts, as in CSV and JSON"
    )
    command.add_argument(
        "--scope", choices=("outbound", "inbound", "all"), default="outbound", help="attempts to count (outbound)"
    )
    add_zone(command)
    add_maps(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print the rates."""
    dataset = dataset_of(options)
    from conv_analytics.analysis import kpi
    from conv_analytics.analysis.maths.stats import MIN_N

    by = names(options.by)
    metrics = None if options.metrics.strip() == "all" else names(options.metrics) or list(METRICS)
    rates = kpi(enriched(options, dataset, by), by=by, metrics=metrics, scope=options.scope, tz=options.tz)
    if options.format != "text" or options.long or not by or not len(rates):
        show(rates, options)
        return Exit.COMPLETE
    if not rates["enough"].all():
        note(f"{FEW} fewer than {MIN_N} cases: do not rank these.")
    say(table(metrics_in_columns(masked(rates, options), by), options.format))
    return Exit.COMPLETE
