"""An S3 server for all tests of buckets in one process, and a path of its own in its bucket for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests._helpers.object_stores import BUCKET, Proxy, s3_server, variables

_PREFIXES = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def proxy(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What stands before the server, faultless until it is told otherwise; the environment leads to it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Proxy(server) as proxy:
        for name, value in variables(proxy.address).items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def url(proxy: Proxy) -> str:
    """A dataset in a bucket that is not there yet."""
    return f"s3://{BUCKET}/{next(_PREFIXES)}/night"
