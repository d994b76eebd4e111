"""`conv-analytics quality`: verdicts on the audio of legs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.answers import add_folder, dataset_of, show
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.maps import MAPS, add_maps, enriched
from conv_analytics.cli.units import add_units, blocked, print_units, units_of
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
List the legs of an export whose audio was not good, worst first, each with the rule it broke, the value, the limit and
the event that shows it. The number of legs per verdict, and the units the numbers were read in, go to standard error.
Exits with 3 if a unit that verdicts need is not known.
"""

_EPILOG = f"""\
{MAPS}
examples:
  conv-analytics quality exports/
  conv-analytics quality exports/ --profile cqd --last 100
  conv-analytics quality exports/ --map sites.csv --format csv
  conv-analytics quality exports/ --verdict poor,unmeasured --format csv > bad.csv
"""

_SHOWN = (
    "conversation_id", "leg_id", "network_code", "verdict", "rule", "value", "limit", "evidence_event_id",
    "mos_reported", "mos_emodel", "mos_trust", "loss_pct", "jitter_sd_max_ms", "flow", "confidence",
)  # fmt: skip


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "quality", help="legs with bad audio, and why", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    add_folder(command)
    command.add_argument("--profile", default="recommended", help="rulebook of verdicts (recommended)")
    command.add_argument("--verdict", metavar="A,B", default="poor,fair", help="verdicts to list (poor,fair)")
    command.add_argument("--last", metavar="N", type=int, default=50, help="list at most N legs (50; 0: all)")
    add_maps(command)
    add_units(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print the counts and the legs."""
    from conv_analytics.analysis.entities.verdicts import Verdict

    verdicts = [word.strip() for word in options.verdict.split(",")]
    if unknown := set(verdicts) - set(Verdict):
        raise ConfigError(f"--verdict: {', '.join(sorted(unknown))} is not a verdict; there are {', '.join(Verdict)}.")
    dataset = dataset_of(options)
    from conv_analytics.analysis import EnrichedData, quality
    from conv_analytics.cli.output import note

    units = units_of(options, dataset)
    data = enriched(options, dataset)
    own = data.columns if isinstance(data, EnrichedData) else ()
    judged = quality(data, options.profile, units=units)
    counts = judged["verdict"].value_counts()
    print_units(units)
    note(", ".join(f"{int(counts.get(word, 0)):,} {word}" for word in Verdict))
    rank = judged["verdict"].map({word: rank for rank, word in enumerate(Verdict)})
    listed = judged.assign(_rank=rank)[judged["verdict"].isin(verdicts)]
    listed = listed.sort_values(["_rank", "mos_emodel", "confidence"], ascending=[True, True, False], kind="stable")
    show(listed[[*_SHOWN, *own]].head(options.last or len(listed)).reset_index(drop=True), options)
    return Exit.INCOMPLETE if blocked(units, options.profile) else Exit.COMPLETE
