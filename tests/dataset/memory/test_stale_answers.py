"""Which answers of an interrupted run other commits make stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.memory.stale_answers import stale_paths
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, rows

MARKS = [Watermark("CON-1", None, live=True), Watermark("CON/2", None, live=True), Watermark("", None, live=True)]
PATHS = ["/v1/conversations/CON-1", "/v1/conversations/CON%2F2"]


def committed(root: Path, report: dict[str, Any], *tables: str) -> None:
    writer = DatasetWriter(root, DAY, TABLES)
    for name in tables:
        writer.write(name, rows(TABLES[name], 2))
    writer.commit(MARKS if "command" in report else [], report)


@pytest.mark.parametrize(
    ("report", "table", "stale"),
    [
        ({"command": "ingest"}, "events", PATHS),
        ({"command": "replay"}, "events", PATHS),
        ({"command": "coverage"}, "voice_calls", []),
        ({"command": "ingest"}, "users", None),
        ({"command": "ingest"}, "sessions", None),
        ({"command": "prune"}, "events", None),
        ({"command": "of a later version"}, "events", None),
        ({"listed": 3}, "events", None),
    ],
)
def test_what_each_command_makes_stale(
    report: dict[str, Any], table: str, stale: list[str] | None, tmp_path: Path
) -> None:
    committed(tmp_path, {"listed": 3}, "conversations")
    committed(tmp_path, report, table)
    history = list(commits(Layout(tmp_path)))
    assert stale_paths(Layout(tmp_path), history, 2) == stale
    # Not from there on.
    assert stale_paths(Layout(tmp_path), history, 3) is None
    assert stale_paths(Layout(tmp_path), history, 1) is None


def test_records_count_as_met_without_a_watermark(tmp_path: Path) -> None:
    committed(tmp_path, {"command": "ingest"}, "members")
    (commit,) = commits(Layout(tmp_path))
    found = stale_paths(Layout(tmp_path), [commit], 1)
    assert found is not None
    assert len(found) > len(PATHS)
    (tmp_path / commit.files[0].path).write_bytes(b"damaged")
    assert stale_paths(Layout(tmp_path), [commit], 1) is None
