"""Compare a dataset folder with the API: one request per conversation that is listed, and nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from conv_analytics.api import Conversations
from conv_analytics.dataset.maintenance.finding import Finding, Level, first_few
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.commit import Commit, numbers, require_records
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.defaults import CONCURRENCY, RATE
from conv_analytics.errors import APIError, CorruptFile, NotFound
from conv_analytics.exporter.application_checks import require_same_application
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.folder_checks import require_same_mask
from conv_analytics.exporter.journalled_client import RawClient
from conv_analytics.exporter.masked_client import MaskedClient
from conv_analytics.exporter.options import MAX_CONSECUTIVE_FAILURES, Options
from conv_analytics.exporter.pacing.pacer import Pacer
from conv_analytics.exporter.summaries import Summary, is_empty, summary_of
from conv_analytics.privacy import Mask
from conv_analytics.privacy.identifiers import opaque
from conv_analytics.resources import endpoints
from conv_analytics.resources.cells import Unreadable, instant
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables.pages import records

#: The clocks of this machine and of the API may differ this much unnoticed.
_CLOCK_TOLERANCE = timedelta(minutes=5)

_NEXT = "Run the export again: it fetches them."


@dataclass
class Audit:
    """The differences between the API and a folder, by conversation."""

    listed: int = 0
    """Conversations that the API lists."""
    equal: int = 0
    """Conversations with the same last event in both."""
    expired: int = 0
    """Listed conversations that were gone when requested, and those of the folder no longer listed; both are normal."""
    newer_in_api: list[str] = field(default_factory=list)
    """Conversations with later events than the folder has."""
    newer_in_folder: list[str] = field(default_factory=list)
    """Conversations of which the folder has later events than the API."""
    new: list[str] = field(default_factory=list)
    """Not in the folder, and newer than every complete run."""
    missing: list[str] = field(default_factory=list)
    """Not in the folder, although older than a complete run."""
    unread: list[str] = field(default_factory=list)
    """Not read to their end by the last run that requested them."""
    not_compared: dict[str, str] = field(default_factory=dict)
    """Conversations that could not be compared, with the reason."""

    def findings(self) -> Iterator[Finding]:
        """The audit as findings, one sentence each."""
        what = f"{self.equal:,} of {self.listed:,} conversations listed end where the folder's end"
        yield Finding(Level.OK, f"{what}; {self.expired:,} expired", "API")
        for level, names, text, advice in (
            (Level.WARNING, self.newer_in_api, "{:,} conversations have later events than the folder", _NEXT),
            (Level.WARNING, self.unread, "{:,} conversations were not read to their end by the last run", _NEXT),
            (Level.WARNING, self.new, "{:,} conversations are not in the folder yet", _NEXT),
            (
                Level.ERROR,
                self.missing,
                "{:,} conversations are not in the folder, though older than a complete run",
                "Run the export again, and this check after it.",
            ),
            (
                Level.ERROR,
                self.newer_in_folder,
                "{:,} conversations end before the folder's last event",
                "Is it the folder of another application or host?",
            ),
            (
                Level.ERROR,
                [f"{name} ({why})" for name, why in self.not_compared.items()],
                "{:,} conversations could not be compared",
                "Repeat the check.",
            ),
        ):
            if names:
                yield Finding(level, f"{text.format(len(names))}: {first_few(sorted(names))}", "API", advice)


def audit(
    client: Conversations,
    folder: Path,
    *,
    concurrency: int = CONCURRENCY,
    rate: float = RATE,
    mask: Mask | None = None,
) -> Audit:
    """Compare the last event of every conversation that the API lists with the folder's.

    Parameters
    ----------
    client
        A client of the application that was exported to the folder.
    folder
        The dataset.
    concurrency, rate
        As for `export`.
    mask
        The mask that a masked folder was exported with. Without it, conversations whose ids are encrypted there cannot
        be compared; most ids are not.

    Raises
    ------
    ConfigError
        If the folder belongs to another application, or has another mask.
    APIError
        If the list cannot be read, or nothing else can after it.
    DatasetError
        If the folder has lost its commit records.
    """
    chosen = Options.checked("audit", {"concurrency": concurrency, "rate": rate})
    history = _readable(folder)
    require_same_application(folder, client, history)
    if mask is not None:
        require_same_mask(folder, mask.settings())
    masked = any(commit.report.get("mask") for commit in with_carried(history))
    with closing(WatermarkIndex(Path(folder))) as watermarks:
        for commit in history:
            # `verify` reports damaged commits.
            with suppress(CorruptFile):
                watermarks.add(commit)

        async def main() -> Audit:
            pacer = Pacer(chosen.rate, chosen.concurrency)
            bulk = client.bulk(gate=pacer, on_event=pacer.observe)
            async with bulk:
                auditor = _Auditor(bulk if mask is None else MaskedClient(bulk, mask), history, watermarks)
                auditor.encrypted_ids = masked and mask is None
                return await auditor.run(chosen.concurrency, chosen.page_size)

        return run_blocking(main)


class _Auditor:
    def __init__(self, client: RawClient, history: Sequence[Commit], watermarks: WatermarkIndex) -> None:
        self._client, self._history, self._watermarks = client, history, watermarks
        self._failures = 0
        self.encrypted_ids = False
        """Whether the folder has some ids under tokens that cannot be made here."""
        self.audit = Audit()

    async def run(self, concurrency: int, page_size: int) -> Audit:
        """Request and compare every conversation."""
        listed = await self._list(page_size)
        self.audit.listed = len(listed)
        self.audit.expired = len(self._watermarks) - sum(name in self._watermarks for name in listed)
        waiting = iter(listed)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._work(waiting))
        except BaseExceptionGroup as errors:
            # The first failure is the cause; the others are tasks that it cancelled.
            raise errors.exceptions[0] from None
        return self.audit

    async def _list(self, page_size: int) -> list[str]:
        """The ids of all conversations, each once."""
        listed: dict[str, None] = {}
        async for page in self._client.raw_pages(endpoints.list_all_conversations(page_size=page_size)):
            if page.warning:
                self.audit.not_compared["the list"] = page.warning
            for record in records(page.body, "conversations"):
                if (name := summary_of(record).record_id) is None:
                    if not is_empty(record):
                        self.audit.not_compared["the list"] = "it has a record without an id that can be read"
                elif self.encrypted_ids and not opaque(name):
                    self.audit.not_compared[name] = "the folder has its id encrypted; give --mask and its key"
                elif fits_path(name):
                    listed[name] = None
                else:
                    self.audit.not_compared[ascii(name)] = "its id cannot be part of a URL path"
        return list(listed)

    async def _work(self, waiting: Iterator[str]) -> None:
        for conversation_id in waiting:
            try:
                self._compare(
                    conversation_id, summary_of(await self._client.raw(endpoints.get_conversation(conversation_id)))
                )
                self._failures = 0
            except NotFound:
                self.audit.expired += 1
            except APIError as error:
                self.audit.not_compared[conversation_id] = str(error)
                self._failures += 1
                if self._failures >= MAX_CONSECUTIVE_FAILURES:
                    # The API is down, not the conversations.
                    raise

    def _compare(self, conversation_id: str, conversation: Summary) -> None:
        watermark, last = self._watermarks.get(conversation_id), conversation.last_event
        stored = watermark and watermark.last_event
        if watermark is not None and watermark.sequence_number is not None and watermark.pending_since is None:
            # The API never lists the events in between.
            stored = max(stored or 0, watermark.sequence_number)
        if last is None:
            self.audit.not_compared[conversation_id] = "the API does not tell its last event"
        elif stored is None:
            (self.audit.missing if self._expected(conversation.created) else self.audit.new).append(conversation_id)
        elif watermark is not None and watermark.unread:
            self.audit.unread.append(conversation_id)
        elif stored == last:
            self.audit.equal += 1
        else:
            (self.audit.newer_in_api if stored < last else self.audit.newer_in_folder).append(conversation_id)

    def _expected(self, created: datetime | None) -> bool:
        """Whether a complete run covered conversations of this age."""
        if created is None:
            return False
        return any(
            run.get("status") == "complete"
            and created + _CLOCK_TOLERANCE < (_instant(run.get("started_at")) or created)
            and (run.get("since") is None or created >= (_instant(run["since"]) or created))
            and (run.get("until") is None or created < (_instant(run["until"]) or created))
            for run in (commit.report for commit in with_carried(self._history))
        )


def _instant(text: object) -> datetime | None:
    try:
        return instant(text)
    except Unreadable:
        return None


def _readable(folder: Path) -> list[Commit]:
    """The readable commits of a folder; `verify` reports the damaged ones."""
    layout, history = Layout(folder), []
    require_records(layout)
    for number in numbers(layout):
        with suppress(CorruptFile):
            history.append(Commit.read(layout.commit(number)))
    return history
