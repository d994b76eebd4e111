"""Sending webhooks over HTTP as the platform does: one attempt, one more when that may help (live contract 3.3)."""

from __future__ import annotations

import http.client
import queue
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self, TypedDict
from urllib.parse import urlsplit

from conv_analytics.sandbox.webhooks.delivery import Deliveries, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conv_analytics.sandbox.webhooks.signing import Signer

RETRIED = frozenset({429, 502, 503, 504})
SUCCESS = range(200, 206)
PAUSE_S = 0.1
USER_AGENT = "Apache-HttpAsyncClient/4.1.4 (Java/11)"


class Answer(NamedTuple):
    """The receiver's answer to the last attempt: a status and a body, or the error that came instead."""

    status: int
    body: bytes = b""
    error: str = ""


@dataclass(slots=True)
class PushReport:
    """The outcome of sending webhooks."""

    delivered: Deliveries = field(default_factory=Deliveries)
    """Those that were answered with 200 to 205, in that order."""
    refused: list[tuple[Delivery, Answer]] = field(default_factory=list)
    attempts: int = 0
    retries: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    """Attempts by the status of their answer; 0 when the connection failed."""
    receiver_errors: list[str] = field(default_factory=list)
    """Answers to Voice events that the platform would take as a script: every one with a body (live contract 3.2)."""


class PushOptions(TypedDict, total=False):
    """How a `Pusher` sends, as keyword arguments."""

    voice_url: str | None
    rate: float
    connections: int
    connect_timeout_s: float
    answer_timeout_s: float
    retry: bool
    await_receiver: bool


class Pusher:
    """Sends deliveries to a receiver from separate threads, each with one persistent connection."""

    def __init__(
        self, url: str, signer: Signer, *, voice_url: str | None = None, now: Callable[[], float] = time.time,
        rate: float = 0.0, connections: int = 4, connect_timeout_s: float = 1.0, answer_timeout_s: float = 10.0,
        retry: bool = True, await_receiver: bool = False,
    ) -> None:  # fmt: skip
        """Begin to send the deliveries passed to `put`; raise a ValueError for an invalid URL.

        RTC events go to `url`/rtc; Voice events to `voice_url`, or `url`/voice. `rate` is in requests per second,
        without limit when 0. With one connection the order is kept. `await_receiver` waits until the receiver can be
        connected to before the first request.
        """
        urls = {"rtc": f"{url.rstrip('/')}/rtc", "voice": voice_url or f"{url.rstrip('/')}/voice"}
        timeouts = connect_timeout_s, answer_timeout_s
        self._signer, self._now, self._rate, self._retry = signer, now, rate, retry
        self._await_receiver = await_receiver
        self.report = PushReport()
        self._lock = threading.Lock()
        self._next = time.monotonic()
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._work,
                args=({name: Line(to, *timeouts) for name, to in urls.items()},),
                name=f"conv-analytics-webhooks-{n}",
                daemon=True,
            )
            for n in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, deliveries: Iterable[Delivery]) -> Self:
        """Send these, after those before; the dropped ones are left out."""
        for delivery in deliveries:
            if not delivery.dropped:
                self._waiting.put(delivery)
        return self

    def finish(self) -> PushReport:
        """Wait until all is sent, and return the outcome."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        return self.report

    def stop(self) -> PushReport:
        """Send no more, wait for requests under way, and return the outcome."""
        self._stopped.set()
        return self.finish()

    # -- in the threads

    def _work(self, lines: dict[str, Line]) -> None:
        while (delivery := self._waiting.get()) is not None:
            if self._stopped.is_set():
                continue
            if self._await_receiver and not self._wait_for(lines[delivery.interface]):
                continue
            self._pace()
            answer = self._attempt(lines[delivery.interface], delivery)
            if self._retry and _worth_another(answer) and not self._stopped.wait(PAUSE_S):
                with self._lock:
                    self.report.retries += 1
                answer = self._attempt(lines[delivery.interface], delivery)
            self._note(delivery, answer)
        for line in lines.values():
            line.close()

    def _wait_for(self, line: Line) -> bool:
        """Wait until somebody listens; False when sending was stopped before."""
        while not line.is_open():
            if self._stopped.wait(PAUSE_S):
                return False
        self._await_receiver = False
        return True

    def _pace(self) -> None:
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - 1) + 1 / self._rate
            wait_s = self._next - now
        if wait_s > 0:
            self._stopped.wait(wait_s)

    def _attempt(self, line: Line, delivery: Delivery) -> Answer:
        signature = self._signer.headers(delivery.body, delivery.query, self._now(), delivery.signing)
        headers = {name: text for name, text in delivery.headers.items() if name != "Authorization"} | dict(signature)
        answer = line.send(delivery.method, delivery.query, headers, delivery.body)
        with self._lock:
            self.report.attempts += 1
            self.report.answers[answer.status] += 1
        return answer

    def _note(self, delivery: Delivery, answer: Answer) -> None:
        with self._lock:
            if answer.status not in SUCCESS:
                self.report.refused.append((delivery, answer))
                return
            self.report.delivered.append(delivery)
            if delivery.interface == "voice" and answer.body:
                kind = (
                    "a JSON array, which replaces the call's script" if answer.body.lstrip()[:1] == b"[" else "a body"
                )
                self.report.receiver_errors.append(f"{delivery.kind} was answered with {kind}")


def _worth_another(answer: Answer) -> bool:
    return answer.status in RETRIED or (answer.status == 0 and answer.error != "tls")


class Line:
    """A persistent connection to one URL."""

    def __init__(self, url: str, connect_timeout_s: float, answer_timeout_s: float) -> None:
        """Connect with the first request."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"{url!r} is not an http(s) URL"
            raise ValueError(message)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=connect_timeout_s)
        self._connect_timeout_s, self._answer_timeout_s = connect_timeout_s, answer_timeout_s
        self._path, self._query = parts.path or "/", parts.query

    def is_open(self) -> bool:
        """Whether there is a connection, or one can be made."""
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError:
            self._connection.close()
            return False
        return True

    def send(self, method: str, query: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send one request; a failed connection is an answer with status 0."""
        connection = self._connection
        target = "?".join(filter(None, (self._path, "&".join(filter(None, (self._query, query))))))
        try:
            if connection.sock is None:
                connection.timeout = self._connect_timeout_s
                connection.connect()
            if connection.sock is not None:
                connection.sock.settimeout(self._answer_timeout_s)
            connection.putrequest(method, target, skip_accept_encoding=True)
            length = {"Content-Length": str(len(body))} if method != "GET" else {}
            for name, text in {"User-Agent": USER_AGENT, **length, **headers}.items():
                connection.putheader(name, text)
            connection.endheaders(body if method != "GET" else None)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except ssl.SSLError as error:
            connection.close()
            return Answer(0, error="tls" if not isinstance(error, TimeoutError) else "TimeoutError")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Answer(0, error=type(error).__name__)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


__all__ = ["Answer", "PushOptions", "PushReport", "Pusher"]
