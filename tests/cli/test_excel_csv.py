"""CSV for Excel: nothing is worked out but texts, what looks like a number stays a text, what is changed is known."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from conv_analytics import export
from conv_analytics.cli.excel_csv import excel_csv
from conv_analytics.cli.formats import table
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import ROOT, call
from tests._helpers.hostile_world import PAYLOADS
from tests._helpers.sandboxes import client_of

#: What a cell may be worked out to: a text of digits and signs, nothing else.
TEXT_FORMULA = re.compile(r'="[0-9*#a-fE+ .,:/%-]+"')
#: From OWASP's page on CSV injection, and what is known to get around simple guards.
DANGEROUS = [
    "=1+1", '=HYPERLINK("http://example.com")', "@SUM(1+1)", "+1+1", "-1+1", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1",
    "=cmd|' /C calc'!A0", "\uff1d1+1", "-2+3+cmd|' /C calc'!A0", '="1"&cmd', '=""', '="2+3"&A1', "+44 (0)20=1",
]  # fmt: skip


def cells(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    assert "\ufeff" not in text[1:]
    return list(csv.reader(io.StringIO(text[1:], newline="")))


@pytest.mark.parametrize("text", [*DANGEROUS, *PAYLOADS])
def test_no_cell_and_no_name_is_worked_out(text: str) -> None:
    names, (cell,) = cells(excel_csv(pd.DataFrame({text: [text]})))
    for found in (cell, names[0]):
        assert not found.lstrip(" ").startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")), found
    if text in DANGEROUS:
        assert cell == f"'{text}"


@pytest.mark.parametrize(
    "text",
    ["+447700900123", "447700900123", "00441", "0", "1-2", "3/4", "10:30", "1E5", "2.50", "50%", "+44***1234#4cf", "-5",
     "23410", "2026-11-21", "44 7700 900123"],
)  # fmt: skip
def test_texts_that_look_like_numbers_stay_texts(text: str) -> None:
    written = cells(excel_csv(pd.DataFrame({"number": [text]})))[1][0]
    assert written == f'="{text}"'
    assert TEXT_FORMULA.fullmatch(written)


def test_what_is_changed_and_what_is_not() -> None:
    frame = pd.DataFrame({
        "small": pd.array([12, None], "Int64"),
        "large": pd.array([9_007_199_254_740_993, 5], "Int64"),
        "measure": [4.5, None],
        "flag": pd.array([True, None], "boolean"),
        "at": pd.to_datetime(["2026-11-21T10:00:00.123456Z", None], format="ISO8601"),
        "local": pd.to_datetime(["2026-11-21T10:00Z", None]).tz_convert("Asia/Kolkata"),
        "text": ['a,"b"\r\nc', "x" * 40_000],
        "word": pd.Categorical(["ja ✅", None]),
        "control": ["a\x1bb", None],
    })  # fmt: skip
    names, first, second = cells(excel_csv(frame))
    assert names == list(frame.columns)
    assert first == ["12", '="9007199254740993"', "4.5", "True", "2026-11-21 10:00:00.123", "2026-11-21 15:30:00",
                     'a,"b"\r\nc', "ja ✅", "a\ufffdb"]  # fmt: skip
    assert second == ["", "5", "", "", "", "", "x" * 32_764 + "...", "", ""]
    assert frame["large"][0] == 9_007_199_254_740_993, "the table itself stays as it is"


def test_an_empty_table_has_its_names() -> None:
    assert table(pd.DataFrame({"a": [], "b": []}), "excel") == "\ufeffa,b"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("excel")
    with Sandbox(seed=3, conversations=20, days=2) as sandbox:
        export(client_of(sandbox), root / "out", rate=0, progress=False)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("command", [["quality", "out", "--unmasked"], ["kpi", "out", "--by", "country"]])
def test_commands_write_it(command: list[str], folder: Path) -> None:
    done, plain = (call(*command, "--format", style, cwd=folder) for style in ("excel", "csv"))
    assert done.code == plain.code == 0, done.err
    found, expected = cells(done.out), list(csv.reader(io.StringIO(plain.out)))
    assert found[0] == expected[0]
    assert len(found) == len(expected) > 1


@pytest.mark.slow
def test_a_terminal_of_another_code_page_gets_utf_8_all_the_same(folder: Path) -> None:
    command = [sys.executable, "-m", "conv_analytics", "kpi", "out", "--format", "excel"]
    env = {"PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True)
    assert done.stdout.startswith(b"\xef\xbb\xbfmetric,")
