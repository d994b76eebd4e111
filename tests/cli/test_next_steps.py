"""`conv-analytics` alone says what to do next, and each command that it names can be run; `report --open` opens."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from conv_analytics.cli.entry import parser
from conv_analytics.cli.next_steps import exports_in, next_steps
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call, run

pytestmark = pytest.mark.slow


def named(text: str) -> list[str]:
    """The subcommands of the commands that were printed; each is one that the parser takes."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("      ")]
    found = []
    for line in lines:
        words = shlex.split(line)
        arguments = words[words.index("conv_analytics") + 1 :]
        parser().parse_args(arguments)
        found.append(arguments[0])
    return found


@pytest.fixture
def nobody(tmp_path: Path) -> dict[str, str]:
    """A home without a file of the Vonage CLI."""
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home")}


def test_without_a_key_it_points_to_the_demo_and_to_the_key(tmp_path: Path, nobody: dict[str, str]) -> None:
    shown = run(cwd=tmp_path, env=nobody)
    assert (shown.code, shown.err) == (2, "")
    assert named(shown.out) == ["demo", "doctor"]
    assert "VONAGE_APPLICATION_ID" in shown.out


def test_with_a_key_it_points_to_the_export(tmp_path: Path, nobody: dict[str, str], small_sandbox: Sandbox) -> None:
    key = {"VONAGE_APPLICATION_ID": small_sandbox.application_id, "VONAGE_PRIVATE_KEY": small_sandbox.private_key}
    shown = run(cwd=tmp_path, env=nobody | key)
    assert named(shown.out) == ["doctor", "plan", "export"]


def test_with_a_folder_it_points_to_its_report(tmp_path: Path, nobody: dict[str, str], small_sandbox: Sandbox) -> None:
    key = {
        "VONAGE_APPLICATION_ID": small_sandbox.application_id,
        "VONAGE_PRIVATE_KEY": small_sandbox.private_key,
        "VONAGE_API_HOST": small_sandbox.base_url,
    }
    assert call("export", "my exports", "--rate", "0", "--quiet", cwd=tmp_path, env=nobody | key).code == 0
    assert named(run(cwd=tmp_path, env=nobody | key).out) == ["export", "report", "coverage", "status"]
    shown = run(cwd=tmp_path, env=nobody)
    assert named(shown.out) == ["report", "status"]
    assert "'my exports'" in shown.out
    assert "status ." in run(cwd=tmp_path / "my exports", env=nobody).out

    # What the hint says works: the page is opened by whatever BROWSER names.
    opened = tmp_path / "opened"
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {shlex.quote(str(opened))}\n')
    browser.chmod(0o755)
    environment = nobody | {"BROWSER": f"{browser} %s"}
    done = run("report", "my exports", "--open", cwd=tmp_path, env=environment)
    assert done.code in {0, 3}, done.err
    assert opened.read_text() == (tmp_path / "report.html").as_uri()


def test_the_latest_folder_comes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "older", "oldest")):
        (tmp_path / name / "_commits").mkdir(parents=True)
        os.utime(tmp_path / name / "_commits", (1e9 - age, 1e9 - age))
    (tmp_path / "other").mkdir()
    assert exports_in(tmp_path) == ["newest", "older", "oldest"]
    assert exports_in(tmp_path / "missing") == []
    assert next_steps(["newest"], has_credentials=True)[0][1].endswith("export newest")
