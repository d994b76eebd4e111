"""What a run tells while it goes on: steps, records of the log, spans and metrics."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from conv_analytics import export
from conv_analytics.api import ClockSkewed, RequestSent
from conv_analytics.errors import AuthError, ConfigError, ExportIncomplete
from conv_analytics.exporter import Progress
from conv_analytics.exporter.notifier import Notifier
from conv_analytics.exporter.otel import OpenTelemetry
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.run_events import (
    BatchConverted,
    Committed,
    ConversationIncomplete,
    Gone,
    ListingDone,
    Quarantined,
    RunFailed,
    RunFinished,
    RunStarted,
)
from conv_analytics.log import Entry
from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.wire import Reply
from tests._helpers.command_line import credentials, environment
from tests._helpers.sandboxes import FAULTS, Serve, client_of

pytestmark = pytest.mark.slow

DENIED = Reply(401, b'{"code": "system:error:missing-token"}')
PLANTED = "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjF9.c2lnbmF0dXJl"


def of(kind: type, seen: list[Any]) -> list[Any]:
    return [event for event in seen if isinstance(event, kind)]


def broken_conversation(sandbox: Sandbox) -> str:
    """Make one conversation fail for good; its id."""
    name = sandbox.world.head(next(iter(sandbox.world.ordinals))).id
    said = b'{"title": "Bearer ' + PLANTED.encode() + b'", "code": "c"}'
    sandbox.script(lambda request: name in request.path, Reply(500, said), times=-1)
    return name


# -- steps


def test_every_step_is_told_and_agrees_with_the_report(serve: Serve, tmp_path: Path) -> None:
    sandbox, seen = serve(conversations=40, faults=FAULTS, broken=0.02, clock_offset_s=298), list[Any]()
    report = export(client_of(sandbox), tmp_path / "out", rate=0, on_event=seen.append).report
    started, *_, finished = seen
    assert isinstance(started, RunStarted)
    assert (started.destination, "hangups" in started.tables) == (str(tmp_path / "out"), True)
    assert isinstance(finished, RunFinished)
    assert finished.report is report
    assert [step.conversations for step in of(ListingDone, seen)] == [report.listed] == [40]
    assert [name for step in of(Gone, seen) for name in step.conversations] == report.gone != []
    assert sum(step.records for step in of(Quarantined, seen)) == report.quarantined > 0
    rows: Counter[str] = Counter()
    for step in of(BatchConverted, seen):
        rows.update(step.rows)
    assert rows == Counter(report.tables)
    assert [step.commit for step in of(Committed, seen)] == [report.commit] == [1]
    assert len(of(RequestSent, seen)) == report.requests
    assert len(of(ClockSkewed, seen)) == 1
    assert report.clock_offset_s is not None
    assert abs(report.clock_offset_s - 298) < 2
    assert "this machine's clock is 4 min 5" in str(report)
    assert of(Progress, seen)[-1].finished


def test_a_clock_that_is_right_is_not_in_the_report(serve: Serve) -> None:
    report = export(client_of(serve()), rate=0).report
    assert report.clock_offset_s is None
    assert "clock" not in str(report)


def test_a_conversation_that_fails_is_told_once(serve: Serve) -> None:
    sandbox, seen = serve(), list[Any]()
    name = broken_conversation(sandbox)
    with pytest.raises(ExportIncomplete):
        export(client_of(sandbox), rate=0, on_event=seen.append)
    assert [step.conversation for step in of(ConversationIncomplete, seen)] == [name]
    assert isinstance(seen[-1], RunFinished)


def test_a_run_that_keeps_nothing_ends_with_its_error(serve: Serve, tmp_path: Path) -> None:
    sandbox, seen = serve(), list[Any]()
    sandbox.script(lambda _: True, DENIED, times=-1)
    with pytest.raises(AuthError) as caught:
        export(client_of(sandbox), tmp_path / "out", rate=0, on_event=seen.append)
    assert isinstance(seen[-1], RunFailed)
    assert seen[-1].error is caught.value


def test_an_observer_that_fails_ends_the_run_with_its_own_error(serve: Serve) -> None:
    def broken(event: object) -> None:
        raise RuntimeError(f"no room for {type(event).__name__}")

    with pytest.raises(RuntimeError, match="no room for RunStarted"):
        export(client_of(serve()), rate=0, on_event=broken)


def test_nobody_is_told_twice() -> None:
    seen: list[Any] = []
    report = Report(listed=3, gone=["CON-1"], incomplete={"CON-2": "no"}, quarantined=2, tables={"events": 5})
    now = Progress(listed=3, listing_done=True, done=3, events=5, requests=1, retries=0, waiting_s=0.0, elapsed_s=1.0)
    watch = Notifier(report, [seen.append])
    watch.progressed(now)
    watch.progressed(now)
    report.gone.append("CON-3")
    report.tables = {"events": 5, "hangups": 1}
    watch.progressed(now)
    assert [event for event in seen if event is not now] == [
        ListingDone(3),
        Gone(("CON-1",)),
        ConversationIncomplete("CON-2", "no"),
        Quarantined(2),
        BatchConverted({"events": 5}),
        Gone(("CON-3",)),
        BatchConverted({"hangups": 1}),
    ]


# -- the log


def test_a_program_that_configures_logging_gets_every_run(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = serve()
    name = broken_conversation(sandbox)
    caplog.set_level(logging.DEBUG, "conv_analytics")
    with pytest.raises(ExportIncomplete):
        export(client_of(sandbox), rate=0)
    entries = [record.msg for record in caplog.records if record.name == "conv_analytics"]
    assert all(isinstance(entry, Entry) for entry in entries)
    assert len({entry.fields["run"] for entry in entries}) == 1
    events = Counter(entry.event for entry in entries)
    assert events["response"] > 12
    assert events["retry"] == 6
    assert events["conversation_incomplete"] == events["run_started"] == events["run_finished"] == 1
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert any(text.startswith("conversation_incomplete run=") and name in text for text in texts)
    assert PLANTED not in caplog.text
    assert "PRIVATE KEY" not in caplog.text
    assert "Bearer ey" not in caplog.text


def test_a_program_that_configures_nothing_sees_nothing(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    sandbox = serve()
    broken_conversation(sandbox)
    logger, root = logging.getLogger("conv_analytics"), logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with pytest.raises(ExportIncomplete):
            export(client_of(sandbox), rate=0, progress=None)
    finally:
        root.handlers = handlers
    assert capfd.readouterr() == ("", "")
    assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
    assert logger.level == logging.NOTSET


# -- OpenTelemetry


class Memory:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.listener = OpenTelemetry(tracers, MeterProvider([self._reader]))

    def metrics(self) -> dict[str, dict[tuple[Any, ...], float]]:
        """By name and attributes: sums of counters, numbers of what histograms were given."""
        data: Any = self._reader.get_metrics_data()
        return {
            metric.name: {
                tuple(point.attributes.values()): getattr(point, "value", None) or getattr(point, "count", 0)
                for point in metric.data.data_points
            }
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def test_spans_and_metrics_agree_with_the_report(serve: Serve, tmp_path: Path) -> None:
    sandbox, memory = serve(conversations=40, faults=FAULTS, clock_offset_s=3600), Memory()
    report = export(client_of(sandbox), tmp_path / "out", rate=0, on_event=memory.listener).report
    (span,) = memory.spans.get_finished_spans()
    assert span.name == "conv_analytics.export"
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["conv_analytics.commit"] == 1
    assert span.attributes["conv_analytics.requests"] == report.requests
    assert [event.name for event in span.events] == ["clock_skew"]
    metrics = memory.metrics()
    assert metrics["conv_analytics.rows"] == {(name,): rows for name, rows in report.tables.items() if rows}
    assert sum(metrics["conv_analytics.retries"].values()) == report.retries
    answered = metrics["http.client.request.duration"]
    assert answered["GET", 429] > 0
    assert sum(answered.values()) <= report.requests
    assert metrics["conv_analytics.throttled"][()] >= answered["GET", 429]
    assert metrics["conv_analytics.conversations"] == {("listed",): 40, ("gone",): 3}
    assert metrics["conv_analytics.lag"] == {(): 1}


def test_a_failed_run_is_a_failed_span(serve: Serve) -> None:
    sandbox, memory = serve(), Memory()
    name = broken_conversation(sandbox)
    with pytest.raises(ExportIncomplete):
        export(client_of(sandbox), rate=0, on_event=memory.listener)
    sandbox.script(lambda _: True, DENIED, times=-1)
    with pytest.raises(AuthError):
        export(client_of(sandbox), rate=0, on_event=memory.listener)
    incomplete, failed = memory.spans.get_finished_spans()
    assert incomplete.status.status_code is failed.status.status_code is StatusCode.ERROR
    assert [event.name for event in incomplete.events] == ["conversation_incomplete"]
    assert incomplete.events[0].attributes is not None
    assert incomplete.events[0].attributes["conversation"] == name
    assert PLANTED not in incomplete.to_json()
    assert [event.name for event in failed.events] == ["exception"]
    assert memory.metrics()["conv_analytics.conversations"]["incomplete",] == 1


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'conv-analytics\[otel\]'"):
        OpenTelemetry()


def test_the_command_line_passes_on_to_an_sdk_that_is_there(serve: Serve, tmp_path: Path) -> None:
    """As under `opentelemetry-instrument`, which sets the providers before the program begins."""
    code = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans = InMemorySpanExporter()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(tracers)
from conv_analytics.cli import main
code = main(sys.argv[1:])
print(code, *[span.name for span in spans.get_finished_spans()])
"""
    arguments = ["export", "out", *map(str, credentials(serve())), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["0 conv_analytics.export"], done.stderr
