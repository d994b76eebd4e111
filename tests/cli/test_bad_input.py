"""Bad input: what is said, with which exit code, and what is committed; and that the documentation says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.bad_input import CASES, HEAD, PAGE, TAIL, Case, outcome

pytestmark = pytest.mark.slow


def _rows() -> dict[str, list[str]]:
    cells = [
        re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.read_text(encoding="utf-8").splitlines() if "|" in line
    ]
    return {row[0].strip(): [cell.strip() for cell in row] for row in cells if len(row) == 4}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace("`", ""))
def test_bad_input_ends_in_a_sentence_and_an_exit_code(case: Case, tmp_path: Path) -> None:
    found = outcome(case, tmp_path)
    printed = found.ended.out + found.ended.err
    assert found.ended.code == case.code, printed
    assert case.says in printed
    assert found.committed == case.committed
    assert "Traceback" not in printed
    assert "PRIVATE KEY" not in printed
    assert "eyJ" not in printed
    # One paragraph, which starts with the program's name; nothing but results on the standard output.
    lines = found.ended.err.splitlines()
    assert len(lines) == (1 if case.code else 0)
    assert all(line.startswith("conv-analytics: ") for line in lines)
    assert bool(found.ended.out) == (found.committed not in {"nothing", "what was there before"})
    assert _rows()[case.name] == [case.name, str(case.code), found.message, found.committed], (
        "run `python -m tests.cli.bad_input` to write notebooks/reference/errors.md anew"
    )


def test_the_page_lists_just_these_cases() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in _rows() if name not in {"input", "---"}] == [case.name for case in CASES]
    assert text.startswith(HEAD)
    assert text.endswith(TAIL)
    assert text.count("\n") == HEAD.count("\n") + len(CASES) + TAIL.count("\n")
