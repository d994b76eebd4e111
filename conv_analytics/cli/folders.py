"""The folder that an argument names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

#: What may be a URL is left to `dataset_folder`, which takes a moment to import.
_LIKE_A_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def add_work(command: argparse.ArgumentParser) -> None:
    """Declare --work, the local folder that goes with a dataset in a bucket."""
    command.add_argument(
        "--work",
        metavar="DIR",
        help="with a bucket as DEST (s3://BUCKET/PATH): its local work folder (one per bucket in your home folder)",
    )


def folder(text: str, argument: str = "DEST", *, work: str | None = None) -> Path:
    """The path of a folder, which need not exist, or of the local work folder of a bucket.

    Raises
    ------
    ConfigError
        If the name is empty, the URL is not supported, or the work folder is of no use.

    Examples
    --------
    >>> folder("exports").name
    'exports'
    """
    if not text.strip():
        raise ConfigError(f"{argument} is empty: name a folder.")
    if work is None and not _LIKE_A_URL.match(text):
        return expand_user(text)

    from conv_analytics.dataset.store.work_folder import dataset_folder

    return dataset_folder(text, work)
