"""What the commands that ask a folder something share: which folder, and how a table is printed."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conv_analytics.cli.cells import csv_text, json_text, markdown_cell
from conv_analytics.cli.output import say
from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    import pandas as pd

    from conv_analytics.dataset import Dataset

FORMATS = ("text", "csv", "json", "md")


def add_folder(command: argparse.ArgumentParser) -> None:
    """Declare DEST and how the answer is printed."""
    command.add_argument("dest", metavar="DEST", help="folder that export wrote")
    command.add_argument("--format", choices=FORMATS, default="text", help="text (the default), CSV, JSON or Markdown")
    add_unmasked(command)


def add_unmasked(command: argparse.ArgumentParser) -> None:
    """Declare that people are shown."""
    command.add_argument(
        "--unmasked", action="store_true", help="show numbers, names, addresses and such ids as they are"
    )


def add_zone(command: argparse.ArgumentParser) -> None:
    """Declare the zone of hours, weekdays and days."""
    command.add_argument("--tz", metavar="ZONE", default="UTC", help="time zone of hours and days, as Europe/Paris")


def dataset_of(options: argparse.Namespace) -> Dataset:
    """The folder that is asked."""
    if not options.dest.strip():
        raise ConfigError("DEST is empty: name the folder to look at.")
    from conv_analytics.dataset import open_dataset

    return open_dataset(expand_user(options.dest))


def names(text: str | None) -> list[str]:
    """A list that is written with commas.

    >>> names("country, network_code")
    ['country', 'network_code']
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def show(frame: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print a table, in the format that was asked for, and without people unless they were asked for."""
    frame, style = masked(frame, options), options.format
    if style == "csv":
        say(csv_text(frame))
    elif style == "json":
        say(json_text(json.loads(frame.to_json(orient="records", date_format="iso"))))
    elif style == "md":
        say(markdown(frame))
    else:
        say(frame.to_string(index=False, na_rep="-") if len(frame) else f"no rows ({', '.join(frame.columns)})")


def masked(frame: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """A table as it is shown: what tells of people is masked; numbers, instants and true or false are what they are."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    from conv_analytics.privacy.display import Display

    display = Display(on=not options.unmasked)
    if not display.on:
        return frame
    done = frame.copy(deep=False)
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if not any(holds(column.dtype) for holds in (is_bool_dtype, is_numeric_dtype, is_datetime64_any_dtype)):
            shown = [display.column(str(name), value) for value in column.astype(object)]
            done.isetitem(place, pd.Series(shown, index=frame.index, dtype="object").array)
    return done


def markdown(frame: pd.DataFrame) -> str:
    r"""A table in Markdown.

    >>> import pandas as pd
    >>> print(markdown(pd.DataFrame({"who": ["a|b"], "n": [2]})))
    | who | n |
    |---|---|
    | a\|b | 2 |
    """
    texts = frame.astype(object).where(frame.notna(), "").astype(str)
    head = [str(name) for name in frame.columns]
    lines = [head, *texts.to_numpy().tolist()]
    rows = [f"| {' | '.join(map(markdown_cell, line))} |" for line in lines]
    return "\n".join([rows[0], f"|{'---|' * len(frame.columns)}", *rows[1:]])
