"""The URL of a dataset in a bucket, such as ``s3://exports/vonage``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import PurePosixPath

from conv_analytics.errors import ConfigError

#: The supported stores, with the variables that may name another server than the provider's.
SCHEMES = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"), "az": ("AZURE_STORAGE_ENDPOINT",)}
#: The variables that allow a server without TLS, as in a test.
ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
#: A drive of Windows has one letter. `Path` turns "s3://bucket" into "s3:/bucket", which means the same.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]{1,3}(.*)", re.DOTALL)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART = re.compile(r"[\w!.*'() ,=@&$+-]+")


@dataclass(frozen=True)
class Address:
    """A bucket (of Azure, a container) and the path of a dataset in it."""

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def endpoint(self) -> str:
        """The server that the environment names; empty for the provider's own."""
        return next((value for name in SCHEMES[self.scheme] if (value := os.environ.get(name))), "")


def is_url(text: str | PathLike[str]) -> bool:
    """Whether a destination is written as a URL.

    >>> is_url("s3://exports"), is_url("exports"), is_url("C:/exports")
    (True, False, False)
    """
    return _URL.match(fspath(text)) is not None


def parse(text: str | PathLike[str]) -> Address:
    """The bucket and path of a URL.

    Raises
    ------
    ConfigError
        If it is not the URL of a supported store, or names no bucket.

    Examples
    --------
    >>> parse("s3://exports/vonage/").prefix
    'vonage'
    """
    match = _URL.fullmatch(fspath(text))
    scheme, rest = (match[1].lower(), match[2].replace("\\", "/")) if match else ("", "")
    if scheme not in SCHEMES:
        url = f"{scheme}://{rest}" if scheme else fspath(text)
        raise ConfigError(
            f"{url} is a URL; a dataset is a local folder, or in a bucket: s3://BUCKET/PATH or"
            " az://CONTAINER/PATH. Name one of these."
        )
    bucket, _, path = rest.partition("/")
    parts = PurePosixPath(path).parts
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{scheme}://{rest} names no bucket: write {scheme}://BUCKET/PATH, in lower case.")
    for part in parts:
        if part in {".", "..", "/"} or not _PART.fullmatch(part):
            raise ConfigError(
                f"{scheme}://{rest}: the path of a dataset is made of letters, digits and - _ . = ; {part!r} is not."
            )
    return Address(scheme, bucket, "/".join(parts))


__all__ = ["ALLOW_HTTP", "SCHEMES", "Address", "is_url", "parse"]
