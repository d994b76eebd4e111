"""`conv-analytics export ROOT --config FILE`: several applications, each to a folder of its own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.exits import Exit, exit_of
from conv_analytics.cli.formats import table
from conv_analytics.cli.masking import mask_of
from conv_analytics.cli.output import as_flags, say, say_json
from conv_analytics.errors import ConfigError, ConvAnalyticsError, redact

if TYPE_CHECKING:
    from pathlib import Path

    from conv_analytics.api import Conversations
    from conv_analytics.exporter.application_configs import ApplicationConfig
    from conv_analytics.exporter.applications import ApplicationExport
    from conv_analytics.exporter.options import ReadOptions

#: Worst last: what a person has to change counts more than what the next run repairs.
_SEVERITY = (Exit.COMPLETE, Exit.LOCKED, Exit.UNAVAILABLE, Exit.INCOMPLETE, Exit.USAGE, Exit.BUG)


def export_all(options: argparse.Namespace, root: Path, read_options: ReadOptions) -> int:
    """Export the applications of a file; print how each ended, and return the worst exit code."""
    for name in ("application_id", "private_key", "base_url"):
        if getattr(options, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag} is for one application; with --config, write it into {options.config}.")

    from conv_analytics.exporter.applications import export_applications

    def connect(application: ApplicationConfig) -> Conversations:
        from conv_analytics.api import Conversations, Retry

        return Conversations(
            application.id,
            application.private_key.reveal(),
            base_url=application.host,
            retries=Retry(repeats=options.retries, max_retry_after_s=options.max_retry_after or None),
            timeout=options.timeout,
        )

    exports = export_applications(
        root,
        options.config,
        parallel=options.parallel,
        connect=connect,
        **read_options,
        progress=None if options.quiet else "auto",
        allow_empty=options.allow_empty,
        processes=options.processes,
        mask=mask_of(options),
    )
    code = max((_exit_of(each) for each in exports), key=_SEVERITY.index)
    if options.json:
        say_json({"exit_code": int(code), "applications": [_summary(each) for each in exports]})
    else:
        _show(exports)
    return code


def _exit_of(application_export: ApplicationExport) -> Exit:
    if application_export.error is None:
        return Exit.COMPLETE
    return exit_of(application_export.error) if isinstance(application_export.error, ConvAnalyticsError) else Exit.BUG


def _why(application_export: ApplicationExport) -> str | None:
    error = application_export.error
    if error is None:
        return None
    message = str(error) if isinstance(error, ConvAnalyticsError) else f"{type(error).__name__}: {redact(str(error))}"
    return " ".join(as_flags(message).split())


def _summary(application_export: ApplicationExport) -> dict[str, Any]:
    from conv_analytics.dataset.storage.layout import Layout

    report = {} if application_export.exported is None else dict(application_export.exported.report.summary())
    own = {
        "application_id": application_export.application.id,
        "name": application_export.application.name,
        "folder": Layout(application_export.folder).name,
    }
    return {
        **own,
        **report,
        "status": application_export.status,
        "exit_code": int(_exit_of(application_export)),
        "error": _why(application_export),
    }


def _show(exports: list[ApplicationExport]) -> None:
    import pandas as pd

    rows = []
    for each in exports:
        report = None if each.exported is None else each.exported.report
        rows.append({
            "application": each.application.label,
            "status": each.status,
            "listed": report and report.listed,
            "new events": report and report.events,
            "requests": report and report.requests,
            "exit": int(_exit_of(each)),
        })  # fmt: skip
    counts = ["listed", "new events", "requests"]
    say(table(pd.DataFrame(rows).astype(dict.fromkeys(counts, "Int64")), "text"))
    for each in exports:
        if (why := _why(each)) is not None:
            say(f"{each.application.label}: {why}")
