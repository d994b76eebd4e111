"""`coverage`: the Voice API's call list against a folder, leg by leg."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.maintenance.replay import selected_tables
from conv_analytics.dataset.snapshot import Snapshot
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.quarantine import LINES, to_text
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.defaults import CONCURRENCY, RATE
from conv_analytics.exporter.application_checks import Client, require_same_application
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.coverage.hosts import Hosts, Log, connected
from conv_analytics.exporter.coverage.matching import TABLE, Matching
from conv_analytics.exporter.coverage.result import Coverage, frame_of, shares_of
from conv_analytics.exporter.coverage.window import COMMAND, Window, last_export, window_of
from conv_analytics.exporter.folder_checks import commit_finished_runs, require_same_mask
from conv_analytics.exporter.options import ExportOptions, Options
from conv_analytics.instants import utc_text
from conv_analytics.privacy import Mask
from conv_analytics.time_zones import zone_info

#: Maximum legs in a result that only the folder has.
EXTRA_SHOWN = 1000


def coverage(
    client: Client,
    folder: str | Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    base_urls: Sequence[str] = (),
    tz: str = "UTC",
    mask: Mask | None = None,
    concurrency: int = CONCURRENCY,
    rate: float = RATE,
) -> Coverage:
    """Compare the Voice API's call list with a folder: which calls it has, which it lacks, and why.

    The lists that an export reads do not have most calls: a *transient* conversation cannot be read once it has ended.
    Only the call list shows what is missing, and only for some days: run this daily, after the export.

    The result is stored in the folder's table ``voice_calls``. A leg that could not be judged, because it had not
    ended or was for the next export to read, is checked again by the next run.

    Parameters
    ----------
    client
        A client of the application that was exported to the folder.
    folder
        The folder.
    since, until
        Calls from this instant on, and before that one. By default from where the last run ended, or the last 24 hours,
        and until ten minutes ago. [UTC where they have no zone]
    base_urls
        Further hosts whose lists are read: as far as is known, a call is only in the list of its own region.
    tz
        Time zone of the days of `Coverage.shares`.
    mask
        The mask of a masked folder.
    concurrency, rate
        As for `export`: the API takes 15 requests per second.

    Returns
    -------
    Coverage
        ``.share``, ``.counts``, ``.shares`` by day, direction and channel, and ``.missing``, leg by leg. What could not
        be read is in ``.incomplete``.

    Raises
    ------
    ConfigError
        If an argument is wrong, or the folder has no table with the ends of legs.
    APIError
        If nothing could be read at all.
    DatasetError
        If the folder holds no export or cannot be written.

    Examples
    --------
    >>> coverage(client, "exports").sentence()  # doctest: +SKIP
    '2026-11-20T00:00Z to 2026-11-21T00:00Z: the folder has 812 of 1,190 legs of the call list, 68.24 % (65.53 % ...'
    """
    given: ExportOptions = {"since": since, "until": until, "concurrency": concurrency, "rate": rate, "mask": mask}
    chosen = Options.checked(COMMAND, given, ExportOptions)
    zone_info(tz)
    return _Run(client, dataset_folder(folder), chosen, list(base_urls), tz).run()


class _Run:
    def __init__(self, client: Client, root: Path, chosen: Options, base_urls: list[str], zone: str) -> None:
        self._client, self._root, self._chosen, self._base_urls, self._zone = client, root, chosen, base_urls, zone
        self._begin, self._started = time.monotonic(), datetime.now(UTC)
        self._log = Log()

    def run(self) -> Coverage:
        """Read, match, keep."""
        # A wrong folder is refused before it is written to.
        open_dataset(self._root)
        commit_finished_runs(self._root)
        require_same_application(self._root, self._client)
        require_same_mask(self._root, self._chosen.mask_settings)
        writer = DatasetWriter(self._root, self._started.date(), (TABLE.name,))
        try:
            # Again, now that the lock keeps other writers out.
            require_same_application(self._root, self._client)
            require_same_mask(self._root, self._chosen.mask_settings)
            dataset = Snapshot.open(self._root)
            reports = [commit.report for commit in with_carried(dataset.commits)]
            window = window_of(self._chosen.since, self._chosen.until, self._started, reports)
            exported = last_export(reports) or {}
            exported_at = datetime.fromisoformat(exported["started_at"]) if exported else None
            with Matching(dataset, window, exported_at, self._started) as matching:
                run_blocking(lambda: self._read(matching, window, int(exported.get("listed") or 0)))
                matching.classify()
                for rows in matching.rows():
                    writer.write(TABLE.name, rows)
                found = self._coverage(matching, window)
            writer.quarantine([to_text(each, self._started) for each in self._log.broken])
            found.seconds = time.monotonic() - self._begin
            found.commit = writer.commit((), self._report(dataset, found)).number
        except BaseException:
            writer.abandon()
            raise
        return found

    async def _read(self, matching: Matching, window: Window, listed: int) -> None:
        """Send all requests to the API."""
        async with connected(self._client, self._base_urls, self._chosen, self._log) as each:
            hosts = Hosts(each, matching, self._log, self._started, concurrency=self._chosen.concurrency)
            await hosts.list_calls(window)
            matching.settle()
            await hosts.renew(matching.running())
            matching.match()
            await hosts.look_for(listed)

    def _coverage(self, matching: Matching, window: Window) -> Coverage:
        extra, legs = matching.not_listed(EXTRA_SHOWN)
        log = self._log
        return Coverage(
            window.since,
            window.until,
            shares_of(matching.counts(self._zone)),
            frame_of(matching.missing()),
            extra,
            frame_of(legs),
            incomplete=log.incomplete,
            requests=log.requests,
            retries=log.retries,
            quarantined=len(log.broken),
        )

    def _report(self, dataset: Snapshot, found: Coverage) -> Mapping[str, Any]:
        """The report of the commit; it is not an export's, so no night is compared with it."""
        why = "; ".join(f"{what}: {reason}" for what, reason in found.incomplete.items())
        report: dict[str, Any] = {
            "command": COMMAND,
            "status": "checked",
            "started_at": utc_text(self._started),
            "since": utc_text(found.since),
            "until": utc_text(found.until),
            "requests": found.requests,
            "retries": found.retries,
            "seconds": round(found.seconds, 3),
            "selected": list(selected_tables(dataset)),
            "incomplete": found.incomplete,
            "warning": f"not read to the end: {why}" if why else None,
            COMMAND: {**found.to_dict(), "read_until": utc_text(self._log.read_until or found.until)},
        }
        if found.quarantined:
            report[LINES] = found.quarantined
        if self._chosen.mask is not None:
            report["mask"] = self._chosen.mask_settings
        return report
