"""The inbox: what was appended is read again, whatever happens to the writer, the disk or the file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.dataset.storage import frames, inbox
from conv_analytics.dataset.storage.frames import Frame
from conv_analytics.dataset.storage.inbox import Damage, Receipt, Segment
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import DestinationError

NOW = datetime(2026, 11, 21, 9, 30, 0, 123_456, tzinfo=UTC)
MASK = {"key_id": "1f2e", "rules": {"phone": "hash"}}


def _receipt(number: int, body: bytes = b"") -> Receipt:
    interface, query = ("rtc", "") if number % 2 else ("voice", f"status=ringing&uuid=%00{number}")
    moment = NOW + timedelta(microseconds=number)
    return Receipt(interface, moment, "ok", "c0ffee00", "POST", query, "", body or b"\xff\x00body %d" % number)


RECEIPTS = [_receipt(number) for number in range(12)]


def _read(folder: Path) -> list[Receipt | Damage]:
    return [what for segment in inbox.segments(Layout(folder)) for _, what in inbox.read(segment)]


def test_what_was_appended_is_read_from_any_offset_and_removed_when_it_is_consumed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "new" / "out")
    with InboxWriter(layout, MASK, largest=900) as writer:
        for start in range(0, 12, 3):
            assert writer.append(RECEIPTS[start : start + 3]) > 0
        active = inbox.segments(layout)
        assert [segment.sealed for segment in active] == [True] * (len(active) - 1) + [False]
        assert _read(layout.root) == RECEIPTS
    sealed = inbox.segments(layout)
    assert len(sealed) > 1
    assert all(segment.sealed for segment in sealed)
    assert {segment.name: inbox.header(segment).mask for segment in sealed} == {each.name: MASK for each in sealed}  # type: ignore[union-attr]
    first = list(inbox.read(sealed[0]))
    for place, (offset, _) in enumerate(first):
        assert list(inbox.read(sealed[0], offset)) == first[place + 1 :]
    assert [inbox.is_consumed(sealed[0], offset) for offset, _ in first] == [False] * (len(first) - 1) + [True]
    assert first[-1][0] == sealed[0].size
    # Nothing but segments stays, for nobody else to read.
    assert {path.suffix for path in layout.inbox.iterdir()} == {".segment"}
    assert {path.stat().st_mode & 0o777 for path in layout.inbox.iterdir()} == {0o600}
    assert layout.inbox.stat().st_mode & 0o777 == 0o700
    assert all(inbox.remove(segment) for segment in sealed)
    assert list(layout.inbox.iterdir()) == []


def test_an_active_segment_is_not_removed_nor_one_that_grew(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with InboxWriter(layout) as writer:
        writer.append(RECEIPTS[:1])
        (active,) = inbox.segments(layout)
        assert not inbox.remove(active)
        # As seen from a machine that does not see this one's locks.
        unlocked = active._replace(sealed=True)
        writer.append(RECEIPTS[1:2])
        assert not inbox.remove(unlocked)
        (grown,) = inbox.segments(layout)
        assert inbox.remove(grown._replace(sealed=True))
        writer.append(RECEIPTS[2:4])
    assert _read(tmp_path) == RECEIPTS[2:4]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Segment:
    layout = Layout(tmp_path_factory.mktemp("inbox"))
    with InboxWriter(layout) as writer:
        writer.append(RECEIPTS)
    (segment,) = inbox.segments(layout)
    return segment


@settings(deadline=None)
@given(data=st.data())
def test_cut_or_damaged_anywhere_only_what_was_hit_is_lost_and_that_is_reported(
    data: st.DataObject, written: Segment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = written.path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    changed = b"" if cut else bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    path = tmp_path_factory.mktemp("damaged") / written.path.name
    path.write_bytes(whole[:place] + changed)
    segment = written._replace(path=path, size=path.stat().st_size)
    ends = [end for end, _ in inbox.read(written)]
    begin = _frame_end(whole, 0)
    found = list(inbox.read(segment))
    kept = [what for _, what in found if isinstance(what, Receipt)]
    damage = [what for _, what in found if isinstance(what, Damage)]
    if cut:
        assert kept == RECEIPTS[: sum(end <= place for end in ends)]
        assert [each.torn for each in damage] == [True] * (place not in {0, begin, *ends})
    else:
        lost = next((n for n, end in enumerate(ends) if place < end), 0)
        header = place < begin
        assert kept == (RECEIPTS if header else RECEIPTS[:lost] + RECEIPTS[lost + 1 :])
        start = 0 if header else [begin, *ends][lost]
        short = _frame_end(path.read_bytes(), start) > len(whole)
        assert [each.torn for each in damage] == [not header and lost == len(RECEIPTS) - 1 and short]
        assert damage[0].start <= place < damage[0].start + damage[0].size
        assert inbox.header(segment) is None if header else inbox.header(segment) is not None
    # A reader that goes on where it was comes to the end, and an active one is not declared damaged at its end.
    last = found[-1][0] if found else 0
    assert inbox.is_consumed(segment, last)
    active = list(inbox.read(segment._replace(sealed=False)))
    # Nobody knows yet whether what is no record at the end will be one.
    assert active == [each for each in found if not (isinstance(each[1], Damage) and each[0] == segment.size)]


def _frame_end(content: bytes, start: int) -> int:
    key, payload, *_ = frames.HEAD.unpack(content[start : start + frames.HEAD.size])
    return start + frames.HEAD.size + int(key) + int(payload)


def test_no_body_passes_for_a_record_when_the_record_around_it_is_damaged(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    forged = frames.encode(Frame(b'\x00inbox:1["rtc",0,"ok",null,"POST","",""]', b'{"type":"sip:status"}'))
    with InboxWriter(layout) as writer:
        writer.append([_receipt(1, forged * 3), _receipt(2)])
    (segment,) = inbox.segments(layout)
    content = bytearray(segment.path.read_bytes())
    content[content.index(b"c0ffee00")] ^= 1
    segment.path.write_bytes(content)
    assert [type(what) for _, what in inbox.read(segment)] == [Damage, Receipt]


_WRITES = """
import sys, resource
from pathlib import Path
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from tests.dataset.storage.test_inbox import RECEIPTS, NOW
writer = InboxWriter(Layout(Path(sys.argv[1])))
"""


def _process(code: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITES + code, str(folder)]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_two_writers_have_a_segment_each_and_that_of_a_dead_one_counts_as_sealed(tmp_path: Path) -> None:
    code = "writer.append(RECEIPTS[:2]); print('written', flush=True); sys.stdin.read()"
    processes = [_process(code, tmp_path) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
    assert [segment.sealed for segment in inbox.segments(Layout(tmp_path))] == [False, False]
    processes[0].send_signal(signal.SIGKILL)
    processes[0].communicate()
    assert sorted(segment.sealed for segment in inbox.segments(Layout(tmp_path))) == [False, True]
    processes[1].communicate("")
    assert [segment.sealed for segment in inbox.segments(Layout(tmp_path))] == [True, True]
    assert _read(tmp_path) == RECEIPTS[:2] * 2


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no such limits")
def test_a_full_disk_keeps_nothing_of_a_group_and_room_lets_it_go_on(tmp_path: Path) -> None:
    code = """
from conv_analytics.errors import DestinationError
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
writer.append(RECEIPTS[:3])
for limit in (500, 600, 10):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        writer.append(RECEIPTS[3:9])
    except DestinationError as error:
        print(type(error.__cause__).__name__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.append(RECEIPTS[9:])
"""
    done, _ = _process(code, tmp_path).communicate("")
    assert done == "OSError\n" * 3
    assert _read(tmp_path) == RECEIPTS[:3] + RECEIPTS[9:]
    # Attempts that failed leave nothing behind.
    assert len(list((tmp_path / "_inbox").glob("*.segment"))) == 2


def test_what_stands_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DestinationError, match="it is a file"):
        InboxWriter(Layout(tmp_path / "out"))
    assert inbox.segments(Layout(tmp_path / "nothing")) == []


def test_a_renamed_segment_is_damage_because_no_run_can_know_how_far_it_was_read(written: Segment) -> None:
    renamed = written._replace(name="20261121T093000000000-00000000")
    assert [type(what) for _, what in inbox.read(renamed)] == [Damage]
