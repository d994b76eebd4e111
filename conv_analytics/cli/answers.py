"""Shared by commands that analyse a folder: the folder, the format of a table, and masking."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.formats import FORMATS, FORMATS_HELP, table
from conv_analytics.cli.output import say

if TYPE_CHECKING:
    import pandas as pd

    from conv_analytics.dataset import Dataset


def add_folder(command: argparse.ArgumentParser) -> None:
    """Declare DEST, --format and --unmasked."""
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("--format", choices=FORMATS, default="text", help=FORMATS_HELP)
    add_unmasked(command)


def add_unmasked(command: argparse.ArgumentParser) -> None:
    """Declare --unmasked."""
    command.add_argument(
        "--unmasked", action="store_true", help="show phone numbers, names, addresses and personal ids unmasked"
    )


def add_zone(command: argparse.ArgumentParser) -> None:
    """Declare --tz."""
    command.add_argument(
        "--tz", metavar="ZONE", default="UTC", help="time zone of hours and days, such as Europe/Paris (UTC)"
    )


def dataset_of(options: argparse.Namespace) -> Dataset:
    """The dataset in DEST."""
    path = folder(options.dest, work=options.work)

    from conv_analytics.dataset import open_dataset

    return open_dataset(path)


def names(text: str | None) -> list[str]:
    """The parts of a comma-separated list.

    >>> names("country, network_code")
    ['country', 'network_code']
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def show(frame: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print a table in the chosen format, with personal data masked unless --unmasked was given."""
    say(table(masked(frame, options), options.format))


def masked(frame: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """A table with personal data masked; numbers, instants and flags stay as they are."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    from conv_analytics.privacy.display import Display

    display = Display(on=not options.unmasked)
    if not display.on:
        return frame
    copy = frame.copy(deep=False)
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if not any(is_kind(column.dtype) for is_kind in (is_bool_dtype, is_numeric_dtype, is_datetime64_any_dtype)):
            texts = [display.column(str(name), value) for value in column.astype(object)]
            copy.isetitem(position, pd.Series(texts, index=frame.index, dtype="object").array)
    return copy
