"""The world that issue and README speak of: 2,000 conversations, about 130,000 events, everything switched on."""

from __future__ import annotations

from pathlib import Path

import pytest

from conv_analytics.exporter import export
from conv_analytics.sandbox import Sandbox
from tests._helpers.sandboxes import FAULTS, agree, client_of, contents_of

pytestmark = pytest.mark.slow


# The shape of a page is that of each page: a tenth of the world has hundreds of them.
@pytest.mark.parametrize(("shape", "conversations"), [("object", 2000), ("list", 200)])
def test_every_count_and_sum_of_a_large_world(shape: str, conversations: int, tmp_path: Path) -> None:
    options = {"quirks": True, "broken": 0.005, "faults": FAULTS}
    with Sandbox(seed=7, conversations=conversations, events_shape=shape, **options) as sandbox:  # type: ignore[arg-type]
        result = export(client_of(sandbox), tmp_path, rate=0)
        truth = sandbox.truth()
    assert truth.events > 65 * conversations
    assert result.report.retries > 0
    agree(contents_of(result), truth)
