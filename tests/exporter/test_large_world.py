"""A world of hundreds of conversations and tens of thousands of events, everything switched on.

The benchmarks have the 2,000 conversations that the README speaks of; ``LARGE_WORLD=2000`` has them here, too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conv_analytics.exporter import export
from conv_analytics.sandbox import Sandbox
from tests._helpers.sandboxes import FAULTS, agree, client_of, contents_of

pytestmark = pytest.mark.slow

#: Enough for several batches, and for a process that converts them; more on request. [conversations]
LARGE = int(os.environ.get("LARGE_WORLD", "500"))


# The shape of a page is that of each page: a part of the world has hundreds of them.
@pytest.mark.parametrize(("shape", "conversations"), [("object", LARGE), ("list", 200)])
def test_every_count_and_sum_of_a_large_world(shape: str, conversations: int, tmp_path: Path) -> None:
    options = {"quirks": True, "broken": 0.005, "faults": FAULTS}
    with Sandbox(seed=7, conversations=conversations, events_shape=shape, **options) as sandbox:  # type: ignore[arg-type]
        result = export(client_of(sandbox), tmp_path, rate=0)
        truth = sandbox.truth()
    assert truth.events > 65 * conversations
    assert result.report.retries > 0
    agree(contents_of(result), truth)
