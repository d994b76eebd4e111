"""Pages that show people are for the user who wrote them; what is masked has the mode of any new file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conv_analytics.errors import DestinationError
from conv_analytics.notebook.files import write
from conv_analytics.notebook.ladder import show_ladder
from conv_analytics.notebook.report import quality_report
from conv_analytics.notebook.timeline.timeline import show_timeline


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [True, False])
def test_without_a_mask_a_page_is_private(mask: bool, frames: Any, tmp_path: Path) -> None:
    conversation = str(frames["leg_statuses"]["conversation_id"].iloc[0])
    ladder = show_ladder(frames, conversation, mask=mask)
    timeline = show_timeline(frames, conversation, mask=mask)
    written = [ladder.save(tmp_path / "ladder.svg"), timeline.save(tmp_path / "call.html")]
    written.append(timeline.save_with(ladder, tmp_path / "both.html"))
    written += quality_report(frames, mask=mask).write(tmp_path / "report.html", timelines=frames)
    written += (tmp_path / "report-timelines").glob("*.html")
    assert len(written) > 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o644 if mask else 0o600}
    beside = stat.S_IMODE((tmp_path / "report-timelines").stat().st_mode)
    assert beside == (0o755 if mask else 0o700)


def test_a_file_that_was_readable_is_private_once_it_is_unmasked(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("masked")
    write(path, "not masked", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(DestinationError, match="Cannot write to"):
        write(tmp_path / "page.html", "text", private=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
