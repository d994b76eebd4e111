"""Both clients against the sandbox: the whole way, with faults, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.api import AsyncConversations, Conversations, Retried, Retry
from conv_analytics.resources import endpoints
from conv_analytics.sandbox import Faults, Sandbox

PATIENT = Retry(repeats=8, base_s=0.002)


@pytest.fixture(scope="module", params=["object", "array"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    faults = Faults(
        server_error=0.05,
        too_many=0.05,
        reset=0.03,
        truncate=0.03,
        html=0.03,
        object=0.03,
        expired=0.03,
        retry_after_s=0,
    )
    with Sandbox(seed=7, conversations=30, events_shape=request.param, faults=faults) as sandbox:
        yield sandbox


def options(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    return {
        "application_id": sandbox.application_id,
        "private_key": sandbox.private_key,
        "base_url": sandbox.base_url,
        "retries": PATIENT,
        **more,
    }


@pytest.mark.slow
def test_everything_comes_once_whatever_fails(sandbox: Sandbox) -> None:
    """Sync and async read the same, in spite of the faults."""
    seen: list[Any] = []

    async def read() -> dict[str, list[int | None]]:
        async with AsyncConversations(**options(sandbox, on_event=seen.append)) as client:
            ids = [one.id or "" async for one in client.list_all_conversations(page_size=7)]
            return {one: [event.id async for event in client.list_all_events(one, page_size=20)] for one in ids}

    running = asyncio.run(read())
    with Conversations(**options(sandbox)) as client:
        blocking = {
            one.id: [event.id for event in client.list_all_events(one.id or "", page_size=100)]
            for one in client.list_all_conversations()
        }
    assert running == blocking
    assert len(running) == 30
    for name, ids in running.items():
        assert len(ids) == len(set(ids)), name
        # Ephemeral events leave gaps, nothing else may be missing: the last id is the sequence number.
        with Conversations(**options(sandbox)) as client:
            assert (client.get_conversation(name).sequence_number or 0) >= max([one or 0 for one in ids], default=0)
    assert any(isinstance(notice, Retried) for notice in seen)


def test_server_sees_as_many_requests_as_were_reported(sandbox: Sandbox) -> None:
    seen: list[Any] = []

    async def read() -> int:
        async with AsyncConversations(**options(sandbox, on_event=seen.append)) as client:
            pages = [page async for page in client.raw_pages(endpoints.list_all_conversations(page_size=3))]
            return len(pages)

    before = len(sandbox.requests)
    assert asyncio.run(read()) == 10
    sent = sum(type(notice).__name__ == "RequestSent" for notice in seen)
    assert len(sandbox.requests) - before == sent


def test_wrong_key_is_told(sandbox: Sandbox, pem: str) -> None:
    with (
        Conversations(**options(sandbox, private_key=pem)) as client,
        pytest.raises(errors.AuthError, match="key"),
    ):
        client.get_conversation("CON-1")


def test_not_found(sandbox: Sandbox) -> None:
    with Conversations(**options(sandbox)) as client, pytest.raises(errors.NotFound, match="has expired"):
        client.get_conversation("CON-00000000-0000-0000-0000-000000000000")
