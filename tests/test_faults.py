"""The page of faults is complete, and the tests that it names are there."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "notebooks" / "reference" / "faults.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]


@functools.cache
def functions_of(path: str) -> set[str]:
    """The test functions of a file, as pytest collects them."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_fault_is_there_once_in_order() -> None:
    assert [int(row.split("|")[1]) for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 42


def test_every_fault_names_tests_that_exist() -> None:
    for row in ROWS:
        cells = row.strip("| ").split(" | ")
        assert len(cells) == 4, row
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cells[3])
        assert named, row
        for path, name in named:
            assert name in functions_of(path), f"{path}::{name}"


def test_every_test_of_a_fault_is_in_its_row() -> None:
    for name in functions_of("tests/exporter/test_faults.py"):
        for number in re.findall(r"(?<=_)(\d\d)(?=_)", name):
            assert name in ROWS[int(number) - 1], name
