"""Which answers of an interrupted run no longer hold, because other runs have committed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conv_analytics.dataset.storage.batches import read_batches
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.report_schema import CARRIED
from conv_analytics.errors import CorruptFile
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables import TABLES

#: Runs that request nothing, and only add what was received or was in the quarantine.
_ADDING = frozenset({"ingest", "replay"})
#: Runs that add nothing that an export writes.
_APART = frozenset({"coverage"})
_OWNER = "conversation_id"
_ROWS = 65_536


def stale_paths(layout: Layout, history: Sequence[Commit], first: int) -> list[str] | None:
    """The paths of the API below which answers are stale; None if all of them are.

    - After an `ingest` or a `replay`, those about the conversations that it met: something happened there that the
      answers may not know, and the watermark that follows from them would end the note (``live``) that the next export
      has to request the conversation. Its records of conversations and members may be newer than the answers, too, and
      of two runs the later one's count. What the API says about other conversations does not depend on the folder.
    - After a `coverage`, none: it writes a table of its own, and no watermark.
    - After anything else, all. Another export has read further, perhaps on another machine. A prune has removed what an
      answer would bring back. Users and sessions that were ingested may be newer than the answers.

    Parameters
    ----------
    layout
        The folder.
    history
        Its commits, oldest first.
    first
        The number of the first commit since the answers.
    """
    since = [commit for commit in history if commit.number >= first]
    if not since or since[0].number != first or any(CARRIED in commit.report for commit in since):
        return None
    met: set[str] = set()
    for commit in since:
        command = commit.report.get("command")
        if command in _APART:
            continue
        if command not in _ADDING or {file.table for file in commit.files if file.rows} - _owned():
            return None
        try:
            met.update(_conversations(layout, commit))
        except CorruptFile:
            # Losing answers costs requests; the file is named by whoever needs its rows.
            return None
    return [endpoints.get_conversation(each).path for each in sorted(met) if fits_path(each)]


def _owned() -> set[str]:
    """The tables whose rows belong to conversations."""
    return {name for name, table in TABLES.items() if _OWNER in table.schema.names}


def _conversations(layout: Layout, commit: Commit) -> Iterator[str]:
    """The conversations that a run met: those of its watermarks, and of its records of conversations and members."""
    for watermark in commit.read_watermarks(layout.root):
        yield watermark.conversation_id
    for file in commit.files:
        if file.rows and TABLES[file.table].latest is not None:
            for batch in read_batches(layout.file(file.path), [_OWNER], _ROWS):
                yield from filter(None, batch[_OWNER].to_pylist())


__all__ = ["stale_paths"]
