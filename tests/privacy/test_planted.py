"""People planted in every field, form and failure: none is in any byte that is written, printed, logged or drawn."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conv_analytics import Conversations, Dataset, export, open_dataset
from conv_analytics.cli import main
from conv_analytics.errors import ExportIncomplete
from conv_analytics.notebook import explore, quality_report, show_ladder, show_timeline, show_verdicts
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import credentials, run
from tests._helpers.everything_written import pieces, unpacked
from tests._helpers.planted_people import ADDRESSES, NAMES, NUMBER, Planted, people_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Sandbox, Planted]]:
    with Sandbox(conversations=1, days=2) as sandbox:
        yield sandbox, Planted(sandbox)


@pytest.fixture(scope="module")
def plain(world: tuple[Sandbox, Planted], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world as it is, in a folder."""
    sandbox, _ = world
    folder = tmp_path_factory.mktemp("plain")
    client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url, retries=0)
    with pytest.raises(ExportIncomplete):
        export(client, folder, tables="all", rate=0, progress=False)
    return folder


def test_the_search_finds_everybody_who_is_there(plain: Path) -> None:
    assert set(people_in(pieces(plain))) == {NUMBER, *NAMES, *ADDRESSES}


def test_a_masked_run_writes_prints_and_logs_nobody(world: tuple[Sandbox, Planted], tmp_path: Path) -> None:
    sandbox, planted = world
    (tmp_path / "mask.key").write_text("a key of the tests, long enough")
    arguments = [
        "export", "out", *credentials(sandbox), "--tables", "all", "--retries", 0, "--mask", "--mask-key-file",
        "mask.key", "--log-format", "json", "--log-level", "debug",
    ]  # fmt: skip
    first = run(*arguments, "--json", cwd=tmp_path)
    again = run(*arguments, cwd=tmp_path)
    assert (first.code, again.code) == (3, 3), first.err
    report = open_dataset(tmp_path / "out").commits[0].report
    assert sorted(report["incomplete"]) == sorted(planted.failing)
    assert first.last["quarantined"] > 0
    assert people_in(pieces(tmp_path / "out", first, again)) == {}
    # The API was asked with the ids that it knows.
    folder = open_dataset(tmp_path / "out")
    assert folder["events"]["conversation_id"].nunique() == len(planted.conversations)


def test_a_masked_folder_has_the_rows_of_the_plain_one(
    world: tuple[Sandbox, Planted], plain: Path, tmp_path: Path
) -> None:
    sandbox, _ = world
    from conv_analytics.privacy import Mask

    client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url, retries=0)
    with pytest.raises(ExportIncomplete):
        export(client, tmp_path, tables="all", rate=0, progress=False, mask=Mask(b"a key of the tests, long enough"))
    one, other = open_dataset(plain), open_dataset(tmp_path)
    assert {name: one.rows(name) for name in ("conversations", "members", "users")} == {
        name: other.rows(name) for name in ("conversations", "members", "users")
    }
    # One number is one person, however it was written.
    tokens = other["users"]["name"].dropna()
    assert (tokens.str.startswith("44x")).sum() >= 6
    assert tokens[tokens.str.startswith("44x")].nunique() == 1


def _said(*arguments: object) -> Iterator[bytes]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(each) for each in arguments])
    assert code in {0, 3, 4}, err.getvalue()
    yield from (out.getvalue().encode(), err.getvalue().encode())


ASKED = {
    "kpi": ["--by", "remote_address,network_code", "--scope", "all"],
    "offenders": ["--by", "remote_address", "--case", "failed", "--min-n", 1, "--scope", "all"],
    "quality": ["--verdict", "poor,fair,good,unmeasured", "--last", 0],
    "check": ["--rule", "unmeasured < 1% by remote_address,user_id,channel_type,direction", "--scope", "all"],
}


#: The mask comes before the format: one command shows all of them.
ASKED_HOW = [*(("kpi", how) for how in ("text", "json", "md")), *((command, "csv") for command in ASKED)]


@pytest.mark.parametrize(("command", "how"), ASKED_HOW)
def test_answers_show_nobody(command: str, how: str, plain: Path) -> None:
    assert people_in(_said(command, plain, *ASKED[command], "--format", how)) == {}
    if command != "quality" and how == "csv":
        assert NUMBER in people_in(_said(command, plain, *ASKED[command], "--format", how, "--unmasked"))


@pytest.mark.parametrize(
    "by", ["user_id", "leg_id", "channel_type", "direction", "member_id", "from_address", "status"]
)
def test_no_column_is_shown_as_it_is(by: str, plain: Path) -> None:
    assert people_in(_said("kpi", plain, "--by", by, "--scope", "all", "--metrics", "asr")) == {}


def test_status_and_verify_show_nobody(plain: Path) -> None:
    for command in ("status", "verify"):
        for more in ([], ["--json"]):
            assert people_in(_said(command, plain, *more)) == {}


def test_a_report_shows_nobody(plain: Path, tmp_path: Path) -> None:
    said = list(_said("report", plain, "-o", tmp_path / "report.html", "--timelines"))
    assert people_in([*pieces(tmp_path), *said]) == {}
    assert quality_report(open_dataset(plain), mask=False).html != (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def frames(plain: Path) -> Dataset:
    return open_dataset(plain)


def test_timelines_and_ladders_show_nobody(
    world: tuple[Sandbox, Planted], plain: Path, frames: Dataset, tmp_path: Path
) -> None:
    tables = {name: frames[name] for name in frames.tables}
    for place, name in enumerate(world[1].conversations[-2:]):
        drawn, ladder = show_timeline(tables, name), show_ladder(tables, name)
        shown = [drawn.html(), drawn.svg(), drawn.text(), drawn.table().to_csv(), repr(drawn), ladder.html(),
                 ladder.svg(), ladder.text(), ladder.to_mermaid(), repr(ladder)]  # fmt: skip
        seen = [text.encode("utf-8", "replace") for text in shown]
        assert people_in([*seen, *(part for piece in seen for part in unpacked(piece))]) == {}, name
        if place == 0:
            widget = drawn.widget()
            assert people_in([str(widget.get_state()).encode("utf-8", "replace")]) == {}
    for how in ("text", "csv", "json", "md"):
        assert people_in(_said("timeline", plain, world[1].conversations[2], "--format", how)) == {}


def test_the_explorer_shows_nobody(world: tuple[Sandbox, Planted], frames: Dataset) -> None:
    explorer = explore(frames)
    name = world[1].conversations[0]
    explorer.select(name)
    bundle = explorer._repr_mimebundle_()
    sent = json.dumps(explorer.get_state(), default=str)
    texts = [sent, bundle["text/html"], bundle["text/plain"], str(show_verdicts(frames))]
    seen = [text.encode("utf-8", "replace") for text in texts]
    drawn = gzip.decompress(base64.b64decode(explorer.conversation["payload"]))
    assert len(drawn) > 1000
    assert people_in([*seen, drawn]) == {}
