"""What all processes of the tests fork from: it has imported everything, so they begin in milliseconds.

A process has one fork server, which imports what it is told at its start and never more. A list for each helper would
leave most of them with processes that import pandas and Arrow again, a second of processor time each.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

_PRELOADED = [
    "conv_analytics.exporter.ingestion",
    "tests._helpers.command_line",
    "tests._helpers.killed_commit",
    "tests._helpers.killed_export",
    "tests._helpers.killed_ingest",
    "tests._helpers.listeners",
    "tests._helpers.forked",
]
_ROOT = Path(__file__).parents[2]


@cache
def fork_server() -> ForkServerContext:
    """The context whose processes fork from it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    # The server looks for modules where it is started, and says nothing if there are none.
    with contextlib.chdir(_ROOT):
        forkserver.ensure_running()
    return context
