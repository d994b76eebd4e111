"""A commit in a process of its own, to be killed at any request to its store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from conv_analytics.dataset import Commit, DatasetWriter
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.dataset.store import filesystem, probe  # noqa: F401  imported before processes fork
from conv_analytics.errors import DatasetError
from conv_analytics.tables import TABLES
from tests._helpers.fork_server import fork_server
from tests._helpers.table_rows import DAY, rows

NAMES = ("events", "hangups")
HEIGHT = 2


def write(root: Path, start: int) -> Commit:
    """Commit some rows and a quarantined record that no other start has."""
    writer = DatasetWriter(root, DAY, NAMES)
    try:
        met = []
        for name in NAMES:
            added = rows(TABLES[name], HEIGHT, start=start * HEIGHT)
            met += added["conversation_id"].to_pylist()
            writer.write(name, added)
        writer.quarantine([json.dumps({"start": start})])
        marks = [Watermark(name, 2**63 - 1) for name in dict.fromkeys(met)]
        return writer.commit(marks, {"start": start, "quarantined": 1, "selected": list(NAMES)})
    except DatasetError:
        writer.abandon()
        raise


def start_writing(root: Path, start: int, environment: Mapping[str, str]) -> BaseProcess:
    """The same in a process of its own."""
    process = fork_server().Process(target=_write, args=(root, start, dict(environment)), daemon=True)
    process.start()
    return process


def _write(root: Path, start: int, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    write(root, start)
