"""`conv-analytics export`: from the API to a folder of Parquet files."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.exits import Exit, disk_failed
from conv_analytics.cli.export_applications import export_all
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.masking import add_mask, mask_of
from conv_analytics.cli.output import note, say, say_json
from conv_analytics.cli.reading import CREDENTIALS, TIMES, add_reading, reading
from conv_analytics.cli.source import add_connection, add_pace, check_pace, client_of
from conv_analytics.errors import ConfigError, DestinationError, ExportIncomplete, NotFound

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.dataset import Commit
    from conv_analytics.exporter.progress import Listener, Progress
    from conv_analytics.exporter.report import Report
    from conv_analytics.exporter.results import Exported
    from conv_analytics.exporter.run_events import Observer

_DESCRIPTION = """\
Export every conversation, member and event of an application to a folder of Parquet files, one subfolder per table.
Run it again with the same folder to add what is new: only events after the last known ones are requested.
"""

_EPILOG = f"""\
{TIMES}
{CREDENTIALS}
examples:
  conv-analytics export exports/
  conv-analytics export exports/ --since 7d --base-url eu
  conv-analytics export exports/ --lookback 7d
  conv-analytics export masked/ --mask text=drop --mask-key-file mask.key
  conv-analytics export calls/ --tables conversations,hangups,call_records --json
  conv-analytics export all/ --config applications.toml --parallel 2
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "export", help="export an application to a folder", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder to write to; created if it does not exist")
    add_work(command)
    add_reading(command.add_argument_group("what"))
    add_mask(command.add_argument_group("privacy"))
    whence = command.add_argument_group("from where")
    add_connection(whence)
    whence.add_argument("--config", metavar="FILE", help="export the applications that a TOML file names")
    whence.add_argument(
        "--parallel", metavar="N", type=int, default=1, help="with --config, applications at a time, within --rate (1)"
    )
    how = command.add_argument_group("how")
    add_pace(how)
    how.add_argument(
        "--processes",
        metavar="N",
        type=int,
        help="2: convert what is downloaded in a process of its own; 1: do not (2 where two processors may be used)",
    )
    how.add_argument("--allow-empty", action="store_true", help="accept far fewer events than in earlier nights")
    how.add_argument("--json", action="store_true", help="print one JSON object instead of the report")
    how.add_argument("--quiet", action="store_true", help="show no progress")
    return command


def run(options: argparse.Namespace) -> int:
    """Export, and print the report."""
    dest, read_options = folder(options.dest, work=options.work), reading(options)
    check_pace(options)
    if options.config is not None:
        return export_all(options, dest, read_options)
    if options.parallel != 1:
        raise ConfigError("--parallel is for --config: one application is one run.")
    mask = mask_of(options)

    from conv_analytics.exporter.entry import export

    with client_of(options) as client:
        watch = _Watch(quiet=options.quiet)
        before = last_commit(dest)
        try:
            exported = export(
                client,
                dest,
                **read_options,
                progress=watch,
                on_event=telemetry(),
                allow_empty=options.allow_empty,
                processes=options.processes,
                mask=mask,
            )
        except ExportIncomplete as incomplete:
            show(incomplete.report, as_json=options.json)
            _show_ingested(incomplete.result, as_json=options.json)
            raise
        except NotFound as error:
            # The list itself answered 404: a conversation that is gone does not end a run.
            raise ConfigError(
                f"{error.method} {error.url} answered 404. Is base_url= the host of the Conversation API?"
            ) from error
        except (DestinationError, OSError) as error:
            if options.json and disk_failed(error):
                say_json(watch.summary())
            raise
        except KeyboardInterrupt:
            _report_interrupted(before, last_commit(dest), watch, as_json=options.json)
            raise
    show(exported.report, as_json=options.json)
    _show_ingested(exported, as_json=options.json)
    return Exit.COMPLETE


def show(report: Report, *, as_json: bool) -> None:
    """Print a report, as text or as JSON."""
    if as_json:
        say_json(report.summary())
    else:
        say(str(report))


def _show_ingested(exported: Exported | None, *, as_json: bool) -> None:
    if exported is not None and exported.ingested is not None and not as_json:
        say(f"live {exported.ingested}")


def last_commit(folder: Path) -> Commit | None:
    """The newest commit of a folder, if there is one."""
    from conv_analytics.dataset.storage.commit import Commit, numbers
    from conv_analytics.dataset.storage.layout import Layout

    layout = Layout(folder)
    commits = numbers(layout)
    return Commit.read(layout.commit(commits[-1])) if commits else None


def progress_listener() -> Listener:
    """The listener that shows progress on standard error, if there is one."""
    from conv_analytics.exporter.progress import default_listener, silent

    return silent if sys.stderr is None else default_listener(sys.stderr)


def telemetry() -> Observer | None:
    """The observer that reports to OpenTelemetry, if `opentelemetry-instrument` started this program."""
    if "opentelemetry.sdk" not in sys.modules:
        return None
    from conv_analytics.exporter.otel import OpenTelemetry

    return OpenTelemetry()


class _Watch:
    """Passes progress on and remembers the latest, in case the run ends without a report."""

    def __init__(self, *, quiet: bool) -> None:
        self._show = None if quiet else progress_listener()
        self._last: Progress | None = None
        self._begin = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        if self._show is not None:
            self._show(progress)

    def summary(self) -> Mapping[str, Any]:
        """The summary of a run that committed nothing."""
        from conv_analytics.exporter.report import Report

        last, report = self._last, Report(interrupted=True, seconds=time.monotonic() - self._begin)
        if last is not None:
            report.requests, report.retries = last.requests, last.retries
        return report.summary()


def _report_interrupted(before: Commit | None, now: Commit | None, watch: _Watch, *, as_json: bool) -> None:
    """Print what an interrupted run committed; it is read from the commit, because the run returned no report."""
    if now is None or (before is not None and now.number == before.number):
        note("Nothing was committed yet; what was read is kept. Run the same command again to go on.")
        if as_json:
            say_json(watch.summary())
        return
    from conv_analytics.exporter.report import Report

    values = {name: value for name, value in now.report.items() if name in Report.__dataclass_fields__}
    report = Report(**values)
    report.commit = now.number
    if as_json:
        say_json({**report.summary(), "gone": now.report["gone_count"]})
    else:
        say(str(report))
