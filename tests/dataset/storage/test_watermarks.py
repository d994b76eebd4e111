"""How far the runs came with each conversation: in the record of a commit or in a file beside it, all the same."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset import writer as writing
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.commit import Commit, commits
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.watermarks import LARGEST_EVENT_ID, Watermark, read_watermarks
from conv_analytics.errors import CorruptFile
from conv_analytics.exporter.audit import audit
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.sandboxes import agree, client_of, contents_of
from tests._helpers.table_rows import DAY, rows, watermarks

ODD = ["", " ", "CON-\x00-nul", "CON-' or 1=1 --", "con-É\U0001f600", "CON-" + "x" * 5000, "con-1", "CON-1"]


def commit(root: Path, given: Iterable[Watermark]) -> Commit:
    return DatasetWriter(root, DAY, ["events"]).commit(given, {})


def known(root: Path) -> dict[str, Watermark]:
    with closing(WatermarkIndex(root, commits(Layout(root)))) as found:
        return dict(found)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every commit has a file for its conversations."""
    monkeypatch.setattr(writing, "FEW", 0)


# -- where they are


@pytest.mark.parametrize("count", [0, 1, writing.FEW, writing.FEW + 1, 20_000])
def test_few_are_in_the_record_and_many_in_a_file(count: int, tmp_path: Path) -> None:
    given = [Watermark(f"CON-{number:06d}", number, f"2026-11-21T00:00:00Z {number:08x}") for number in range(count)]
    made = commit(tmp_path, iter(given))
    assert list(made.read_watermarks(tmp_path)) == given
    assert open_dataset(tmp_path).commits == (made,)
    assert list(known(tmp_path).values()) == given
    names = sorted(path.name for path in (tmp_path / "_commits").iterdir())
    if count <= writing.FEW:
        assert made.conversations is None
        assert names == ["000001.json"]
        return
    assert made.conversations is not None
    assert names == [f"000001-{made.run}.parquet", "000001.json"]
    assert pq.read_metadata(tmp_path / made.conversations.path).num_rows == count == made.conversations.rows
    assert not made.watermarks
    assert (tmp_path / "_commits/000001.json").stat().st_size < 5000


@pytest.mark.parametrize("few", [0, 100])
def test_whatever_an_id_is_it_is_found_again(few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "FEW", few)
    given = [Watermark(name, number, f" {number:08x}") for number, name in enumerate(ODD)]
    commit(tmp_path, given)
    assert known(tmp_path) == {mark.conversation_id: mark for mark in given}


def test_records_of_the_formats_before_are_read(tmp_path: Path) -> None:
    commit(tmp_path, [Watermark("CON-1", 7, " 0f0f0f0f"), Watermark("CON-2", 5)])
    path = Layout(tmp_path).commit(1)
    values = json.loads(path.read_text())
    assert values.pop("conversations") is None
    # A sequence number was any whole number once.
    values["watermarks"]["CON-3"] = 10**40
    path.write_text(json.dumps({**values, "format": 2}))
    expected = {
        "CON-1": Watermark("CON-1", 7, " 0f0f0f0f"),
        "CON-2": Watermark("CON-2", 5),
        "CON-3": Watermark("CON-3", LARGEST_EVENT_ID),
    }
    assert known(tmp_path) == expected
    del values["settled"]
    path.write_text(json.dumps({**values, "format": 1}))
    assert known(tmp_path) == expected | {"CON-1": Watermark("CON-1", 7)}


# -- what later runs change


@pytest.mark.parametrize("few", [0, 100])
def test_later_runs_count(few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "FEW", few)
    commit(tmp_path, [Watermark("CON-1", 4, "a"), Watermark("CON-2", 4, "a"), Watermark("CON-3", 4, "a")])
    # Read on, but not to the end; told otherwise by the list, without an event; not met.
    commit(tmp_path, [Watermark("CON-1", 9), Watermark("CON-2", None, "b")])
    assert known(tmp_path) == {
        "CON-1": Watermark("CON-1", 9),
        "CON-2": Watermark("CON-2", 4, "b"),
        "CON-3": Watermark("CON-3", 4, "a"),
    }
    with closing(WatermarkIndex(tmp_path, commits(Layout(tmp_path)))) as found:
        assert [found.runs(names) for names in (["CON-1"], ["CON-3"], ["CON-4"], ["CON-3", "CON-2"])] == [
            {1, 2},
            {1},
            set(),
            {1, 2},
        ]
        assert list(found) == ["CON-1", "CON-2", "CON-3"]
        assert (len(found), "CON-4" in found) == (3, False)
        assert (found.reached("CON-1", 5), found.reached("CON-1", 12), found.reached("CON-4", None)) == (
            9,
            12,
            0,
        )


def test_rows_may_be_in_files_that_a_later_run_moved_them_to(tmp_path: Path) -> None:
    commit(tmp_path, [Watermark("CON-1", 4, "a")])
    first = open_dataset(tmp_path)
    writer = DatasetWriter(tmp_path, DAY, ["events"])
    writer.write("events", rows(TABLES["events"], 3))
    writer.commit([], {}, removed=[file.path for each in first.commits for file in each.files])
    # Nothing is left of it.
    DatasetWriter(tmp_path, DAY, ["events"]).commit([], {}, removed=["events/none.parquet"])
    commit(tmp_path, [Watermark("CON-2", 4, "a")])
    with closing(WatermarkIndex(tmp_path, commits(Layout(tmp_path)))) as found:
        # A conversation without an earlier run has no rows that could have been moved.
        assert [found.runs([name]) for name in ("CON-1", "CON-2", "CON-3")] == [{1, 2}, {4}, set()]


@pytest.mark.slow
@pytest.mark.usefixtures("beside")
def test_nights_with_a_file_each_are_as_exact_as_others(tmp_path: Path) -> None:
    """First, nothing new, one event more, everything again, a copy and its next night."""
    with Sandbox(conversations=40, days=2, seed=11, quirks=True) as sandbox:
        folder, copy = tmp_path / "exports", tmp_path / "copy"
        first = export(client_of(sandbox), folder, rate=0)
        agree(contents_of(first), sandbox.truth())
        nothing = export(client_of(sandbox), folder, rate=0, allow_empty=True).report
        assert (nothing.tables.get("events", 0), nothing.requests) == (0, 1 + 40)
        name = max(sandbox.truth().sequence_numbers.items(), key=lambda item: item[1])[0]
        with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
            body = {"type": "message", "body": {"message_type": "text", "text": "later"}}
            assert http.post(f"/v1/conversations/{name}/events", json=body).status_code == 201
        more = export(client_of(sandbox), folder, rate=0, allow_empty=True)
        assert more.report.tables["events"] == 1
        assert [mark.conversation_id for mark in more.dataset.commits[-1].read_watermarks(folder)] == [name]
        assert export(client_of(sandbox), folder, rate=0, full=True, allow_empty=True).report.tables["events"] == 0
        compact(folder, copy)
        assert known(copy) == known(folder)
        again = export(client_of(sandbox), copy, rate=0, allow_empty=True)
        assert (again.report.tables.get("events", 0), again.report.requests) == (0, 1 + 40)
        assert len(again.dataset["events"]) == len(more.dataset["events"])
        for root in (folder, copy):
            assert all(
                made.conversations is not None or not list(made.read_watermarks(root)) for made in commits(Layout(root))
            )
            assert Level.ERROR not in {finding.level for finding in verify(root)}
            assert {finding.level for finding in audit(client_of(sandbox), root, rate=0).findings()} == {Level.OK}


@pytest.mark.usefixtures("beside")
def test_the_copy_knows_since_when_conversations_are_quiet(tmp_path: Path) -> None:
    commit(tmp_path / "a", [Watermark("CON-1", 4, "2026-11-01T00:00:00Z aa"), Watermark("CON-2", 4)])
    compact(tmp_path / "a", tmp_path / "b")
    assert known(tmp_path / "b") == known(tmp_path / "a")


def test_a_last_event_that_no_table_can_hold_tells_nothing(tmp_path: Path) -> None:
    """A number beyond 64 bits ends neither the run nor the ones after it, and hides no event."""
    with Sandbox(conversations=3, days=2, seed=1) as sandbox:
        name = max(sandbox.truth().sequence_numbers.items(), key=lambda item: item[1])[0]

        def enormous(request: Request) -> Reply:
            app = sandbox._app
            assert app is not None
            values = json.loads(app.answer(request).body)
            return Reply(200, json.dumps(values | {"sequence_number": 10**30}).encode())

        sandbox.script(lambda request: request.path.endswith(name), enormous, times=-1)
        export(client_of(sandbox), tmp_path, rate=0)
        assert watermarks(tmp_path)[name] == sandbox.truth().sequence_numbers[name]
        export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)


# -- damage

DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-7]), "bytes; "),
    "changed": (lambda path: path.write_bytes(path.read_bytes().replace(b"CON-1", b"CON-3")), "other bytes"),
    "foreign": (lambda path: pq.write_table(rows_of_another_table(), path), "bytes"),
}


def rows_of_another_table() -> object:
    from conv_analytics.tables import TABLES

    return rows(TABLES["hangups"], 3)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_told_by_name(damage: str, tmp_path: Path) -> None:
    with Sandbox(conversations=4, days=2, seed=3) as sandbox:
        done = export(client_of(sandbox), tmp_path, rate=0)
        whole = done.dataset.commits[-1].conversations
        assert whole is not None
        break_it, what = DAMAGE[damage]
        if damage == "changed":
            commit(tmp_path, [Watermark("CON-1", 1)])
            whole = open_dataset(tmp_path).commits[-1].conversations
            assert whole is not None
        break_it(tmp_path / whole.path)
        wrong = [finding for finding in verify(tmp_path) if finding.level is Level.ERROR]
        assert [finding.where for finding in wrong] == [whole.path]
        assert what in wrong[0].what
        assert "it has the watermarks of commit" in wrong[0].what
        assert len(open_dataset(tmp_path)["events"]) == sandbox.truth().events, "its rows are all there"
        assert audit(client_of(sandbox), tmp_path, rate=0).listed == 4
        if damage != "changed":
            before = sorted(tmp_path.rglob("*.parquet"))
            with pytest.raises(CorruptFile, match=r"_commits.000001-\w+\.parquet is damaged: .+ Restore it"):
                export(client_of(sandbox), tmp_path, rate=0)
            assert sorted(tmp_path.rglob("*.parquet")) == before


def test_a_file_of_marks_without_its_columns_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(rows_of_another_table(), path)
    with pytest.raises(CorruptFile):
        list(read_watermarks(path))


# -- room

CROWDED = """
    import resource, signal, sys
    from conv_analytics.errors import DestinationError
    from conv_analytics.exporter.conversation_states import ConversationStates
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    states = ConversationStates()
    try:
        for number in range(200_000):
            states.add(f"CON-{number:036d}")
        print("there was room")
    except DestinationError as error:
        print(error)
    states.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_no_room_for_temporary_files_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CROWDED)], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Cannot write to the folder for temporary files" in done.stdout, done
    assert "SQLITE_TMPDIR" in done.stdout
    assert done.stderr == ""
