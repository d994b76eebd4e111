"""The ASGI application that receives webhooks, for any ASGI server, alone or mounted in another application."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Self

from conv_analytics.dataset.storage.application import require_one_application
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import ConfigError, ConvAnalyticsError
from conv_analytics.live.addresses import AllowedSenders
from conv_analytics.live.asgi import HttpRequest, Receive, Scope, Send, answer
from conv_analytics.live.commits import ChildRun, Commit, Committer, count_left
from conv_analytics.live.counts import Counts
from conv_analytics.live.intake import Intake, Rules
from conv_analytics.live.recorder import Recorder
from conv_analytics.live.secrets import Secrets, SecretValues
from conv_analytics.live.tee import Tee
from conv_analytics.live.verification import Policy
from conv_analytics.privacy import Mask

#: Longest body. Events have a few kilobytes. [B]
MAX_BODY = 1 << 20
#: Maximum size of all bodies in memory at once; further requests are asked to retry. [B]
BODIES_IN_MEMORY = 64 << 20
#: How often the inbox is folded in. [s]
COMMIT_EVERY_S = 300.0

_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_PROMETHEUS = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8"), (b"cache-control", b"no-store")]


class Application:
    """An ASGI application that receives webhooks; see `app`.

    Attributes
    ----------
    counts
        Its counters.
    tee
        Forwards Voice events; None without one.
    """

    def __init__(
        self, dest: Path, rules: Rules, *, tee: str | None, mask: Mask | None, commit: Commit | None, every_s: float
    ) -> None:
        self.counts = Counts()
        self._dest, self._rules, self._mask = dest, rules, mask
        self.tee = None if tee is None else Tee(tee, self.counts)
        self._committer = None if commit is None else Committer(dest, commit, every_s, self.counts)
        self._recorder: Recorder | None = None
        self._intake: Intake | None = None
        self._starting: asyncio.Lock | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or start and end with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._http(HttpRequest(scope, receive), send)

    async def start(self) -> None:
        """Open the inbox: at the start of the server, or with the first request to a mounted application.

        Raises
        ------
        DestinationError
            If the folder cannot be written to.
        """
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            if self._intake is not None:
                return
            await asyncio.to_thread(count_left, self._dest, self.counts)
            self._recorder = Recorder(self._dest, self.counts, self._mask)
            self._intake = Intake(self._rules, self._recorder, self.tee, self.counts)
            if self._committer is not None:
                self._committer.start(self._recorder.seal_old)

    async def close(self) -> None:
        """Write what is waiting, seal the inbox, and fold it in. Answered requests are safe even without this."""
        self._intake = None
        if self._committer is not None:
            await self._committer.stop()
        if self._recorder is not None:
            await self._recorder.close()
            self._recorder = None
            if self._committer is not None:
                await self._committer.commit()
        if self.tee is not None:
            await self.tee.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except ConvAnalyticsError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, request: HttpRequest, send: Send) -> None:
        place = request.path.split("/", 2)[1] if request.path.startswith("/") else ""
        if place in {"rtc", "voice"}:
            if self._intake is None:
                await self.start()
            assert self._intake is not None
            reply = await self._intake.take(place, request)
            if reply is not None:
                await answer(send, reply.status, reply.body, reply.headers)
        elif request.path in {"/healthz", "/metrics"}:
            await self._state(request, send)
        else:
            await answer(send, 404)

    async def _state(self, request: HttpRequest, send: Send) -> None:
        if request.method not in {"GET", "HEAD"}:
            await answer(send, 405, headers=[(b"allow", b"GET, HEAD")])
            return
        if request.path == "/metrics":
            status, headers, body = 200, _PROMETHEUS, self.counts.prometheus(time.time()).encode()
        else:
            if self._recorder is not None:
                await self._recorder.probe()
            body = json.dumps(self.counts.summary(time.time())).encode()
            status, headers = 503 if self.counts.failing else 200, _JSON
        length = (b"content-length", str(len(body)).encode())
        await answer(send, status, b"" if request.method == "HEAD" else body, [*headers, length])


def app(
    dest: str | PathLike[str],
    *,
    secrets: Secrets | SecretValues | None = None,
    application_ids: Iterable[str] = (),
    unsigned: str = "require",
    tee: str | None = None,
    mask: Mask | None = None,
    allow_from: Iterable[str] = (),
    trust_forwarded: int = 0,
    commit_every: float = COMMIT_EVERY_S,
    commit: Commit | None = None,
    max_body: int = MAX_BODY,
) -> Application:
    """An ASGI application that receives an application's webhooks and keeps them in a folder.

    ``POST`` to any path below ``/rtc`` receives RTC events, and ``POST`` or ``GET`` below ``/voice`` Voice events;
    ``/healthz`` and ``/metrics`` report its state. An answer of 2xx means that the event is on the disk. A Voice event
    is always answered with an empty body: any other could be taken for instructions to the call.

    Serve it with any ASGI server, as ``uvicorn module:application``, or mount it. An application that mounts it may
    enter it (``async with``) in its own lifespan, so that it ends in order; otherwise it starts with the first event.

    Parameters
    ----------
    dest
        The folder of an export; it need not exist.
    secrets
        The signature secret of the account, or secrets by API key; by default the variable
        ``VONAGE_SIGNATURE_SECRET``.
    application_ids
        The application whose events are accepted; any if empty. A folder belongs to one application: events of others
        are stored in its quarantine.
    unsigned
        ``require`` refuses events without a valid signature; ``record`` stores them with a mark. Both refuse forged
        events.
    tee
        The server that received the Voice events before. Each request below ``/voice`` is forwarded to it unchanged,
        and its answer returned unchanged, even if the event could not be stored.
    mask
        Replaces personal data before anything is written.
    allow_from
        Networks that may send events, such as ``216.147.0.0/18``; any if empty.
    trust_forwarded
        Number of your own proxies that add to ``X-Forwarded-For``. The server itself must not rewrite addresses, as
        uvicorn does with ``--proxy-headers``.
    commit_every
        How often received events are folded into the tables; 0 leaves that to `export` and ``conv-analytics ingest``.
        [s]
    commit
        Function that folds them in, called with the folder in a thread; by default a separate process does it.
    max_body
        Longest accepted body. [B]

    Raises
    ------
    ConfigError
        If there is no secret and `unsigned` is ``require``, a value is wrong, or the folder belongs to another
        application.

    Examples
    --------
    >>> application = app("exports", secrets="an invented secret of the account")
    >>> application.counts.summary(now=application.counts.started)["status"]
    'ok'
    """
    if unsigned not in set(Policy):
        raise ConfigError(f"unsigned= is {unsigned!r}; it must be require or record.")
    if not max_body > 0 or not commit_every >= 0 or trust_forwarded < 0:
        raise ConfigError("max_body= must be positive; commit_every= and trust_forwarded= must not be negative.")
    root, named = dataset_folder(dest), frozenset(application_ids)
    require_one_application(root, named)
    known = secrets if isinstance(secrets, Secrets) else Secrets.load() if secrets is None else Secrets(secrets)
    if not known and unsigned == Policy.REQUIRE:
        raise ConfigError(
            "There is no signature secret to check events with. Name it with secrets= or in VONAGE_SIGNATURE_SECRET, or"
            ' store events unchecked with unsigned="record".'
        )
    rules = Rules(
        known,
        named,
        Policy(unsigned),
        AllowedSenders(allow_from, int(trust_forwarded)),
        max_body,
        max(BODIES_IN_MEMORY, max_body),
    )
    folding = (commit or ChildRun()) if commit_every else None
    return Application(root, rules, tee=tee, mask=mask, commit=folding, every_s=commit_every)
