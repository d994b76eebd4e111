"""Sandboxes of one's own, and a regular one that nobody changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conv_analytics import Conversations
from conv_analytics.sandbox import Sandbox
from tests._helpers.sandboxes import Serve, client_of


@pytest.fixture(scope="session")
def calm() -> Iterator[Sandbox]:
    """A regular world, served without faults; tests must not change it."""
    with Sandbox(seed=11, conversations=30, days=2) as running:
        yield running


@pytest.fixture
def client(calm: Sandbox) -> Conversations:
    calm.requests.clear()
    return client_of(calm)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Sandboxes that end with the test."""
    opened: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        options.setdefault("conversations", 12)
        # Each table has a file for each day.
        options.setdefault("days", 2)
        opened.append(Sandbox(**options).start())
        return opened[-1]

    yield start
    for running in opened:
        running.close()
