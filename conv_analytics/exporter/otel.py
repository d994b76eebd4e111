"""OpenTelemetry for exports: a span per run, and metrics. Needs the extra ``otel``.

The program configures the SDK; without one nothing is recorded. Names follow the semantic conventions where there are
any; the others begin with ``conv_analytics.``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from conv_analytics.api.notices import ClockSkewed, Notice, ResponseReceived, Retried
from conv_analytics.errors import ConfigError, redact
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.run_events import (
    BatchConverted,
    Committed,
    ConversationIncomplete,
    Gone,
    Interrupted,
    ListingDone,
    Quarantined,
    RunEvent,
    RunFailed,
    RunFinished,
    RunStarted,
)

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_NAME = "conv_analytics"
_TOO_MANY = 429


class OpenTelemetry:
    """An observer for ``export(..., on_event=OpenTelemetry())``, for any number of runs, one after the other.

    ============================================  =====================================================================
    span ``conv_analytics.export``                a run: attributes from its report, events for what went wrong
    ``http.client.request.duration`` [s]          by ``http.request.method`` and ``http.response.status_code``
    ``conv_analytics.retries``                    retries, by ``error.type``
    ``conv_analytics.throttled``                  responses 429, and waits that the API asked for
    ``conv_analytics.wait`` [s]                   time waited before retries
    ``conv_analytics.rows``                       rows written, by ``table``
    ``conv_analytics.conversations``              conversations, by ``outcome``: listed, gone, incomplete
    ``conv_analytics.lag`` [s]                    maximum age of a commit's data: from the run's start to its end
    ============================================  =====================================================================

    Parameters
    ----------
    tracer_provider, meter_provider
        Providers of the spans and metrics; by default the global ones.

    Raises
    ------
    ConfigError
        If the package ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415  an extra
        except ImportError:
            raise ConfigError("OpenTelemetry is not installed: pip install 'conv-analytics[otel]'.") from None
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        self._span: Span = trace.INVALID_SPAN
        meter: Meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._duration = meter.create_histogram("http.client.request.duration", "s", "Duration of HTTP requests.")
        self._retries = meter.create_counter("conv_analytics.retries", "{request}", "Requests repeated.")
        self._throttled = meter.create_counter("conv_analytics.throttled", "{request}", "Requests the API put off.")
        self._wait = meter.create_counter("conv_analytics.wait", "s", "Time waited before repetitions.")
        self._rows = meter.create_counter("conv_analytics.rows", "{row}", "Rows written.")
        self._conversations = meter.create_counter("conv_analytics.conversations", "{conversation}", "Conversations.")
        self._lag = meter.create_histogram("conv_analytics.lag", "s", "From the start of a run to its commit.")

    def __call__(self, event: RunEvent | Notice | Progress) -> None:  # noqa: C901, PLR0912  one branch per kind
        """Record an event."""
        match event:
            case ResponseReceived(method, _, status, _, elapsed):
                self._duration.record(elapsed, {"http.request.method": method, "http.response.status_code": status})
            case Retried():
                self._retries.add(1, {"error.type": str(event.status or event.reason)})
                self._throttled.add(int(event.from_retry_after or event.status == _TOO_MANY))
                self._wait.add(event.wait_s)
            case ClockSkewed(offset_s):
                self._span.add_event("clock_skew", {"offset_s": offset_s})
            case RunStarted(run, destination):
                attributes = {"conv_analytics.run": run, "conv_analytics.destination": destination or ""}
                self._span = self._tracer.start_span("conv_analytics.export", attributes=attributes)
            case ListingDone(conversations):
                self._conversations.add(conversations, {"outcome": "listed"})
            case Gone(conversations):
                self._conversations.add(len(conversations), {"outcome": "gone"})
            case ConversationIncomplete(conversation, reason):
                self._conversations.add(1, {"outcome": "incomplete"})
                attributes = {"conversation": conversation, "reason": redact(reason)}
                self._span.add_event("conversation_incomplete", attributes)
            case Quarantined(records):
                self._span.add_event("quarantined", {"records": records})
            case BatchConverted(rows):
                for table, count in rows.items():
                    self._rows.add(count, {"table": table})
            case Committed(commit):
                self._span.set_attribute("conv_analytics.commit", commit)
            case Interrupted():
                self._span.add_event("interrupted")
            case RunFinished(report):
                self._finished(report)
            case RunFailed(error):
                self._span.add_event("exception", _exception(error))
                self._span.set_status(self._failed)
                self._span.end()

    def _finished(self, report: Report) -> None:
        counts = {
            "requests": report.requests,
            "retries": report.retries,
            "listed": report.listed,
            "gone": len(report.gone),
            "incomplete": len(report.incomplete),
            "quarantined": report.quarantined,
        }
        for name, count in counts.items():
            self._span.set_attribute(f"conv_analytics.{name}", count)
        self._span.set_attribute("conv_analytics.status", report.status)
        if report.status != "complete":
            self._span.set_status(self._failed)
        if report.commit is not None:
            self._lag.record((datetime.now(UTC) - datetime.fromisoformat(report.started_at)).total_seconds())
        self._span.end()


def _exception(error: BaseException) -> dict[str, Any]:
    return {"exception.type": type(error).__name__, "exception.message": redact(str(error))}
