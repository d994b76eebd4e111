"""The counters of a listener, and their form for Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Upper bounds of the histogram of the time until an event is durable. [s]
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_PREFIX = "conv_analytics_live"

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]


@dataclass
class Backlog:
    """The events stored but not yet in the tables, as far as this listener knows.

    A run of another process, such as a nightly export, reduces it too; that shows after the next commit here.
    """

    events: int = 0
    size: int = 0
    """[B]"""
    oldest: float | None = None
    """When the oldest event was received. [s since 1970]"""
    _taken: tuple[int, int] = (0, 0)
    _next_oldest: float | None = None

    def add(self, events: int, size: int, received: float) -> None:
        """Add stored events."""
        self.events += events
        self.size += size
        self.oldest = received if self.oldest is None else self.oldest
        self._next_oldest = received if self._next_oldest is None else self._next_oldest

    def committing(self) -> None:
        """Note that a commit begins; it takes all events stored until now."""
        self._taken, self._next_oldest = (self.events, self.size), None

    def committed(self) -> None:
        """Note that this commit succeeded."""
        self.events -= self._taken[0]
        self.size -= self._taken[1]
        self.oldest = self._next_oldest
        self._taken = (0, 0)


@dataclass
class Counts:
    """The counters of a listener since it started."""

    started: float = field(default_factory=time.time)
    received: Counter[str] = field(default_factory=Counter)
    """Requests by interface."""
    stored: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that are durable, by interface and verification."""
    refused: Counter[str] = field(default_factory=Counter)
    """Requests that were not stored, by reason; the sender was answered with 4xx, or with 503 to make it retry."""
    tee: Counter[str] = field(default_factory=Counter)
    """Forwarded requests, by what the other server did: ``answered``, ``timeout``, ``failed``."""
    commits: Counter[str] = field(default_factory=Counter)
    """``done``, ``locked`` by another run, or ``failed``."""
    backlog: Backlog = field(default_factory=Backlog)
    last_commit: float | None = None
    """When the last commit ended. [s since 1970]"""
    failing: str | None = None
    """Why the last event could not be stored; None when it could."""
    _times: list[int] = field(default_factory=lambda: [0] * len(BOUNDS_S))
    _store_seconds: tuple[int, float] = (0, 0.0)

    def record_store_time(self, seconds: float) -> None:
        """Note how long it took until an event was durable. [s]."""
        self._store_seconds = (self._store_seconds[0] + 1, self._store_seconds[1] + seconds)
        for place, bound in enumerate(BOUNDS_S):
            if seconds <= bound:
                self._times[place] += 1

    def summary(self, now: float) -> dict[str, Any]:
        """The answer of ``/healthz``."""
        oldest = self.backlog.oldest
        return {
            "status": "failing" if self.failing else "ok",
            "reason": self.failing,
            "uptime_s": round(now - self.started, 1),
            "received": sum(self.received.values()),
            "stored": sum(self.stored.values()),
            "refused": dict(self.refused),
            "backlog_events": self.backlog.events,
            "backlog_bytes": self.backlog.size,
            "oldest_uncommitted_s": None if oldest is None else round(now - oldest, 1),
            "last_commit": self.last_commit,
            "commits": dict(self.commits),
        }

    def prometheus(self, now: float) -> str:
        """The answer of ``/metrics``, in the text format of Prometheus."""
        return "".join([*(_text(*metric) for metric in self._metrics(now)), self._histogram()])

    def _metrics(self, now: float) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
        backlog, none = self.backlog, ()
        yield "received_total", "counter", "Requests with events.", _by("interface", self.received)
        stored = [((("interface", place), ("verification", verdict)), n) for (place, verdict), n in self.stored.items()]
        yield "stored_total", "counter", "Requests whose events are durable.", stored
        yield "refused_total", "counter", "Requests that were not stored.", _by("reason", self.refused)
        yield "tee_total", "counter", "Forwarded requests.", _by("result", self.tee)
        yield "commits_total", "counter", "Runs that fold the inbox in.", _by("result", self.commits)
        yield "backlog_events", "gauge", "Stored requests that are in no table yet.", [(none, backlog.events)]
        yield "backlog_bytes", "gauge", "Their size in the inbox.", [(none, backlog.size)]
        age = 0.0 if backlog.oldest is None else max(now - backlog.oldest, 0.0)
        yield "oldest_uncommitted_seconds", "gauge", "Age of the oldest of them.", [(none, age)]
        yield "last_commit_timestamp_seconds", "gauge", "When the last run ended.", [(none, self.last_commit or 0)]
        yield "failing", "gauge", "1 while events cannot be stored.", [(none, float(self.failing is not None))]

    def _histogram(self) -> str:
        name, (count, seconds) = f"{_PREFIX}_store_seconds", self._store_seconds
        bounds = [*map(repr, BOUNDS_S), "+Inf"]
        counted = zip(bounds, [*self._times, count], strict=True)
        lines = [f'{name}_bucket{{le="{bound}"}} {n}\n' for bound, n in counted]
        head = _head(name, "histogram", "Time until an event was durable.")
        return "".join([head, *lines, f"{name}_sum {seconds:.17g}\n", f"{name}_count {count}\n"])


def _by(label: str, counter: Mapping[str, int]) -> list[Sample]:
    return [(((label, name),), number) for name, number in sorted(counter.items())]


def _text(name: str, kind: str, what: str, samples: Iterable[Sample]) -> str:
    name = f"{_PREFIX}_{name}"
    lines = [_head(name, kind, what)]
    for labels, value in samples:
        # The values of labels are words of this package: nothing in them needs a backslash.
        text = ",".join(f'{label}="{word}"' for label, word in labels)
        lines.append(f"{name}{f'{{{text}}}' if text else ''} {value:.17g}\n")
    return "".join(lines)


def _head(name: str, kind: str, what: str) -> str:
    return f"# HELP {name} {what}\n# TYPE {name} {kind}\n"
