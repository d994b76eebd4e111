"""Maps from numbers, prefixes, networks or users to custom columns, for commands that group legs."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.output import note
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from conv_analytics.analysis import EnrichedData
    from conv_analytics.dataset import Dataset

MAPS = """\
maps:
  --map FILE adds the columns of a CSV or Parquet file to legs: the site of a number, the carrier of a prefix, the team
  of an agent. The name of a column says what it is looked up by: number or prefix (of the far end; from_number,
  to_number, from_prefix and to_prefix of the calling and the called end), or a column of legs, such as network_code or
  user_id. --map FILE:COLUMN says which, where there are several; --map FILE:number=COLUMN if it has another name.
  Columns valid_from and valid_to (days or instants, the end excluded) say when a row holds. Legs that match nothing
  are counted.
"""


def add_maps(command: argparse.ArgumentParser) -> None:
    """Declare --map."""
    command.add_argument(
        "--map", metavar="FILE[:COLUMN]", action="append", default=[], dest="maps",
        help="add columns to group by from a file, such as sites.csv; may be repeated; see below",
    )  # fmt: skip


def enriched(
    options: argparse.Namespace, dataset: Dataset, needed: Collection[str] | None = None
) -> Dataset | EnrichedData:
    """The dataset with the columns of all maps; prints what each of them matches.

    Parameters
    ----------
    needed
        The columns that the command needs; all when absent.
    """
    if not options.maps:
        return dataset
    from conv_analytics.analysis import EnrichedData, match_counts
    from conv_analytics.privacy.display import Display

    data: Any = dataset
    try:
        for spec in options.maps:
            data = _with_map(data, spec, needed, getattr(options, "tz", None) or "UTC")
    except ConfigError as error:
        # The message may quote phone numbers of the file.
        raise ConfigError(Display(on=not options.unmasked).text(str(error))) from None
    if isinstance(data, EnrichedData):
        _print_counts(match_counts(data))
    done: Dataset | EnrichedData = data
    return done


def _with_map(data: Any, spec: str, needed: Collection[str] | None, tz: str) -> Any:
    """The data with the requested columns of a map that it does not have yet."""
    from conv_analytics.analysis import EnrichedData, enrich
    from conv_analytics.analysis.dimensions.keys import TAKEN
    from conv_analytics.analysis.dimensions.map_files import read_map
    from conv_analytics.analysis.dimensions.map_table import columns_of

    path, on = parts_of(spec)
    table = read_map(path)
    there = columns_of(table, on, own=data.columns if isinstance(data, EnrichedData) else ())
    columns = [name for name in there if name.casefold() not in TAKEN and (needed is None or name in needed)]
    if left_out := [name for name in there if name.casefold() in TAKEN]:
        note(f"{path}: {', '.join(left_out)} left out: legs, or answers about them, have columns of that name")
    if not columns:
        note(f"{path}: not used; of its columns ({', '.join(there)}) none is needed")
        return data
    return enrich(data, table, on, columns=columns, tz=tz)


def parts_of(spec: str) -> tuple[Path, str | Mapping[str, str] | None]:
    r"""The file of a map, and its key.

    >>> parts_of("sites.csv:number=Rufnummer"), parts_of("sites.csv:prefix")[1], parts_of(r"C:\maps\sites.csv")[1]
    ((PosixPath('sites.csv'), {'number': 'Rufnummer'}), 'prefix', None)
    """
    path, colon, on = spec.rpartition(":")
    if not colon or "/" in on or "\\" in on or Path(spec).is_file():
        return Path(spec), None
    word, equals, column = on.partition("=")
    if not path or not word or (equals and not column):
        raise ConfigError(f"--map {spec}: write FILE, FILE:COLUMN or FILE:number=COLUMN.")
    return Path(path), {word: column} if equals else on


def _print_counts(counts: pd.DataFrame) -> None:
    for row in counts.itertuples(index=False):
        reasons = [f"{int(getattr(row, name)):,} {words}" for name, words in _REASONS.items() if getattr(row, name)]
        others = f"; {', '.join(reasons)}" if reasons else ""
        note(f"{row.map} ({row.columns}): {row.matched:,} of {row.rows:,} legs match by {row.on}{others}")


#: Why a leg matches no row.
_REASONS = {
    "no_row": "are not in the file", "outside_validity": "are in the file, but not for their time",
    "no_key": "have none", "undecided": "are masked, and several prefixes fit",
}  # fmt: skip
