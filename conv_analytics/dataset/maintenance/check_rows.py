"""Checks of the rows of a dataset: keys are unique, event ids have no gaps, watermarks are not too low."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

from conv_analytics.dataset.maintenance.check_files import quarantined
from conv_analytics.dataset.maintenance.finding import Level, first_few
from conv_analytics.dataset.maintenance.folder_state import FolderState
from conv_analytics.dataset.maintenance.key_scan import SHOWN, duplicate_keys, event_id_spans, missing_ids, unique_key
from conv_analytics.dataset.storage.commit import File
from conv_analytics.errors import CorruptFile
from conv_analytics.tables import TABLES

_REPEATED = "Look for files that were copied into the folder; without any, please report it with the commit log."


def check_keys(folder: FolderState) -> None:
    """No two rows have the same key."""
    before = len(folder.findings)
    for name, table in TABLES.items():
        key = unique_key(table)
        for where, files in _key_scopes(folder, name):
            paths = [folder.layout.file(file.path) for file in files]
            count, examples = duplicate_keys(paths, key, sum(file.rows for file in files), folder.replaced)
            if count:
                shown = first_few([" ".join(map(str, values)) for values in examples], SHOWN)
                what = f"{count:,} rows repeat the key ({', '.join(key)}) of another row, as {shown}"
                # Of rows as last seen, readers take one per key anyway: a list may shift while it is read.
                level = Level.ERROR if table.latest is None else Level.WARNING
                folder.add(level, what, where, _REPEATED if table.latest is None else "")
    folder.all_well(f"keys are unique in {len(folder.sound.keys() & TABLES.keys()):,} tables", before)


def _key_scopes(folder: FolderState, table: str) -> Iterator[tuple[str, Sequence[File]]]:
    """Files among which a key occurs once: for rows as last seen, those of one run."""
    files = folder.sound.get(table, [])
    if TABLES[table].latest is None:
        yield table, files
        return
    for commit in folder.commits:
        if mine := [file for file in commit.files if file in files]:
            yield f"{table} of commit {commit.number}", mine


def check_watermarks(folder: FolderState) -> None:
    """No event is above the watermark of its conversation: the next run would add it again."""
    if folder.unknown:
        return
    before = len(folder.findings)
    for name, table in TABLES.items():
        if not table.types and name != "events":
            continue
        spans = event_id_spans(folder.paths(name), folder.replaced)
        above = (each for each, span in sorted(spans.items()) if span.last > folder.watermarks.reached(each, 0))
        # Events above the watermark of a conversation that was not read to its end are looked up before more are added.
        # So are events from a webhook or a file.
        low = [each for each in above if not (mark := folder.watermarks.get(each)) or not (mark.unread or mark.live)]
        if low:
            what = f"{len(low):,} conversations have events above their watermark: {first_few(low)}"
            folder.add(Level.ERROR, what, name, "The next export would add them a second time; export to a new folder.")
    _add_unfinished(folder)
    folder.all_well(f"watermarks of {len(folder.watermarks):,} conversations are not below their events", before)


def _add_unfinished(folder: FolderState) -> None:
    """Add findings for events that the last runs know to be missing."""
    unread, pending = [], []
    for watermark in folder.watermarks.watermarks():
        unread += [watermark.conversation_id] if watermark.unread else []
        pending += [watermark.conversation_id] if watermark.pending_since is not None else []
    for names, what in (
        (unread, "{:,} conversations were not read to their end by the last run: {}"),
        (pending, "{:,} conversations end before the event that they named as their last: {}"),
    ):
        if names:
            message = what.format(len(names), first_few(names))
            folder.add(Level.WARNING, message, "", "The next export asks for the rest.")


def check_event_ids(folder: FolderState) -> None:
    """The event ids of each conversation have no gaps, except for events in the quarantine."""
    before, paths = len(folder.findings), folder.paths("events")
    spans = event_id_spans(paths, folder.replaced)
    gaps = {name: span.missing for name, span in spans.items() if span.missing > 0}
    lost = _lost_events(folder) if gaps else Counter()
    unexplained = {name: count for name, count in gaps.items() if count > lost[name]}
    if unexplained:
        largest = sorted(unexplained, key=lambda name: (-unexplained[name], name))[:SHOWN]
        ids = missing_ids(paths, {name: spans[name].last for name in largest})
        shown = [f"{name} ({_ids(ids[name], unexplained[name])})" for name in largest]
        rest = len(unexplained) - len(shown)
        what = f"{sum(unexplained.values()):,} event ids belong to no event, in {len(unexplained):,} conversations"
        conversations = ", ".join(shown) + (f" and {rest:,} more" if rest else "")
        advice = (
            "Normal for ephemeral events, which the API never stores, for events deleted before the export, and for"
            " webhooks of conversations that no list has any more, when they were not delivered."
        )
        folder.add(Level.WARNING, f"{what}: {conversations}", "events", advice)
    elif gaps:
        what = f"event ids of {len(spans):,} conversations have no gaps but for {sum(gaps.values()):,} in quarantine"
        folder.add(Level.OK, what)
    folder.all_well(f"event ids of {len(spans):,} conversations have no gaps", before)


def _lost_events(folder: FolderState) -> Counter[str]:
    """Events per conversation that are in the quarantine only."""
    lost: Counter[tuple[str, str]] = Counter()
    for commit in folder.commits:
        of_run: Counter[tuple[str, str]] = Counter()
        # A file that is missing or damaged has a finding already.
        with suppress(OSError, ValueError, RecursionError, CorruptFile):
            for record in quarantined(folder.layout, commit.quarantine) if commit.quarantine else ():
                if record.get("list") == "events" and not record.get("kept"):
                    raw = str(record.get("raw") or record.get("raw_base64"))
                    of_run[str(record.get("conversation_id")), raw] += 1
        # A full run reads them again; they do not fill a second gap.
        lost |= of_run
    result: Counter[str] = Counter()
    for (name, _), count in lost.items():
        result[name] += count
    return result


def _ids(first: list[int], count: int) -> str:
    return ", ".join(map(str, first)) + (", ..." if count > len(first) else "")
