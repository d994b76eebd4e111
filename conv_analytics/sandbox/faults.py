"""Faults on demand: what networks, proxies and overloaded servers do to a client."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from conv_analytics.sandbox.problems import gateway, problem
from conv_analytics.sandbox.throttle import KINDS, RateWindow
from conv_analytics.sandbox.wire import Reply, Request
from conv_analytics.sandbox.world.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.world.world import World

Cut = Literal["no", "before", "during", "truncate"]
RetryAfter = Literal["seconds", "date", "no"]
MOST_IN_A_ROW = 2
HTML = "text/html; charset=utf-8"
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
CAPTIVE_PORTAL = b"<!doctype html><title>Sign in</title><h1>Captive portal</h1>"
SHARES = ("server_error", "too_many", "reset", "truncate", "html", "object", "expired", "slow")
NAMES = {"5xx": "server_error", "429": "too_many"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one answer.

    `reply` replaces the answer; `cut` resets the connection before or during the body, or truncates the body
    below its Content-Length; `delay_s` comes first.
    """

    reply: Reply | None = None
    cut: Cut = "no"
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often GET requests fail, as shares [0..1], and how many conversations expire after being listed.

    No request (path and query) fails more than twice in a row, and a token is called expired at most once in
    a row, so that a client that repeats as the contract says gets through.
    """

    server_error: float = 0.0
    """500 JSON, 502 HTML, 503 with or without Retry-After."""
    too_many: float = 0.0
    """429 with Retry-After as seconds, as a date, or without."""
    reset: float = 0.0
    truncate: float = 0.0
    html: float = 0.0
    """200 with a page of HTML."""
    object: float = 0.0
    """200 with an error object of the gateway instead of a page."""
    expired: float = 0.0
    slow: float = 0.0
    slow_ms: int = 250
    retry_after_s: int = 1
    gone: int = 0
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read a list such as `5xx=0.02,reset=0.01,429=0.02,gone=3`.

        >>> Faults.parse("5xx=0.02, gone=3").gone
        3
        """
        kinds: dict[str, Callable[[str], float]] = {
            field.name: int if isinstance(field.default, int) else float for field in fields(cls)
        }
        values: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = part.partition("=")
            name = NAMES.get(name.strip(), name.strip())
            if name not in kinds:
                known = ", ".join(["5xx", "429", *(kind for kind in kinds if kind not in NAMES.values())])
                message = f"no fault is called {name!r}; known are {known}"
                raise ValueError(message)
            try:
                values[name] = kinds[name](value)
            except ValueError:
                message = f"fault {name!r} needs a number, not {value!r}"
                raise ValueError(message) from None
        return replace(cls(), **values)  # type: ignore[arg-type] # int fields were made int above

    def gone_ids(self, world: World) -> frozenset[str]:
        """Choose the conversations that are listed but answer 404."""
        ordinals = Dice(self.seed, "gone").shuffled(range(world.size))[: self.gone]
        return frozenset(world.head(ordinal).id for ordinal in ordinals)


class FaultPlan:
    """Decides for each request; the same seed, request and attempt always get the same fault."""

    def __init__(self, faults: Faults, clock_offset_s: float = 0.0) -> None:
        """Start without any attempt; the offset applies to the dates in Retry-After."""
        self._faults, self._offset_s = faults, clock_offset_s
        self._tries: dict[str, tuple[int, int, bool]] = {}
        shares = ((name, getattr(faults, name)) for name in SHARES)
        self._shares: tuple[tuple[str, float], ...] = tuple(pair for pair in shares if pair[1] > 0)

    def decide(self, request: Request, target: str) -> Fault | None:
        """Return the fault for this attempt at a target, or None."""
        if not self._shares or request.method != "GET":
            return None
        attempt, in_a_row, expired = self._tries.get(target, (0, 0, False))
        name, detail = self._draw(target, attempt)
        if in_a_row >= MOST_IN_A_ROW or (expired and name == "expired"):
            name = None
        failed = name is not None and name != "slow"
        self._tries[target] = (attempt + 1, in_a_row + 1 if failed else 0, name == "expired")
        return None if name is None else self._make(name, detail, target)

    def _draw(self, target: str, attempt: int) -> tuple[str | None, int]:
        digest = blake2b(f"{self._faults.seed}/{attempt}/{target}".encode(), digest_size=8).digest()
        left, detail = int.from_bytes(digest[:6], "big") / 2**48, digest[7]
        for name, share in self._shares:
            left -= share
            if left < 0:
                return name, detail
        return None, detail

    def _make(self, name: str, detail: int, target: str) -> Fault:
        if name == "slow":
            return Fault(delay_s=self._faults.slow_ms / 1000)
        if name == "truncate":
            return Fault(cut="truncate")
        if name == "reset":
            return Fault(cut="before" if detail % 2 else "during")
        return Fault(self._reply(name, detail, target))

    def _reply(self, name: str, detail: int, target: str) -> Reply:
        wait_s = self._faults.retry_after_s
        if name == "server_error":
            unavailable = gateway("unavailable", "Service unavailable", "Try again.")
            return (
                problem("system:error:internal-error", about=target),
                Reply(502, BAD_GATEWAY, HTML),
                Reply(503, unavailable, headers=retry_after("seconds", wait_s)),
                Reply(503, b"", "text/plain"),
            )[detail % 4]
        if name == "too_many":
            forms: tuple[RetryAfter, ...] = ("seconds", "date", "no")
            return too_many(forms[detail % 3], wait_s, self._offset_s)
        if name == "expired":
            return problem("system:error:expired-token", about=target)
        if name == "html":
            return Reply(200, CAPTIVE_PORTAL, HTML)
        return Reply(200, gateway("unavailable", "Temporarily unavailable", "Not a page."))


def retry_after(form: RetryAfter, seconds: float, clock_offset_s: float = 0.0) -> dict[str, str]:
    """Write a Retry-After header: whole seconds, an HTTP date, or none."""
    whole = max(1, -int(-seconds // 1)) if seconds else 0
    if form == "no":
        return {}
    if form == "date":
        return {"Retry-After": email.utils.formatdate(time.time() + clock_offset_s + whole, usegmt=True)}
    return {"Retry-After": str(whole)}


def too_many(form: RetryAfter, seconds: float, clock_offset_s: float = 0.0) -> Reply:
    """Answer 429 as the gateway might (a guess: no source shows it, contract 4.3)."""
    body = gateway("throttled", "Rate limit hit", "Wait, then repeat.")
    return Reply(429, body, headers=retry_after(form, seconds, clock_offset_s))


class Throttle:
    """At most `rate` requests per second, counted in one of the ways of `throttle.KINDS`."""

    def __init__(
        self,
        rate: float,
        form: RetryAfter = "seconds",
        clock_offset_s: float = 0.0,
        *,
        window: RateWindow = "bucket",
    ) -> None:
        """Start without any request; the offset applies to the dates in Retry-After."""
        self._meter = KINDS[window](rate, time.monotonic())
        self._form, self._offset_s = form, clock_offset_s

    def take(self) -> Reply | None:
        """Count a request; return a 429 when it is one too many."""
        wait_s = self._meter.take(time.monotonic())
        return None if wait_s is None else too_many(self._form, wait_s, self._offset_s)
