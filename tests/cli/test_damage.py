"""A question to a folder with a damaged file names the file and what to do; it is no bug and no wrong answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.cli import main
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage") / "exports"
    with Sandbox(seed=7, conversations=12, days=2) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "exports"))


def questions(folder: Path) -> list[list[str]]:
    # One of the file that is damaged: DuckDB reads no file that cannot have it.
    conversation = str(pq.ParquetFile(legs_file(folder)).read(columns=["conversation_id"])["conversation_id"][0])
    page = str(folder.parent / "report.html")
    return [
        ["kpi", str(folder)],
        ["quality", str(folder)],
        ["offenders", str(folder), "--by", "channel_type"],
        ["check", str(folder), "--rule", "poor > 3%"],
        ["report", str(folder), "--output", page],
        ["timeline", str(folder), conversation],
    ]


def legs_file(folder: Path) -> Path:
    return max(open_dataset(folder).files("leg_statuses"), key=lambda path: path.stat().st_size)


def overwritten(path: Path) -> None:
    """The footer is whole, and the pages are not."""
    content = bytearray(path.read_bytes())
    end = len(content) - int.from_bytes(content[-8:-4], "little") - 8
    content[4:end] = b"\xff" * (end - 4)
    path.write_bytes(content)


def other_table(path: Path) -> None:
    shutil.copy(next((path.parents[1].parent / "hangups").glob("*/*.parquet")), path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "empty": lambda path: path.write_bytes(b""),
    "overwritten": overwritten,
    "another table's": other_table,
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_question_names_the_damaged_file(damage: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = questions(folder)
    path = legs_file(folder)
    DAMAGES[damage](path)
    for question in asked:
        code = main(question)
        said = capsys.readouterr().err
        assert (question[0], code) == (question[0], 2), said
        assert path.name in said, (question[0], said)
        assert "is damaged" in said
        assert "conv-analytics verify" in said


def test_a_process_says_the_same(folder: Path) -> None:
    path = legs_file(folder)
    overwritten(path)
    ended = call("kpi", folder)
    assert ended.code == 2
    assert "other bytes than were recorded" in ended.err
    assert "bug" not in ended.err
