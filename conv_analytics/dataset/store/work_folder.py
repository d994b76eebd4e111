"""The local folder that goes with a dataset in a bucket.

It looks like a dataset folder without tables: it has the journal, staged files, the lock, the inbox, the cache of
questions, and copies of the commit records, which are small and never change. A file in it names the bucket, so the
folder is enough to find the tables.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics import durable
from conv_analytics.dataset.store.address import Address, is_url, parse
from conv_analytics.errors import ConfigError, CorruptFile
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from conv_analytics.dataset.store.bucket import BucketStore

#: Names the bucket of a work folder.
BUCKET = "_bucket.json"
FORMAT = 1


def dataset_folder(destination: str | PathLike[str], work: str | PathLike[str] | None = None) -> Path:
    """The folder of a dataset: the named one or, for a bucket, its local work folder, which is created.

    Parameters
    ----------
    destination
        A folder, ``~`` for the home folder included, or a URL: ``s3://BUCKET/PATH``, ``az://CONTAINER/PATH``.
    work
        The work folder of a bucket; by default one in the user's folder for program state.

    Raises
    ------
    ConfigError
        If the URL is not supported, the work folder belongs to something else or cannot be made, or `work` is
        given with a folder; or a path starts with ``~`` and there is no home folder.

    Examples
    --------
    >>> dataset_folder("exports").name
    'exports'
    """
    if not is_url(destination):
        if work is not None:
            raise ConfigError(
                f"A work folder (--work, work=) goes with a bucket, and {os.fspath(destination)} is a folder. Leave it"
                " out."
            )
        return expand_user(destination)
    address = parse(destination)
    folder = _default(address) if work is None else expand_user(work)
    recorded = _recorded(folder)
    if recorded is None:
        _make(folder, address)
    elif recorded != _names(address):
        raise ConfigError(
            f"{folder} is the work folder of {recorded['url']}"
            + (f" at {recorded['endpoint']}" if recorded["endpoint"] else "")
            + f", not of {address}. Name another one (--work, work=)."
        )
    return folder


def bucket_of(folder: Path) -> BucketStore | None:
    """The bucket of a work folder; None where the tables are in the folder itself."""
    recorded = _recorded(folder)
    if recorded is None:
        return None
    from conv_analytics.dataset.store.bucket import BucketStore  # noqa: PLC0415  only for buckets

    address = parse(recorded["url"])
    if recorded != _names(address):
        raise ConfigError(
            f"{folder} is the work folder of {address} at {recorded['endpoint'] or 'its provider'}, and the environment"
            f" names {address.endpoint or 'no other server'}. Set the same variables, or name another work folder."
        )
    return BucketStore(address)


def _names(address: Address) -> dict[str, str]:
    return {"url": str(address), "endpoint": address.endpoint}


def _recorded(folder: Path) -> dict[str, str] | None:
    path = folder / BUCKET
    try:
        values = json.loads(path.read_bytes())
        if values["format"] != FORMAT:
            raise CorruptFile(path, f"written by another version (format {values['format']})")
        return {name: str(values[name]) for name in ("url", "endpoint")}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFile(path, f"it names no bucket ({type(error).__name__})") from error


def _make(folder: Path, address: Address) -> None:
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} holds something else: name a new or empty work folder (--work, work=).")
        folder.mkdir(mode=durable.PRIVATE_FOLDER, parents=True, exist_ok=True)
        durable.write_atomically(folder / BUCKET, json.dumps({"format": FORMAT, **_names(address)}, indent=1) + "\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"The work folder {folder} of {address} cannot be made ({reason}). Name another one (--work, work=)."
        ) from error


def _default(address: Address) -> Path:
    try:
        from platformdirs import user_state_path  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(f"{address} needs an extra: pip install 'conv-analytics[s3]'.") from error
    names = _names(address)
    digest = hashlib.sha256(f"{names['url']} {names['endpoint']}".encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", names["url"])[:80]
    # Received events are there until they are in the bucket: it must not be a place that may be cleaned at any time.
    return user_state_path("conv_analytics", appauthor=False) / "buckets" / f"{readable}-{digest}"


__all__ = ["BUCKET", "bucket_of", "dataset_folder"]
