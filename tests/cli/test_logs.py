"""The log of a command: JSON lines, or text, on the standard error; no secret in either."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conv_analytics.cli import demo_coverage, main
from conv_analytics.exporter import Report
from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.wire import Reply
from tests._helpers.command_line import ROOT, call, credentials, environment, forked
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import NEVER, after

pytestmark = pytest.mark.slow

#: What a run must never show, in the places where it can come from.
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjF9.c2lnbmF0dXJl"
KEY = "-----BEGIN PRIVATE KEY-----MIIplanted"
SECRET = "planted-secret"


def lines(err: str) -> list[dict[str, Any]]:
    """The standard error, every line of it an object of the same head."""
    found = [json.loads(line) for line in err.splitlines()]
    assert all(list(line)[:3] == ["ts", "level", "event"] for line in found)
    assert all(line["ts"].endswith("Z") and line["level"] in {"debug", "info", "warning", "error"} for line in found)
    assert [line["ts"] for line in found] == sorted(line["ts"] for line in found)
    return found


def events(err: str) -> list[str]:
    return [line["event"] for line in lines(err)]


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """By event, the levels and fields that the page of recipes tells of."""
    page = (ROOT / "notebooks" / "reference" / "recipes.md").read_text(encoding="utf-8")
    section = page.partition("\n## Logs\n")[2].partition("\n## ")[0]
    found = {}
    for names, levels, fields in re.findall(r"^\| (`.+?) \| ([a-z, ]+) \| (.*)\|$", section, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            found[name] = (set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
    return found


def planted(sandbox: Sandbox) -> str:
    """One conversation answers with secrets for ever; its id."""
    name = sandbox.world.head(next(iter(sandbox.world.ordinals))).id
    said = json.dumps({"detail": f"Bearer {TOKEN} {KEY} api_secret={SECRET}", "code": "c"}).encode()
    sandbox.script(lambda request: name in request.path, Reply(500, said), times=-1)
    return name


def test_every_line_is_json_and_none_holds_a_secret(tmp_path: Path) -> None:
    faults = "5xx=0.05,429=0.05,gone=3,retry_after_s=0"
    with Sandbox(conversations=40, days=2, clock_offset_s=-298, faults=faults, broken=0.02) as sandbox:
        name = planted(sandbox)
        arguments = ["--retries", 2, "--log-format", "json", "--log-level", "debug"]
        done = call("export", "out", *credentials(sandbox), *arguments, cwd=tmp_path)
        key = sandbox.private_key
    assert done.code == 3, done.err
    found = lines(done.err)
    seen = {line["event"] for line in found}
    assert seen >= {
        "run_started", "listing_done", "response", "retry", "throttled", "clock_skew", "conversation_incomplete",
        "gone", "quarantined", "batch_converted", "progress", "committed", "run_finished", "ended",
    }  # fmt: skip
    assert len({line["run"] for line in found if line["event"] != "ended"}) == 1
    told = documented()
    told["run_finished"][1].update(Report().summary())
    for line in found:
        levels, fields = told[line["event"]]
        assert line["level"] in levels
        assert line.keys() - {"ts", "level", "event", "run"} <= fields, line
    assert told.keys() - seen == {"interrupted", "run_failed", "note"}, "these have tests of their own"
    last, finished = found[-1], found[-2]
    assert (last["event"], last["error"], last["exit_code"]) == ("ended", "ExportIncomplete", 3)
    assert (finished["event"], finished["level"], finished["status"]) == ("run_finished", "warning", "incomplete")
    assert finished["commit"] == 1
    assert finished["conversations"] == 40
    (incomplete,) = [line for line in found if line["event"] == "conversation_incomplete"]
    assert incomplete["conversation"] == name
    assert "Bearer [token] [key]" in incomplete["reason"]
    response = next(line for line in found if line["event"] == "response")
    assert response.keys() == {"ts", "level", "event", "run", "method", "path", "status", "bytes", "elapsed_ms"}
    shown = done.err + done.out
    body = [row for row in key.splitlines() if "-----" not in row]
    for secret in (TOKEN, "eyJ", "MIIplanted", SECRET, *body):
        assert secret not in shown
    assert "incomplete: 40 conversations" in done.out, "the report is still the result"


def test_the_default_level_leaves_single_requests_out(small_sandbox: Sandbox, tmp_path: Path) -> None:
    done = call("export", "out", *credentials(small_sandbox), "--log-format=json", "--json", cwd=tmp_path)
    assert (done.code, done.last["status"]) == (0, "complete")
    expected = ["run_started", "listing_done", "batch_converted", "progress", "committed", "run_finished"]
    assert sorted(events(done.err)) == sorted(expected)
    done = call(
        "export", "out", *credentials(small_sandbox), "--log-format", "json", "--log-level", "error", cwd=tmp_path
    )
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["export"], 2, "ConfigError"),
        (["export", "out", "--tables", "nope"], 2, "ConfigError"),
        (["export", "out", "--no-such-flag", f"api_secret={SECRET}"], 2, "ConfigError"),
        (["verify", "nowhere"], 2, "DatasetError"),
        (["nonsense"], 2, "ConfigError"),
    ],
)
def test_errors_are_lines_too(arguments: list[str], code: int, error: str, tmp_path: Path) -> None:
    done = call(*arguments, "--log-format", "json", cwd=tmp_path)
    (line,) = lines(done.err)
    assert (done.code, line["event"], line["level"], line["exit_code"]) == (code, "ended", "error", code)
    assert issubclass(getattr(__import__("conv_analytics.errors").errors, line["error"]), Exception)
    assert line["message"]
    assert "traceback" not in line
    assert SECRET not in done.err


def test_a_run_that_keeps_nothing_and_a_remark_are_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The world of the demo's coverage, of which nothing is told here.
    monkeypatch.setattr(demo_coverage, "CONVERSATIONS", 3)
    refused = Reply(401, b'{"code": "system:error:missing-token"}')
    with Sandbox(conversations=3, days=2) as sandbox:
        sandbox.script(lambda _: True, refused, times=-1)
        done = call("export", "out", *credentials(sandbox), "--log-format", "json", cwd=tmp_path)
    assert done.code == 2
    assert events(done.err)[-2:] == ["run_failed", "ended"]
    demo = call("demo", "demo", "--conversations", 3, "--log-format", "json", cwd=tmp_path)
    assert demo.code == 0, demo.err
    assert events(demo.err)[:2] == ["note", "run_started"]


def test_debug_puts_the_traceback_into_the_line(tmp_path: Path) -> None:
    done = call("export", "out", "--tables", "nope", "--debug", "--log-format", "json", cwd=tmp_path)
    (line,) = lines(done.err)
    assert done.code == 2
    assert "Traceback (most recent call last)" in line["traceback"]


def test_a_wrong_format_is_told_as_text(tmp_path: Path) -> None:
    done = call("export", "out", "--log-format", "xml", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("conv-analytics: argument --log-format: invalid choice: 'xml'")


def test_an_interrupted_run_says_so_in_the_log(tmp_path: Path) -> None:
    with Sandbox(conversations=100, days=2) as sandbox:
        half_way = after(sandbox, 150, NEVER)
        arguments = forked("export", "out", *credentials(sandbox), "--log-format", "json")
        with subprocess.Popen(
            arguments, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            deadline = time.monotonic() + PATIENCE_S
            while not half_way.wait(0.02):
                assert process.poll() is None
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    told = [event for event in events(err) if event not in {"committed", "note"}]
    assert told[-3:] == ["interrupted", "run_finished", "ended"]
    assert lines(err)[-1]["exit_code"] == 130


def test_text_stays_as_it_was_unless_a_level_is_given(small_sandbox: Sandbox, tmp_path: Path) -> None:
    plain = call("export", "a", *credentials(small_sandbox), cwd=tmp_path)
    assert plain.err.splitlines()[-1].startswith("30 of 30 conversations")
    assert len(plain.err.splitlines()) == 1
    told = call("export", "b", *credentials(small_sandbox), "--log-level", "info", cwd=tmp_path)
    assert plain.err.splitlines()[-1].split(", ")[:2] in [line.split(", ")[:2] for line in told.err.splitlines()]
    assert any(" INFO committed run=" in line for line in told.err.splitlines())
    failed = call("export", "c", "--tables", "x", "--log-level", "info", cwd=tmp_path)
    assert failed.err.startswith("conv-analytics: There is no application id")


def test_a_python_warning_is_a_line_too(
    small_sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import warnings

    from conv_analytics.cli import tables

    monkeypatch.setattr(tables, "run", lambda _: warnings.warn(f"old\nnews api_key={SECRET}", stacklevel=1) or 0)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["tables", "--log-format", "json"]) == 0
    (line,) = lines(capsys.readouterr().err)
    assert (line["event"], line["level"]) == ("py.warnings", "warning")
    assert "old news api_key=[secret]" in line["message"]


def test_a_command_leaves_logging_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONV_ANALYTICS_PROGRESS", "rich")
    logger = logging.getLogger("conv_analytics")
    before = (list(logger.handlers), logger.level, logging.getLogger().handlers[:])
    assert main(["tables", "--log-format", "json", "--log-level", "debug"]) == 0
    assert (list(logger.handlers), logger.level, logging.getLogger().handlers[:]) == before
    assert os.environ["CONV_ANALYTICS_PROGRESS"] == "rich"


def test_a_standard_error_that_is_full_ends_no_export(small_sandbox: Sandbox, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not (full.exists() and stat.S_ISCHR(full.stat().st_mode)):
        pytest.skip("there is no /dev/full here")
    arguments = forked("export", "out", *credentials(small_sandbox), "--log-format", "json", "--json")
    with full.open("w") as err:
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=err, text=True, check=False
        )
    assert json.loads(done.stdout)["status"] == "complete"
