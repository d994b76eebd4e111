"""The sandbox: a world, its key, and a server on this machine, as a context manager."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from conv_analytics import markup
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.sandbox.app import App
from conv_analytics.sandbox.applications import Account, Applications, ApplicationSettings
from conv_analytics.sandbox.calls import Calls, call_truths
from conv_analytics.sandbox.faults import Fault, FaultPlan, Faults, Throttle
from conv_analytics.sandbox.lifetimes import Lifetimes, WorldClock
from conv_analytics.sandbox.options import Options, ServedRequest
from conv_analytics.sandbox.reports import Differences, ReportFormat, ReportTruth, write_reports
from conv_analytics.sandbox.tokens import Verifier, key_pair, sign
from conv_analytics.sandbox.webhooks.planning import DeliveryPlan, PlanOptions, plan_deliveries, written_delivery
from conv_analytics.sandbox.webhooks.pushing import Pusher, PushOptions, PushReport
from conv_analytics.sandbox.webhooks.rtc import written_message
from conv_analytics.sandbox.webhooks.signing import Signer
from conv_analytics.sandbox.webhooks.unlisted import created_message, deleted_message
from conv_analytics.sandbox.wire import Reply, Request
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType

    from conv_analytics.sandbox.server import HttpServer
    from conv_analytics.sandbox.truth import Truth
    from conv_analytics.sandbox.webhooks.delivery import Deliveries, Delivery
    from conv_analytics.sandbox.world.records import Conversation

    Scripted = Reply | Fault | Callable[[Request], Reply | Fault]

REMEMBERED_REQUESTS = 200_000
ANY_PORT = 0


class Sandbox:
    """The Conversation API on 127.0.0.1 over a seeded world.

    >>> with Sandbox(seed=7, conversations=40) as sandbox:
    ...     sandbox.base_url.startswith("http://127.0.0.1:"), sandbox.truth().conversations
    (True, 40)
    """

    def __init__(self, world: World | None = None, **options: Unpack[Options]) -> None:
        """Prepare; `start` or `with` begins to serve."""
        self.options = options
        self.world = world or World(
            options.get("seed", 7),
            options.get("conversations", 500),
            options.get("end", datetime(2026, 11, 20, tzinfo=UTC)),
            options.get("days", 7),
            quirks=options.get("quirks", False),
            broken=options.get("broken", 0.0),
            causes=options.get("causes", ()),
            clean=options.get("clean", False),
            transient=options.get("transient", 0.0),
        )
        self.clock = WorldClock(self.world, options.get("now"))
        """The world's present; `clock.set` moves it."""
        self.lifetimes = self._lifetimes()
        faults = options.get("faults", Faults())
        self.faults = Faults.parse(faults) if isinstance(faults, str) else faults
        self.gone = self.faults.gone_ids(self.world)
        self.application_id = Dice(self.world.seed, "application").uuid()
        self.account = Account.of(self.world.seed, options.get("signature_secret"))
        self.application = options.get("application") or self._application()
        """The settings of the application, which may be changed while the sandbox serves."""
        self.requests: deque[ServedRequest] = deque(maxlen=REMEMBERED_REQUESTS)
        self.base_url = ""
        self.other_region_url = ""
        """Where the other data centre answers; empty unless `other_region` is given."""
        rate = options.get("rate", 0.0)
        self.clock_offset_s = options.get("clock_offset_s", 0.0)
        self._plan = FaultPlan(self.faults, self.clock_offset_s)
        form = options.get("retry_after", "seconds")
        window = options.get("rate_window", "bucket")
        self._throttle = Throttle(rate, form, self.clock_offset_s, window=window) if rate else None
        self._scripts: list[tuple[Callable[[Request], bool], Scripted, int]] = []
        self._lock = threading.Lock()
        calls_rate = options.get("calls_rate", 0.0)
        self._calls_throttle = Throttle(calls_rate, "no", self.clock_offset_s) if calls_rate else None
        self._app: App | None = None
        self._server: HttpServer | None = None
        self._other_server: HttpServer | None = None
        self.webhooks: Pusher | None = None
        """The sender to the `webhook` option's URL; `webhooks.finish()` waits until all is sent."""
        self._folder: Path | None = None

    @safe_repr
    def __repr__(self) -> str:
        where = self.base_url if self._server is not None else "not running"
        return f"Sandbox({where}, {self.world.size:,} conversations, seed {self.world.seed})"

    def _repr_html_(self) -> str:
        summary = {
            "application": self.application_id,
            "world": f"{self.world.size:,} conversations in {self.world.days} days, seed {self.world.seed}",
            "problems on purpose": len(self.world.causes),
            "rate limit": f"{self.options['rate']:g} requests per second" if self.options.get("rate") else "none",
            "requests so far": len(self.requests),
        }
        return markup.block(
            "Sandbox", self.base_url if self._server is not None else "not running", markup.facts(summary)
        )

    # -- credentials

    @property
    def private_key(self) -> str:
        """The application's private key as PEM text."""
        return key_pair().private

    @property
    def key_path(self) -> Path:
        """A file with the private key, only readable by its owner; removed by `close`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="conv-analytics-sandbox-"))
        path = self._folder / "private.key"
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self.private_key)
        return path

    def token(self, *, life_s: int = 900, **claims: object) -> str:
        """Sign a token for this application; claims replace the usual ones (None leaves one out)."""
        return sign(self.private_key, self.application_id, life_s=life_s, clock_offset_s=self.clock_offset_s, **claims)

    def headers(self, **claims: object) -> dict[str, str]:
        """Return the Authorization header with a fresh token."""
        return {"Authorization": f"Bearer {self.token(**claims)}"}  # type: ignore[arg-type] # life_s stays default

    @property
    def api_key(self) -> str:
        """The key of the account."""
        return self.account.api_key

    @property
    def api_secret(self) -> str:
        """The secret of the account, for Basic authentication."""
        return self.account.api_secret

    @property
    def signature_secret(self) -> str:
        """The secret that webhooks are signed with."""
        return self.account.signature_secret

    @property
    def signer(self) -> Signer:
        """The signer of webhooks."""
        return Signer(self.api_key, self.application_id, self.signature_secret, self.private_key)

    # -- webhooks

    def deliveries(self, **plan: Unpack[PlanOptions]) -> Deliveries:
        """Return the webhooks that the platform sends for this world, as signed requests in the order of sending.

        The options are the fields of a `DeliveryPlan`. Events after the world's present are not sent.

        >>> sandbox = Sandbox(conversations=8, transient=0.5)
        >>> lost = sandbox.deliveries(drop=0.02, duplicates=0.05, shuffle=True)
        >>> {delivery.interface for delivery in lost.sent} == {"rtc", "voice"}
        True
        """
        running = self.clock.running()
        if running is not None:
            plan.setdefault("until", datetime.fromtimestamp(running / 1000, UTC))
        return plan_deliveries(self.world, self.signer, DeliveryPlan(**plan), self._now(), self.lifetimes)

    def pusher(self, url: str, **how: Unpack[PushOptions]) -> Pusher:
        """Return a sender of webhooks to a receiver, over HTTP and signed again: RTC events to `url`/rtc."""
        return Pusher(url, self.signer, now=self._now, **how)

    def push(self, url: str, deliveries: Iterable[Delivery] | None = None, **how: Unpack[PushOptions]) -> PushReport:
        """Send webhooks to a receiver (all of this world), and wait until they are answered."""
        pusher = self.pusher(url, **how)
        return pusher.put(self.deliveries() if deliveries is None else deliveries).finish()

    def write_reports(
        self, folder: Path, formats: Collection[ReportFormat] = ("csv", "json"), differences: Differences | None = None
    ) -> ReportTruth:
        """Write the bills of this world's calls as files of the Reports API, with errors if requested."""
        return write_reports(
            self.world, self.api_key, self.application_id, folder, formats=formats, differences=differences
        )

    # -- for tests

    def truth(self, *, listed: bool = False) -> Truth:
        """Return what a complete folder holds of this world: all of it, whether it can still be read or not.

        With `listed`, without the conversations that cannot be listed at the sandbox's present: what one export holds.
        The events still to come of a conversation in progress are counted, too.
        """
        with self.world.lock:
            ordinals = self.lifetimes.ordinals() if listed else None
            return replace(self.world.truth(self.gone, ordinals), calls=call_truths(self.world, self.lifetimes))

    def script(self, match: Callable[[Request], bool], then: Scripted, times: int = 1) -> None:
        """Answer the next matching requests with this reply or fault, before anything else is checked.

        `then` may be a function of the request. Scripts are tried in the order they were added; `times=-1`
        keeps one for ever.
        """
        with self._lock:
            self._scripts.append((match, then, times))

    # -- starting and stopping

    def start(self) -> Self:
        """Begin to serve; return the sandbox itself."""
        self.base_url, self._app, self._server = self._serve(self.lifetimes, self.options.get("port", ANY_PORT))
        if self.options.get("other_region"):
            there = self._lifetimes(in_other_region=True)
            self.other_region_url, _, self._other_server = self._serve(there, ANY_PORT)
        webhook = self.options.get("webhook")
        if webhook:
            plan, how = self.options.get("deliveries", {}), self.options.get("pushing", {})
            self.webhooks = self.pusher(webhook, **how).put(self.deliveries(**plan))
            self.world.on_change = self._announce
        return self

    def close(self) -> None:
        """Stop serving and sending, and remove the key file."""
        if self.webhooks is not None:
            self.world.on_change = None
            self.webhooks.stop()
        for server in (self._server, self._other_server):
            if server is not None:
                server.close()
        self._server = self._other_server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        """Begin to serve."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.close()

    def _announce(self, kind: str, conversation: Conversation, at: int, rendered: bytes | None) -> None:
        """Send the webhook of a change made through the API."""
        if rendered is not None:
            message = written_message(rendered, kind, at, conversation.id, self.application_id)
        else:
            begins = kind == "conversation:created"
            message = created_message(conversation) if begins else deleted_message(conversation, at)
            message.event["application_id"] = self.application_id
        if self.webhooks is not None:
            self.webhooks.put([written_delivery(self.signer, message, self._now())])

    def _application(self) -> ApplicationSettings:
        """Describe an application whose webhooks go where this sandbox sends them."""
        settings, webhook = ApplicationSettings(), self.options.get("webhook")
        settings.conversations_ttl = round(self.options.get("ttl_hours", 48))
        if webhook:
            settings.rtc_event_url, settings.voice_event_url = f"{webhook}/rtc", f"{webhook}/voice"
        return settings

    def _lifetimes(self, *, in_other_region: bool = False) -> Lifetimes:
        return Lifetimes(
            self.world,
            self.clock,
            ttl_hours=self.options.get("ttl_hours"),
            other_region=self.options.get("other_region", 0.0),
            in_other_region=in_other_region,
        )

    def _serve(self, lifetimes: Lifetimes, port: int) -> tuple[str, App, HttpServer]:
        """Serve one data centre; return its URL, and the app that answers there."""
        from conv_analytics.sandbox.server import HttpServer, free_socket  # noqa: PLC0415 - aiohttp is heavy

        options = self.options
        host = options.get("host", "127.0.0.1")
        listening = free_socket(host, port)
        url = f"http://{host}:{listening.getsockname()[1]}"
        calls = Calls(
            self.world,
            lifetimes,
            base_url=url,
            persistence_days=options.get("leg_persistence_days"),
            spans_regions=options.get("calls_span_regions", True),
        )
        app = App(
            self.world,
            Verifier(key_pair().public, self.application_id, self._now),
            events_shape=options.get("events_shape", "object"),
            base_url=url,
            gone=self.gone,
            lifetimes=lifetimes,
            calls=calls,
            applications=Applications(self.account, self.application_id, lambda: self.application),
        )
        latency_s = options.get("latency_ms", 0.0) / 1000
        server = HttpServer(listening, partial(self._answer, app), self._log, latency_s, self._now)
        return url, app, server

    # -- answering (in the server's thread)

    def _answer(self, app: App, request: Request, target: str) -> tuple[Reply | None, Fault | None]:
        scripted = self._scripted(request) if self._scripts else None
        if isinstance(scripted, Reply):
            return scripted, None
        throttles = (self._throttle, self._calls_throttle if request.path.startswith("/v1/calls") else None)
        for throttle in throttles if scripted is None else ():
            refused = throttle.take() if throttle is not None else None
            if refused is not None:
                return refused, None
        fault = scripted or self._plan.decide(request, target)
        if fault is not None and (fault.reply is not None or fault.cut == "before"):
            return fault.reply, fault
        return app.answer(request), fault

    def _scripted(self, request: Request) -> Reply | Fault | None:
        with self._lock:
            for index, (match, then, times) in enumerate(self._scripts):
                if match(request):
                    if times == 1:
                        del self._scripts[index]
                    else:
                        self._scripts[index] = (match, then, times - 1 if times > 0 else times)
                    return then(request) if callable(then) else then
        return None

    def _now(self) -> float:
        return time.time() + self.clock_offset_s

    def _log(self, request: Request, target: str, status: int) -> None:
        self.requests.append(ServedRequest(request.method, request.path, target.partition("?")[2], status))


def run(port: int, host: str, options: Options, ready: Callable[[Sandbox], None]) -> None:
    """Serve until Ctrl-C; `ready` gets the running sandbox, e.g. to print how to use it."""
    whole: Options = {**options, "port": port, "host": host}
    with Sandbox(**whole) as sandbox:
        ready(sandbox)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return
