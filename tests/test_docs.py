"""The documentation is true: its commands are those of CI, its Python runs, its tables are the code's."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from conv_analytics import export, ingest, open_dataset
from conv_analytics.cli.entry import COMMANDS, parser
from conv_analytics.cli.exits import Exit
from conv_analytics.sandbox import Sandbox
from conv_analytics.settings import DEFAULT_BASE_URL
from conv_analytics.tables import TABLES, dictionary
from tests import pages
from tests._helpers.sandboxes import client_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE, FOLDER_PAGE = (
    (ROOT / "notebooks" / "reference" / name).read_text(encoding="utf-8") for name in ("commands.md", "folder.md")
)
PAGES = sorted((ROOT / "notebooks" / "reference").glob("*.md"))


def _blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_two_commands_are_those_of_ci() -> None:
    commands = [line for block in _blocks("sh") for line in block.splitlines() if line.startswith("python3 -m venv ")]
    assert len(commands) == 2
    assert commands[0].endswith("conv-analytics demo")
    assert commands[1].endswith("-m pytest")
    # CI takes the lines from the README, by the same pattern, so they cannot differ.
    assert [line for line in README.splitlines() if line.startswith("python3 -m venv ")] == commands
    assert "grep '^python3 -m venv ' README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.slow
def test_python_of_the_readme_runs(
    small_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VONAGE_APPLICATION_ID", small_sandbox.application_id)
    monkeypatch.setenv("VONAGE_PRIVATE_KEY", small_sandbox.private_key)
    monkeypatch.setenv("VONAGE_API_HOST", small_sandbox.base_url)
    blocks = _blocks("python")
    assert len(blocks) >= 2
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.slow
def test_readers_of_plain_files_leave_out_what_the_list_replaced(
    small_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bodies = (each.body for each in small_sandbox.deliveries(rtc=True, voice=False))
    Path("webhooks.jsonl").write_bytes(b"\n".join(bodies))
    ingest("exports", "webhooks.jsonl")
    export(client_of(small_sandbox), "exports", rate=0, progress=False)
    page = (pages.REFERENCE / "every-call.md").read_text(encoding="utf-8")
    (query,), (program,) = _blocks("sql", page), _blocks("python", page)
    names: dict[str, Any] = {}
    exec(compile(program, "every-call.md", "exec"), names)
    dataset = open_dataset("exports")
    wanted = Counter(map(str, dataset["events"]["body"]))
    assert dataset.rows("events") > wanted.total(), "both versions are in the files"
    assert Counter(str(body) for (body,) in duckdb.sql(f"select body from ({query})").fetchall()) == wanted
    assert Counter(map(str, names["events"]["body"].to_list())) == wanted


def test_every_command_and_flag_is_documented() -> None:
    written = README + "".join(path.read_text(encoding="utf-8") for path in PAGES)
    group = parser()._subparsers
    assert group is not None
    choices = group._group_actions[0].choices
    assert isinstance(choices, dict)
    assert len(choices) == len(COMMANDS)
    for name, command in choices.items():
        assert f"| `conv-analytics {name}" in COMMANDS_PAGE, name
        for action in command._actions:
            for flag in action.option_strings:
                if flag not in {"-h", "--help"}:
                    assert f"`{flag}" in written, f"{name} {flag}"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_documented(name: str) -> None:
    assert f"| `{name}` |" in FOLDER_PAGE
    assert f"## {name}\n" in (pages.REFERENCE / "tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_is_documented(code: Exit) -> None:
    assert re.search(rf"^\| [\d, ]*\b{code.value}\b[\d, ]* \|", COMMANDS_PAGE, re.MULTILINE)


def test_the_dictionary_is_current() -> None:
    text = (pages.REFERENCE / "tables.md").read_text(encoding="utf-8")
    assert text == pages.tables(), "run `python -m tests.pages`"
    assert text.endswith(dictionary.as_markdown(TABLES.values()))


def test_the_rates_are_current() -> None:
    assert (pages.REFERENCE / "kpi.md").read_text(encoding="utf-8") == pages.rates(), "run `python -m tests.pages`"


def test_the_glossary_is_current() -> None:
    assert (pages.REFERENCE / "glossary.md").read_text(encoding="utf-8") == pages.terms(), "run `python -m tests.pages`"


def test_links_lead_somewhere() -> None:
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_readme_is_two_screens_long_and_the_rest_is_one_click_away() -> None:
    assert len(README.splitlines()) <= 120
    index = (pages.REFERENCE / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert linked == {path.name for path in PAGES} - {"README.md"}


def test_what_the_readme_says_of_the_package_is_true() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')}" in README
    assert project["license"] in README
    assert DEFAULT_BASE_URL in (pages.REFERENCE / "connecting.md").read_text(encoding="utf-8")
    for extra in project["optional-dependencies"]:
        assert f"`{extra}`" in README, extra
