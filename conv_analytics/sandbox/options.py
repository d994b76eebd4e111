"""The options of a sandbox, and the requests that it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, TypedDict

from conv_analytics.sandbox.app import EventsShape
from conv_analytics.sandbox.applications import ApplicationSettings
from conv_analytics.sandbox.faults import Faults, RetryAfter
from conv_analytics.sandbox.throttle import RateWindow
from conv_analytics.sandbox.webhooks.planning import PlanOptions
from conv_analytics.sandbox.webhooks.pushing import PushOptions


class Options(TypedDict, total=False):
    """The options of a sandbox. The first nine describe the world, and are ignored when a world is passed in."""

    seed: int
    conversations: int
    end: datetime
    days: int
    quirks: bool
    broken: float
    causes: str | Iterable[str]
    """Problems to plant, such as `loss,cliff`, or `all`; see `world/causes.py`."""
    clean: bool
    """Leave out the bad routes that are built in."""
    transient: float
    """Share [0..1] of the voice calls that run in a transient conversation: it is gone 2 s after its last leg."""
    now: datetime | Callable[[], datetime] | None
    """The world's present: what is still to come then does not exist yet, and calls of that moment are live.
    Without it the world is over."""
    ttl_hours: float
    """Lifetime of named conversations from their creation; they do not expire when missing. [h]"""
    leg_persistence_days: float
    """How long a leg stays in the call list after its end; for ever when missing. [days]"""
    calls_rate: float
    """Requests per second to the call list before 429 (15 at the real one); no limit when missing."""
    other_region: float
    """Share [0..1] of the conversations that are in another data centre, served at `Sandbox.other_region_url`."""
    calls_span_regions: bool
    """Whether the call list of each data centre also has the calls of the other (it has)."""
    application: ApplicationSettings
    """The settings of the application; healthy ones when missing."""
    signature_secret: str
    """The secret that webhooks are signed with; drawn when missing."""
    webhook: str
    """Where all webhooks of the world are sent from the start on: RTC events to `/rtc` below it, others to `/voice`."""
    deliveries: PlanOptions
    """Which webhooks are sent there, and how."""
    pushing: PushOptions
    events_shape: EventsShape
    faults: Faults | str
    rate: float
    """Requests per second before 429; no limit when missing."""
    rate_window: RateWindow
    """How `rate` counts: `bucket` (a second's worth saved), `fixed` seconds, or any `sliding` second."""
    retry_after: RetryAfter
    latency_ms: float
    clock_offset_s: float
    """The sandbox's clock minus this machine's: it dates answers, checks tokens and writes Retry-After by it. [s]"""
    host: str
    port: int


class ServedRequest(NamedTuple):
    """One request as the server saw it; status 0 means that the connection was cut."""

    method: str
    path: str
    query: str
    status: int
