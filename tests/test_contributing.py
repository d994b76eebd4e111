"""The page for contributors is true: its blocks, applied to a copy of the repository, add what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "notebooks" / "reference" / "contributing.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|diff)\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

#: What each section of the page promises, checked in the copy.
CHECKS = {
    "Add an event body": """
from conv_analytics.resources import AgentWrapupBody
from conv_analytics.resources.bodies import body_class
assert body_class("agent:wrapup", {}) is AgentWrapupBody
assert AgentWrapupBody.from_wire({"result_code": "sold", "duration": "40"}).duration == 40
""",
    "Add a column": """
from tests._helpers.document_reading import flatten, message, table
body = {"leg_id": "a", "disposition": "sold", "duration": 40}
(row,) = table(flatten(message(1, body, "agent:wrapup")), "call_events")
assert (row["type"], row["disposition"], row["wrapup_s"]) == ("agent:wrapup", "sold", 40), row
from conv_analytics import describe
assert describe("call_events").set_index("column").loc["wrapup_s", "unit"] == "s"
""",
    "Add a metric": """
import pandas as pd
from conv_analytics.analysis import kpi
legs = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "b"], "direction": "outbound",
                     "answered": [True, False], "sip_code": [200, 486], "reason": None})
(row,) = kpi(legs, metrics="user_busy").to_dict("records")
assert (row["k"], row["n"]) == (1, 2), row
from conv_analytics.analysis.rates import metrics
assert "| `user_busy` |" in metrics.as_markdown()
""",
    "Add a plot": """
import doctest, inspect
import conv_analytics
from conv_analytics.notebook import talk_plot
assert conv_analytics.plot_talk is talk_plot.plot_talk
ran = doctest.testmod(talk_plot)
assert ran.attempted and not ran.failed
""",
    "Add a command": """
import contextlib, io, json
from conv_analytics import Conversations, export
from conv_analytics.cli import main
from conv_analytics.sandbox import Sandbox
with Sandbox(conversations=3) as sandbox:
    client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    done = export(client, "exported", rate=0, progress=False)
with contextlib.redirect_stdout(io.StringIO()) as out:
    assert main(["rows", "exported", "--format", "json"]) == 0
rows = {row["table"]: row["rows"] for row in json.loads(out.getvalue())}
assert rows["conversations"] == 3, rows
""",
}


def _applied(text: str, diff: str, path: str) -> str:
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines()
        before = "\n".join(line[1:] for line in lines if line[0] in " -")
        after = "\n".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(f"\n{before}\n") == 1, f"{path} does not have these lines once:\n{before}"
        text = text.replace(f"\n{before}\n", f"\n{after}\n")
    return text


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with everything that the page adds."""
    root = tmp_path_factory.mktemp("contributing")
    ignored = shutil.ignore_patterns("__pycache__", "pictures", "*.ipynb")
    for name in ("conv_analytics", "tests", "notebooks"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    assert {kind for kind, _, _ in BLOCKS} == {"python", "diff"}
    for kind, path, block in BLOCKS:
        file = root / path
        if kind == "python":
            assert not file.exists(), f"{path} exists: the page calls it a new file"
            file.write_text(block, encoding="utf-8")
        else:
            file.write_text(_applied(file.read_text(encoding="utf-8"), block, path), encoding="utf-8")
    return root


def _python(copy: Path, *arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.xdist_group("contributing")
@pytest.mark.parametrize("section", CHECKS)
def test_what_the_page_adds_works(section: str, copy: Path) -> None:
    assert f"\n## {section}\n" in TEXT
    _python(copy, "-c", CHECKS[section])


@pytest.mark.slow
@pytest.mark.xdist_group("contributing")
def test_what_the_page_adds_keeps_the_rules_of_the_house(copy: Path) -> None:
    changed = sorted({path for _, path, _ in BLOCKS})
    _python(copy, "-m", "ruff", "check", "--no-fix", *changed)
    _python(copy, "-m", "ruff", "format", "--check", *changed)
    _python(copy, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())")


def test_every_block_is_applied() -> None:
    assert len(re.findall(r"^```(?:python|diff)$", TEXT, re.MULTILINE)) == len(BLOCKS)
    assert re.findall(r"^## (Add .*)$", TEXT, re.MULTILINE) == list(CHECKS)


def test_the_picture_shows_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [name for layer in contracts[0]["layers"] for name in layer.split(" : ")]
    assert re.findall(r"^(conv_analytics\.\w+) ", TEXT, re.MULTILINE) == layers
