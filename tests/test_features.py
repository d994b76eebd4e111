"""The page of features is true: each call that it names runs on an export, and gives something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sized
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Conversations, export
from conv_analytics.sandbox import Sandbox
from tests.pages import REFERENCE

pytestmark = pytest.mark.slow

PAGE = (REFERENCE / "features.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("<!-- features -->")[2].partition("<!-- /features -->")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split(" |")] for line in TABLE.strip().splitlines()[2:]]
_CALL = re.compile(r"`([^`]+)`")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the page's preamble binds, over an export of a sandbox."""
    folder = tmp_path_factory.mktemp("features")
    (preamble,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    bound: dict[str, Any] = {}
    with Sandbox(seed=8, conversations=120, causes="dead_air") as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("VONAGE_APPLICATION_ID", sandbox.application_id)
        patch.setenv("VONAGE_PRIVATE_KEY", sandbox.private_key)
        patch.setenv("VONAGE_API_HOST", sandbox.base_url)
        export(Conversations(), "exports", rate=0, progress=False)
        bodies = (each.body for each in sandbox.deliveries(ordinals=(0, 1, 2)) if each.method == "POST")
        Path("webhooks.jsonl").write_bytes(b"\n".join(bodies))
        sandbox.write_reports(Path("bills"))
        exec(compile(preamble, "features.md", "exec"), bound)
        yield bound


def test_every_row_is_there_and_says_what_it_lacks() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 39))
    for number, capability, here, calls, lacking in ROWS:
        assert capability, number
        assert here in {"yes", "in part", "no"}, number
        assert bool(lacking) == (here != "yes"), f"{number}: a row that does not hold says why"
        assert _CALL.findall(calls) or here == "no", number


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_every_call_gives_something(row: list[str], names: dict[str, Any]) -> None:
    for call in _CALL.findall(row[3]):
        found = eval(compile(call, Path("features.md"), "eval"), names)
        assert found is not None, call
        assert not isinstance(found, Sized) or len(found), f"{call} gives nothing"
