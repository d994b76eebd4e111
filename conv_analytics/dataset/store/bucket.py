"""A dataset in a bucket: objects are created completely or not at all, and never changed.

The answer of a store does not always show what it did: an answer may be lost after the object was written, a conflict
of two requests (409) looks like an object that is already there, and an overloaded store refuses (503).
`BucketStore.create` copes with all of them.
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from conv_analytics.dataset.store.address import ALLOW_HTTP, Address
from conv_analytics.errors import ConfigError

#: How long a write with an unknown outcome is repeated. [s]
PATIENCE_S = 120.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
#: A request that moves more than this may take longer. [B]
_LARGE = 8 * 2**20
#: Parquet's footer is read first, from the end; most are smaller than this. [B]
TAIL = 64 * 2**10
#: Objects whose end is cached.
_TAILS = 128
_TIMEOUT_S, _LARGE_TIMEOUT_S = 30, 300


class StoreError(OSError):
    """A store failed to do something, or did not confirm it."""

    def __init__(self, url: str, reason: str, number: int = errno.EIO) -> None:
        super().__init__(number, f"{url}: {reason}")
        self.url, self.reason = url, reason


class Listed(NamedTuple):
    """An object in a list."""

    name: str
    size: int
    tag: str
    """Changes with the content of the object."""


class BucketStore:
    """The objects below the path of a URL.

    Parameters
    ----------
    address
        Bucket and path.
    patience_s
        How long a write with an unknown outcome is repeated; `PATIENCE_S` by default. [s]

    Raises
    ------
    ConfigError
        If the package that talks to stores is not installed, or the environment has settings that it does not accept.
    """

    def __init__(self, address: Address, *, patience_s: float | None = None) -> None:
        self.address, self._patience_s = address, PATIENCE_S if patience_s is None else patience_s
        self._about: dict[str, tuple[int, datetime]] = {}
        self._tails: dict[str, bytes] = {}
        self._clients = {large: _client(address, large=large) for large in (False, True)}

    def __reduce__(self) -> tuple[type[BucketStore], tuple[Address]]:
        """Another process reopens it, with the settings of its own environment."""
        return BucketStore, (self.address,)

    def url(self, name: str) -> str:
        """The URL of an object."""
        return f"{self.address}/{name}"

    def create(self, name: str, body: bytes) -> None:
        """Create an object; raise `FileExistsError` if one of this name holds something else.

        "Already there" means success when the content is the same: the answer to an earlier attempt was lost. When
        nothing is there after all, two requests were in conflict, and the same one is repeated. So is one with any
        other outcome, as only the store knows its effect. Creating the same object once more, even in another process,
        therefore has the same result.

        Raises
        ------
        StoreError
            If the outcome is not known after `patience_s` seconds, or the store refuses.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError  # noqa: PLC0415  an extra

        end, wait_s = time.monotonic() + self._patience_s, _FIRST_WAIT_S
        while True:
            try:
                self._client(len(body)).put(name, body, mode="create", use_multipart=False)
            except AlreadyExistsError as error:
                reason = f"it says that the object exists, and has none ({_reason(error)})"
                there = self._read_back(name)
                if there == body:
                    return
                if there is not None:
                    raise FileExistsError(errno.EEXIST, "it exists already", self.url(name)) from error
            except FileNotFoundError as error:
                raise StoreError(str(self.address), "there is no such bucket", errno.ENOENT) from error
            except (BaseError, OSError) as error:
                self._raise_if_final(name, error)
                reason = _reason(error)
            else:
                return
            if time.monotonic() + wait_s > end:
                what = f"whether it was written is not known after {self._patience_s:g} s ({reason})"
                raise StoreError(self.url(name), what, errno.ETIMEDOUT)
            time.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311  so that two writers do not keep step
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def read(self, name: str) -> bytes:
        """The content of an object; raise `FileNotFoundError` if there is none."""
        with self._errors(name):
            return self._clients[True].get(name).bytes().to_bytes()  # type: ignore[no-any-return]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of an object, piece by piece."""
        with self._errors(name):
            for chunk in self._clients[True].get(name).stream(min_chunk_size=2**20):
                yield bytes(chunk)

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Some bytes of an object."""
        with self._errors(name):
            return self._client(length).get_range(name, start=start, length=length).to_bytes()  # type: ignore[no-any-return]

    def about(self, name: str) -> tuple[int, datetime]:
        """The size of an object [B], and when it was written; raise `FileNotFoundError` if there is none.

        Objects never change, so the store is queried once.
        """
        if name not in self._about:
            with self._errors(name):
                head = self._clients[False].head(name)
            self._about[name] = int(head["size"]), head["last_modified"]
        return self._about[name]

    def tail(self, name: str) -> bytes:
        """The last `TAIL` bytes of an object, where readers of Parquet begin; those of a few objects are cached."""
        if (kept := self._tails.pop(name, None)) is None:
            size = self.about(name)[0]
            kept = self.read_range(name, max(0, size - TAIL), min(size, TAIL))
        self._tails[name] = kept
        while len(self._tails) > _TAILS:
            with suppress(KeyError, RuntimeError):
                self._tails.pop(next(iter(self._tails)), None)
        return kept

    def list(self, folder: str) -> list[Listed]:
        """The objects below a folder, by name."""
        with self._errors(folder):
            objects = [each for page in self._clients[False].list(folder) for each in page]
        return sorted(Listed(each["path"], each["size"], each["e_tag"] or "") for each in objects)

    def folders(self, folder: str = "") -> tuple[str, ...]:
        """The names of the folders in a folder: the first parts of the names below it."""
        with self._errors(folder):
            listing = self._clients[False].list_with_delimiter(folder or None)
        return tuple(sorted(str(each).rstrip("/").rsplit("/", 1)[-1] for each in listing["common_prefixes"]))

    def delete(self, name: str) -> None:
        """Delete an object, if it exists."""
        self._about.pop(name, None)
        self._tails.pop(name, None)
        try:
            with self._errors(name):
                self._clients[False].delete(name)
        except FileNotFoundError:
            return

    def _client(self, size: int) -> Any:
        return self._clients[size > _LARGE]

    def _read_back(self, name: str) -> bytes | None:
        """The content of the object; None if it does not exist, or cannot be read now."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None
        except StoreError as error:
            self._raise_if_final(name, error.__cause__ or error)
            # Neither success nor refusal: the same request is repeated.
            return None

    @cached_property
    def _final(self) -> tuple[type[Exception], ...]:
        from obstore import exceptions  # noqa: PLC0415  an extra

        return (
            exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, exceptions.NotSupportedError,
            exceptions.InvalidPathError, exceptions.UnknownConfigurationKeyError,
        )  # fmt: skip

    def _raise_if_final(self, name: str, error: BaseException) -> None:
        """Raise errors that a retry cannot fix."""
        if isinstance(error, self._final):
            raise StoreError(self.url(name), f"the store refuses ({_reason(error)})", errno.EACCES) from error

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Turn errors of the client into errors of files."""
        from obstore.exceptions import BaseError  # noqa: PLC0415  an extra

        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "there is no such object", self.url(name)) from error
        except BaseError as error:
            raise StoreError(self.url(name), _reason(error)) from error


def _client(address: Address, *, large: bool) -> Any:
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415  an extra
        from obstore.store import AzureStore, S3Store  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(f"{address} needs an extra: pip install 'conv-analytics[s3]'.") from error
    timeout = timedelta(seconds=_LARGE_TIMEOUT_S if large else _TIMEOUT_S)
    options: dict[str, Any] = {
        # Options that are passed here override the environment's.
        "client_options": {
            "timeout": timeout,
            "connect_timeout": timedelta(seconds=10),
            "allow_http": os.environ.get(ALLOW_HTTP[address.scheme], "").lower() in {"1", "true", "yes", "on"},
        },
        "retry_config": {
            "max_retries": 4,
            "retry_timeout": timedelta(seconds=60),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=3), "base": 2},
        },
    }
    prefix = address.prefix or None
    make: Callable[[], Any] = (
        (lambda: S3Store(address.bucket, prefix=prefix, config={"checksum_algorithm": "sha256"}, **options))
        if address.scheme == "s3"
        else (lambda: AzureStore(address.bucket, prefix=prefix, **options))
    )
    try:
        return make()
    except (BaseError, ValueError) as error:
        raise ConfigError(
            f"{address} cannot be opened with the settings of the environment: {_reason(error)}."
        ) from error


def _reason(error: BaseException) -> str:
    """The message of an error, without the client's own names."""
    return (str(error).splitlines() or [type(error).__name__])[0].removeprefix("Generic S3 error: ")


__all__ = ["PATIENCE_S", "TAIL", "BucketStore", "Listed", "StoreError"]
