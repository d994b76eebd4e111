"""Two clocks: tokens that fit the API's whatever this machine's says, and a skew that is named. Over real HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from conv_analytics import AsyncConversations, Conversations
from conv_analytics.api import ClockSkewed, JWTAuth, Notice, ResponseReceived, Retry
from conv_analytics.api.clock import SAMPLES, ServerClock, SkewWatch, clock_offset
from conv_analytics.errors import AuthError, InvalidRequest, status_error
from conv_analytics.sandbox import Sandbox

NOON = 1_795_262_400.0
SKEWS = [-3600.0, -300.0, 300.0, 3600.0]


class Clock:
    now_s = NOON

    def __call__(self) -> float:
        return self.now_s


def dated(moment: float, **more: str) -> dict[str, str]:
    return {"date": formatdate(moment, usegmt=True), **more}


# -- reading the header


@pytest.mark.parametrize("ahead", [-7200, -31, -2, 0, 2, 31, 7200])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("stamped", [0.0, 0.5, 1.0])
def test_the_true_distance_is_never_missed_by_more_than_one_answer_can_tell(
    ahead: int, fraction: float, stamped: float
) -> None:
    sent, elapsed = NOON + fraction, 1.4
    told = int(sent + stamped * elapsed + ahead)
    found = clock_offset(formatdate(told, usegmt=True), sent + elapsed, elapsed)
    assert found is not None
    assert abs(found - ahead) <= max((1.0 + elapsed) / 2, 0.0 if found else abs(ahead))
    assert found or abs(ahead) <= 2


@pytest.mark.parametrize("text", [None, "", "soon", "Sat, 99 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 99999 12:00:00 GMT"])
def test_what_is_no_date_tells_nothing(text: str | None) -> None:
    clock = ServerClock(Clock())
    clock.answered({} if text is None else {"date": text}, 0.1)
    assert (clock.offset_s, clock.reliable) == (0.0, False)


def test_one_odd_answer_moves_nothing_and_caches_are_not_believed() -> None:
    clock = ServerClock(Clock())
    for _ in range(3):
        clock.answered(dated(NOON + 300), 0.0)
    clock.answered(dated(NOON - 90_000), 0.0)
    assert clock.offset_s == 300.5
    cached = ServerClock(Clock())
    cached.answered(dated(NOON - 90_000, age="90000"), 0.0)
    assert cached.offset_s == 0.0


def test_a_clock_that_is_set_during_the_run_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    local, ticks = Clock(), iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(2 * next(ticks)))
    told: list[Notice] = []
    clock = ServerClock(local)
    watch = SkewWatch(clock, told.append)
    for _ in range(SAMPLES):
        watch.answered(dated(NOON), 0.0)
    assert (clock.offset_s, told) == (0.0, [])
    local.now_s -= 298
    for _ in range(SAMPLES):
        watch.answered(dated(NOON), 0.0)
    assert clock.offset_s == 298.5
    assert told == [ClockSkewed(298.5)]


def test_a_date_is_read_once_a_second_when_enough_are_known() -> None:
    class Headers(dict[str, str]):
        looked = 0

        def get(self, key: str, default: Any = None) -> Any:
            Headers.looked += 1
            return super().get(key, default)

    clock = ServerClock(Clock())
    for _ in range(1000):
        clock.answered(Headers(dated(NOON)), 0.0)
    # A thousand of these take some milliseconds; one more second may begin meanwhile.
    assert SAMPLES <= Headers.looked <= SAMPLES + 3


# -- against a sandbox whose clock is another


@pytest.fixture(params=["sync", "async", "async-httpx"])
def ask(request: pytest.FixtureRequest) -> Callable[..., list[Notice]]:
    """Make five requests with a client; what it told."""

    def run(sandbox: Sandbox, **options: Any) -> list[Notice]:
        told: list[Notice] = []
        given = {"base_url": sandbox.base_url, "on_event": told.append, "retries": 0, **options}
        if request.param == "sync":
            with Conversations(sandbox.application_id, sandbox.private_key, **given) as client:
                for _ in range(5):
                    client.get_conversation_page()
            return told
        if request.param == "async-httpx":
            given["transport"] = httpx.AsyncHTTPTransport()

        async def main() -> None:
            async with AsyncConversations(sandbox.application_id, sandbox.private_key, **given) as client:
                for _ in range(5):
                    await client.get_conversation_page()

        asyncio.run(main())
        return told

    return run


@pytest.mark.parametrize("skew", SKEWS)
def test_tokens_fit_the_clock_of_the_api(skew: float, ask: Callable[..., list[Notice]]) -> None:
    with Sandbox(conversations=3, clock_offset_s=skew) as sandbox:
        told = ask(sandbox)
        statuses = [seen.status for seen in sandbox.requests]
    # The first token cannot know better; a platform that is behind refuses it, and one that is an hour ahead too.
    assert statuses in ([200] * 5, [401, *[200] * 5])
    assert statuses[0] == 401 or skew == 300.0
    skewed = [notice for notice in told if isinstance(notice, ClockSkewed)]
    assert len(skewed) == 1
    assert abs(skewed[0].offset_s - skew) < 2


def test_a_clock_that_is_right_is_no_event(ask: Callable[..., list[Notice]]) -> None:
    with Sandbox(conversations=3) as sandbox:
        assert not [notice for notice in ask(sandbox) if isinstance(notice, ClockSkewed)]
        assert [seen.status for seen in sandbox.requests] == [200] * 5


def test_of_many_requests_at_once_none_fails_because_of_the_clock() -> None:
    async def main(sandbox: Sandbox) -> None:
        given: Any = {"base_url": sandbox.base_url, "retries": 0}
        async with AsyncConversations(sandbox.application_id, sandbox.private_key, **given) as client:
            pages: list[Awaitable[Any]] = [client.get_conversation_page() for _ in range(20)]
            await asyncio.gather(*pages)
            await asyncio.gather(*[client.get_conversation_page() for _ in range(20)])

    with Sandbox(conversations=3, clock_offset_s=-3600, latency_ms=20) as sandbox:
        asyncio.run(main(sandbox))
        statuses = [seen.status for seen in sandbox.requests]
    assert statuses.count(200) == 40
    assert set(statuses[-20:]) == {200}


@pytest.mark.slow
def test_a_wait_until_a_date_is_measured_by_the_clock_of_the_api() -> None:
    waits: list[float] = []
    for skew in SKEWS:
        told: list[Notice] = []
        with Sandbox(conversations=3, clock_offset_s=skew, rate=5, retry_after="date") as sandbox:
            # A date has whole seconds: when it seems to be over, the repetitions wait for the next token.
            given: Any = {"base_url": sandbox.base_url, "on_event": told.append, "retries": Retry(base_s=0.3)}
            with Conversations(sandbox.application_id, sandbox.private_key, **given) as client:
                for _ in range(8):
                    client.get_conversation_page()
        waits += [notice.wait_s for notice in told if getattr(notice, "from_retry_after", False)]
    assert waits
    assert max(waits) < 5


def test_a_refusal_names_the_clock_that_explains_it() -> None:
    with Sandbox(conversations=1, clock_offset_s=298) as sandbox:
        # Somebody else's way of signing, which does not learn.
        token = JWTAuth(sandbox.application_id, sandbox.private_key, ttl=120, origin=sandbox.base_url).header()
        told = pytest.raises(AuthError, match=r"clock is 4 min 5\d s behind the API's; set it with NTP\.$")
        with Conversations(base_url=sandbox.base_url, auth=_Given(token)) as client, told:
            client.get_conversation_page()
        right = sandbox.headers()["Authorization"]
        with Conversations(base_url=sandbox.base_url, auth=_Given(right)) as client:
            with pytest.raises(InvalidRequest) as refused:
                client.get_conversation_page(cursor="?")
            assert "clock" not in str(refused.value)
    suspended = b'{"code": "account-suspended"}'
    assert "clock" not in str(status_error("GET", "/v1/x", 401, suspended, clock_offset_s=298))
    assert "clock" not in str(status_error("GET", "/v1/x", 401, b"", clock_offset_s=2))
    assert "4 min 58 s behind" in str(status_error("GET", "/v1/x", 401, b"", clock_offset_s=298))


class _Given(httpx.Auth):
    def __init__(self, header: str) -> None:
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["authorization"] = self._header
        yield request


# -- renewal


@pytest.mark.parametrize("skew", [0.0, *SKEWS])
def test_no_request_of_a_long_run_ever_has_an_expired_token(skew: float) -> None:
    """A token lives two minutes, and each request takes ten seconds of the time that both clocks show."""
    told, ticks = list[Notice](), Clock()
    with Sandbox(conversations=3, clock_offset_s=skew) as sandbox:
        assert sandbox._server is not None
        assert sandbox._app is not None
        sandbox._server._now = lambda: ticks.now_s + skew
        sandbox._app._verifier._now = lambda: ticks.now_s + skew
        auth = JWTAuth(sandbox.application_id, sandbox.private_key, ttl=120, clock=ticks, origin=sandbox.base_url)
        headers = set()
        with Conversations(base_url=sandbox.base_url, auth=auth, on_event=told.append, retries=0) as client:
            for _ in range(150):
                client.get_conversation_page(page_size=1)
                headers.add(auth.header())
                ticks.now_s += 10
        refused = [seen.status for seen in sandbox.requests].count(401)
    answers = [notice for notice in told if isinstance(notice, ResponseReceived)]
    assert len(answers) == 150 + refused
    # 1,500 seconds and a new token every 60 of them; only the very first one may have been of a wrong time.
    assert len(headers) >= 25
    assert refused == (skew != 0.0)
