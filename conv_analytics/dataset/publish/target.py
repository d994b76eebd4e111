"""The location of Delta tables: ``delta://`` and a local folder, or ``delta://`` and the URL of a bucket."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.dataset.storage.application_folders import application_folders
from conv_analytics.dataset.storage.layout import COMMITS, Layout
from conv_analytics.dataset.store.address import ALLOW_HTTP, Address, is_url, parse
from conv_analytics.errors import ConfigError, DestinationError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from conv_analytics.dataset.snapshot import Snapshot

PREFIX = "delta://"
_EXAMPLES = "delta://lake, delta:///data/lake or delta://s3://BUCKET/PATH"
#: With deltalake 1.6.6, tables under such a path cannot be read again, or it panics.
_NOT_TAKEN = re.compile(r"[\[\]|^%\\]")
#: How often the client retries requests without an answer, and after how long. After that, reading the transactions of
#: the table shows whether a request succeeded.
_RETRIES, _TIMEOUT = "3", "300s"


@dataclass(frozen=True)
class Target:
    """The folder or bucket that holds a Delta table per table."""

    place: Path | Address

    def __str__(self) -> str:
        return f"{PREFIX}{self.place}"

    @property
    def in_bucket(self) -> bool:
        """Whether it is a bucket."""
        return isinstance(self.place, Address)

    def uri(self, table: str) -> str:
        """The URI of one Delta table."""
        if isinstance(self.place, Address):
            return f"{self.place}/{table}"
        return str(self.place.absolute() / table)

    @property
    def storage_options(self) -> dict[str, str]:
        """The options of the Delta client for a bucket; keys come from the environment, as everywhere."""
        if not isinstance(self.place, Address):
            return {}
        options = {"timeout": _TIMEOUT, "max_retries": _RETRIES, "retry_timeout": "60s"}
        if os.environ.get(ALLOW_HTTP[self.place.scheme], "").lower() in {"1", "true", "yes", "on"}:
            options["allow_http"] = "true"
        endpoint = self.place.endpoint
        if self.place.scheme == "s3":
            # A transaction is a new object of the log: only one writer can create it.
            options["aws_conditional_put"] = "etag"
            return options | ({"aws_endpoint_url": endpoint} if endpoint else {})
        return options | ({"azure_storage_endpoint": endpoint} if endpoint else {})

    def require_writable(self) -> None:
        """Raise `DestinationError` if nothing can be written there, or two writers could both commit a version."""
        if isinstance(self.place, Address):
            from conv_analytics.dataset.store.bucket import BucketStore, StoreError  # noqa: PLC0415  only for buckets
            from conv_analytics.dataset.store.probe import require_create_once  # noqa: PLC0415

            try:
                require_create_once(BucketStore(self.place))
            except StoreError as error:
                raise DestinationError(self, error.reason) from error
            return
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DestinationError(self, error.strerror or str(error)) from error
        if not os.access(self.place, os.W_OK | os.X_OK):
            raise DestinationError(self, "you may not write there")

    def require_apart(self, dataset: Snapshot) -> None:
        """Raise `ConfigError` if the tables would lie in a dataset, or around it."""
        if isinstance(self.place, Path):
            if (self.place / COMMITS).is_dir() or application_folders(self.place):
                raise ConfigError(f"{self.place} holds an export. Name another folder for its Delta tables.")
            there, here = self.place.resolve(), dataset.path.resolve()
            overlap = here == there or here in there.parents or there in here.parents
        else:
            bucket = Layout(dataset.path.absolute()).bucket
            one, other = f"{self.place}/", f"{bucket and bucket.address}/"
            overlap = one.startswith(other) or other.startswith(one)
        if overlap:
            raise ConfigError(
                f"{self} is inside {dataset.name}, or contains it. Name another place for the Delta tables."
            )


def parse_target(text: str) -> Target:
    """Parse the location of Delta tables.

    Raises
    ------
    ConfigError
        If it does not begin with ``delta://``, or names no folder or bucket that is supported.

    Examples
    --------
    >>> str(parse_target("delta://s3://lake/vonage/"))
    'delta://s3://lake/vonage'
    >>> parse_target("delta:///data/lake").place.as_posix()
    '/data/lake'
    """
    rest = text.removeprefix(PREFIX)
    if rest == text or not rest.strip():
        raise ConfigError(
            f"{text!r} names no Delta tables: write delta:// before a folder, or the URL of a bucket: {_EXAMPLES}."
        )
    if is_url(rest):
        return Target(parse(rest))
    folder = expand_user(rest)
    if odd := _NOT_TAKEN.search(folder.absolute().as_posix()):
        raise ConfigError(f"deltalake does not accept {odd[0]!r} in a path, as in {folder}. Name another one.")
    return Target(folder)


__all__ = ["PREFIX", "Target", "parse_target"]
