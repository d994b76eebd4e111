"""The recipes of the reference are true: parsed, checked field by field, and run where this machine can."""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from conv_analytics.cli.entry import parser
from conv_analytics.cli.exits import Exit
from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.errors import APIError, AuthError
from conv_analytics.exporter.report import Report
from conv_analytics.sandbox import Sandbox
from tests._helpers.call_list import call, listing
from tests._helpers.listeners import until
from tests._helpers.patience import PATIENCE_S
from tests._helpers.program_server import program

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "notebooks" / "reference" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)}
SCHEDULERS = ("cron", "systemd", "Airflow", "Prefect", "GitHub Actions", "Container file", "Kubernetes")
AGAIN, NEVER_AGAIN = (3, 69), (1, 2, 75, 130, 143)

PROGRAM = "/opt/conv-analytics/bin/conv-analytics"
INTRODUCTION = next(iter(SECTIONS))
SEVERAL = "Several applications"
UPGRADE, LISTENER = "After an upgrade, and once a year", "A listener"
#: Every fenced block of the page. One that is not here has no test.
BLOCKS = [
    (INTRODUCTION, "ini"), ("cron", "crontab"), ("cron", "sh"), ("systemd", "ini"), ("systemd", "ini"),
    ("Airflow", "python"), ("Prefect", "python"), ("GitHub Actions", "yaml"), ("Container file", "dockerfile"),
    ("Container file", "gitignore"), ("Container file", "sh"), ("Kubernetes", "yaml"), (LISTENER, "ini"),
    (LISTENER, "nginx"), (LISTENER, "sh"), (LISTENER, "yaml"), (LISTENER, "python"), ("Logs", "json"),
    (SEVERAL, "toml"), (SEVERAL, "python"), (SEVERAL, "python"),
    ("What to watch", "sh"), ("What to watch", "python"), *[(UPGRADE, "sh")] * 4,
]  # fmt: skip


def _found() -> list[tuple[str, str, str]]:
    fence = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(name, *match.groups()) for name, part in SECTIONS.items() for match in fence.finditer(part)]


def _block(section: str, language: str, number: int = 0) -> str:
    return [text for name, spoken, text in _found() if (name, spoken) == (section, language)][number]


def _table(section: str) -> dict[int, str]:
    """The last column of a section's table of exit codes, by code."""
    rows = re.findall(r"^\| ([\d, ]+) \|(?:.*\|)? (.+) \|$", SECTIONS[section], re.MULTILINE)
    codes = [(int(code), text) for cell, text in rows for code in cell.split(",")]
    assert len({code for code, _ in codes}) == len(codes)
    return dict(codes)


# -- a machine like the one that the recipes are for


@dataclass(frozen=True)
class Machine:
    """The paths of the recipes, below a folder of the test."""

    root: Path
    sandbox: Sandbox

    @property
    def state(self) -> Path:
        return self.root / "var/lib/conv-analytics"

    @property
    def exports(self) -> Path:
        return self.state / "exports"

    def moved(self, text: str) -> str:
        """What the text of a recipe says, about this machine."""
        for path in ("/opt/conv-analytics", "/etc/conv-analytics", "/var/lib/conv-analytics", "/usr/local/bin"):
            text = text.replace(path, f"{self.root}{path}")
        return text

    def installed(self, path: str, text: str) -> Path:
        """Write a file of this machine, executable where it is a script."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            file.chmod(0o755)
        return file

    def ends_with(self, code: int) -> None:
        """Replace the program by one that notes its call and ends with a code."""
        output = '{"status": "complete"}' if code == 0 else ""
        self.installed(PROGRAM, f"#!/bin/sh\necho called >>'{self.root}/calls'\necho '{output}'\nexit {code}\n")

    def calls(self, what: str = "calls") -> list[str]:
        file = self.root / what
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a scheduler: next to none."""
        tools = [str(self.root / "tools"), str(self.root / "opt/conv-analytics/bin"), "/usr/bin", "/bin"]
        return {"PATH": os.pathsep.join(tools), "HOME": str(self.root)} | more

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.environment(**more), capture_output=True, encoding="utf-8", check=False
        )


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox(seed=7, conversations=3) as sandbox:
        yield sandbox


@pytest.fixture
def machine(world: Sandbox, tmp_path: Path) -> Machine:
    made = Machine(tmp_path, world)
    made.state.mkdir(parents=True)
    made.installed(PROGRAM, program())
    made.installed("tools/sleep", f"#!/bin/sh\necho \"$1\" >>'{tmp_path}/pauses'\n")
    made.installed("etc/conv-analytics/private.key", world.private_key)
    text = _block(INTRODUCTION, "ini")
    for name, value in (("APPLICATION_ID", world.application_id), ("API_HOST", world.base_url)):
        text, replaced = re.subn(rf"(?m)^(VONAGE_{name})=.+$", rf"\g<1>={value}", text)
        assert replaced == 1
    made.installed("etc/conv-analytics/env", made.moved(text))
    made.installed("usr/local/bin/nightly-export", made.moved(_block("cron", "sh")))
    return made


def _complete(machine: Machine, last_line: str, *, commits: int = 1) -> None:
    report = json.loads(last_line)
    assert report["status"] == "complete"
    assert report["tables"]["conversations"] == 3
    assert len(list((machine.exports / "_commits").glob("*.json"))) == commits


# -- the page


def test_every_block_has_a_test() -> None:
    assert [(name, language) for name, language, _ in _found()] == BLOCKS
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_a_folder_is_replayed_copied_and_replaced(machine: Machine) -> None:
    for _ in range(2):
        assert machine.run("/bin/sh", "-c", machine.moved(_cron_command())).returncode == 0
    again, to_copy, compacted = (_block(UPGRADE, "sh", number) for number in range(3))
    assert "Nothing to do." in machine.run("/bin/sh", "-ec", machine.moved(again)).stdout
    assert machine.run("/bin/sh", "-ec", machine.moved(to_copy)).returncode == 0
    shutil.rmtree(machine.state / "exports-new")
    done = machine.run("/bin/sh", "-ec", machine.moved(compacted))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((machine.exports / "_commits").glob("*.json"))) == 1
    assert machine.run("/bin/sh", "-c", machine.moved(_cron_command())).returncode == 0
    # Before the copy two exports, each with the coverage after it; two more after it.
    assert sorted(path.name for path in (machine.exports / "_commits").iterdir()) == [
        "000005.json", "000006.json", "000007.json",
    ]  # fmt: skip


@pytest.mark.parametrize("section", ["Exit codes", *SCHEDULERS])
def test_a_recipe_says_what_each_exit_code_leads_to(section: str) -> None:
    # Recipes are of exports, which break no rule: 4 is of `check` and `report`.
    assert list(_table(section)) == [code.value for code in Exit if code is not Exit.BEYOND]


def test_no_other_code_is_named() -> None:
    named = {int(code) for code in re.findall(r"(?:exit|error) codes? (\d+)", PAGE)}
    assert named >= {3, 75}
    assert named <= set(Exit)


def test_the_fields_to_watch_are_those_of_the_report() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", SECTIONS["What to watch"], re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(Report().summary())


def _command_lines() -> list[str]:
    """What follows the name of the program, to the end of the command."""
    names = "|".join(_commands())
    return re.findall(rf"(?<![\w-])conv-analytics ((?:{names})\b(?:\"\$[^\"\n]*\"|[^\n`;>|\"])*)", PAGE)


def _commands() -> dict[str, argparse.ArgumentParser]:
    group = parser()._subparsers
    assert group is not None
    choices = group._group_actions[0].choices
    assert isinstance(choices, dict)
    return choices


def test_every_command_line_is_accepted() -> None:
    lines = _command_lines()
    assert len(lines) >= 5
    for line in lines:
        options = parser().parse_args(shlex.split(line))
        if options.command == "export":
            assert options.json, line
            assert options.quiet, line
            assert not options.allow_empty, line
            assert options.private_key is None, "a key is no argument"
    assert {line.split()[0] for line in lines} == {
        "compact", "coverage", "doctor", "export", "ingest", "listen", "plan", "replay", "status", "verify",
    }  # fmt: skip


def test_flags_in_the_text_exist() -> None:
    known = {flag for command in _commands().values() for action in command._actions for flag in action.option_strings}
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    of_others = {"--rm", "--restart", "--now", "--from-file", "--url"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose))
    assert named > of_others
    assert named - of_others <= known


def test_no_secret_is_in_the_page() -> None:
    assert "-----BEGIN" not in PAGE
    assert not re.search(r"[A-Za-z0-9+/]{60,}", PAGE)


# -- cron


def _cron_fields(fields: list[str]) -> None:
    """Check the five fields of a schedule."""
    assert len(fields) == 5, fields
    for field, (low, high) in zip(fields, [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)], strict=True):
        for part in field.split(","):
            match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
            assert match, part
            assert all(low <= int(number) <= high for number in match.groups() if number), part
    assert fields[0] != "0", "full hours are busy"


def test_every_schedule_is_one() -> None:
    schedules = re.findall(r"(?:schedule=|cron=|cron: |schedule: )\"([^\"]+)\"", PAGE)
    assert len(schedules) == 5
    for schedule in schedules:
        _cron_fields(schedule.split())
    with pytest.raises(AssertionError):
        _cron_fields(["17", "24", "*", "*", "*"])


def _cron_command() -> str:
    setting, line = _block("cron", "crontab").splitlines()
    assert re.fullmatch(r"MAILTO=\S+@example\.com", setting)
    *fields, command = line.split(maxsplit=5)
    _cron_fields(fields)
    assert "%" not in command, "cron reads it as the end of the line"
    assert "flock" not in _block("cron", "sh")
    return command


def test_cron_exports(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    command = machine.moved(_cron_command())
    done = machine.run("/bin/sh", "-c", command)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "no mail"
    log = machine.state / "nightly.jsonl"
    _complete(machine, log.read_text(encoding="utf-8").splitlines()[-1], commits=2)
    assert (machine.state / "last-complete").is_file()
    assert "no leg" in (machine.state / "last-coverage").read_text(encoding="utf-8")

    assert machine.run("/bin/sh", "-c", command).returncode == 0
    first, second = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    assert second["commit"] > first["commit"], "null means that nothing was committed, also on a quiet night"
    assert second["requests"] < first["requests"]
    exec(compile(machine.moved(_block("What to watch", "python")), "recipes.md", "exec"), {})
    assert capsys.readouterr().out.count("complete") == 2


def test_cron_mails_about_missing_calls(machine: Machine) -> None:
    began = datetime.now(UTC) - timedelta(hours=3)
    with listing(machine.sandbox, [call("leg-1", "CON-transient", began, began + timedelta(minutes=1))]) as host:
        env = machine.root / "etc/conv-analytics/env"
        text = env.read_text(encoding="utf-8").replace(machine.sandbox.base_url, host.base_url)
        env.write_text(text, encoding="utf-8")
        done = machine.run("/bin/sh", "-c", machine.moved(_cron_command()))
    assert done.returncode == 0
    assert done.stdout.startswith("More than one call of a hundred is missing")
    assert "leg-1" in done.stdout
    assert "4477009001" not in done.stdout


def test_cron_mails_about_a_wrong_key(machine: Machine) -> None:
    machine.installed("etc/conv-analytics/private.key", "no key")
    done = machine.run("/bin/sh", "-c", machine.moved(_cron_command()))
    assert done.returncode == Exit.USAGE
    assert "ended with exit code 2" in done.stdout
    assert "private key" in done.stdout
    assert not (machine.state / "last-complete").exists()
    assert machine.calls("pauses") == []


def test_cron_needs_no_flock(machine: Machine) -> None:
    layout = Layout(machine.exports)
    layout.work.mkdir(parents=True)
    lock = WriterLock(layout)
    lock.acquire()
    try:
        done = machine.run("/bin/sh", "-c", machine.moved(_cron_command()))
    finally:
        lock.release()
    assert done.returncode == Exit.LOCKED
    assert f"process {os.getpid()}" in done.stdout
    assert machine.calls("pauses") == []


@pytest.mark.parametrize("code", Exit)
def test_cron_repeats_what_can_be_repeated(machine: Machine, code: int) -> None:
    machine.ends_with(code)
    done = machine.run("/bin/sh", "-c", machine.moved(_cron_command()))
    assert done.returncode == code
    # After a complete export, coverage.
    assert len(machine.calls()) == (3 if code in AGAIN else 2 if code == 0 else 1)
    assert machine.calls("pauses") == (["900"] * 2 if code in AGAIN else [])
    assert (machine.state / "last-complete").exists() == (code == 0)
    assert (f"exit code {code}" in done.stdout) == (code != 0)


@pytest.mark.parametrize(("age_h", "code"), [(1, 0), (35, 0), (37, 1), (None, 1)])
def test_the_check_tells_when_it_is_time(machine: Machine, age_h: int | None, code: int) -> None:
    script = machine.installed("usr/local/bin/check-export", machine.moved(_block("What to watch", "sh")))
    if age_h is not None:
        noted = machine.state / "last-complete"
        noted.touch()
        then = noted.stat().st_mtime - age_h * 3600
        os.utime(noted, (then, then))
    done = machine.run(str(script))
    assert done.returncode == code
    assert bool(done.stdout) == (code != 0)
    assert done.stderr == ""


# -- systemd


def _unit(number: int, section_of_page: str = "systemd") -> dict[str, dict[str, list[str]]]:
    """Sections, keys and values; a key may come more than once."""
    unit: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in _block(section_of_page, "ini", number).splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            assert line.endswith("]")
            assert line[1:-1] not in unit
            section = unit.setdefault(line[1:-1], {})
            continue
        key, separator, value = line.partition("=")
        assert separator, line
        assert re.fullmatch(r"[A-Z]\w+", key), line
        section.setdefault(key, []).append(value)
    return unit


def test_the_service_says_what_the_page_says() -> None:
    unit = _unit(0)
    service = unit["Service"]
    assert set(unit) == {"Unit", "Service"}
    assert service["Type"] == ["oneshot"]
    assert service["Restart"] == ["on-failure"]
    assert service["RestartPreventExitStatus"][0].split() == [str(code) for code in NEVER_AGAIN]
    assert unit["Unit"]["StartLimitBurst"] == ["4"], "once, and at most three times again"
    assert "SuccessExitStatus" not in service
    assert service["User"] != ["root"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["StateDirectory"] == ["conv-analytics"], "else the folder could not be written to"


def test_the_timer_makes_up_for_missed_nights() -> None:
    unit = _unit(1)
    assert unit["Timer"]["Persistent"] == ["true"]
    assert unit["Timer"]["OnCalendar"] == ["*-*-* 02:17:00 UTC"]
    assert unit["Install"]["WantedBy"] == ["timers.target"]
    names = [_block("systemd", "ini", number).splitlines()[0] for number in (0, 1)]
    assert [Path(name).name for name in names] == ["conv-analytics.service", "conv-analytics.timer"]


def test_the_service_exports(machine: Machine) -> None:
    service = _unit(0)["Service"]
    name, source = service["LoadCredential"][0].split(":")
    held = machine.root / "credentials"
    held.mkdir()
    shutil.copy(machine.moved(source), held / name)
    # The file that EnvironmentFile names is for root and the service; the key there is not.
    lines = Path(machine.moved(service["EnvironmentFile"][0])).read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    Path(given["VONAGE_PRIVATE_KEY"]).unlink()
    (start,) = service["ExecStart"]
    done = machine.run(*shlex.split(machine.moved(start).replace("%d", str(held))), **given)
    assert done.returncode == 0, done.stderr
    _complete(machine, done.stdout.splitlines()[-1])
    (after,) = service["ExecStartPost"]
    assert machine.run(*shlex.split(machine.moved(after))).returncode == 0
    assert (machine.state / "last-complete").is_file()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze; .ci/run installs it")
def test_systemd_accepts_the_units(machine: Machine) -> None:
    units = machine.root / "units"
    units.mkdir()
    paths = []
    for part, number in (("systemd", 0), ("systemd", 1), (LISTENER, 0)):
        text = _block(part, "ini", number)
        path = units / Path(text.splitlines()[0]).name
        path.write_text(text.replace(PROGRAM, f"{machine.root}{PROGRAM}"), encoding="utf-8")
        paths.append(str(path))
    done = machine.run("systemd-analyze", "verify", *paths)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    Path(paths[0]).write_text(_block("systemd", "ini").replace("PrivateTmp", "PrivatTmp"))
    assert "PrivatTmp" in machine.run("systemd-analyze", "verify", *paths).stderr, "verify would tell"


# -- Python


@pytest.mark.parametrize(
    ("section", "number", "imported"),
    [
        ("Airflow", 0, {"json", "datetime", "airflow.sdk"}),
        ("Prefect", 0, {"json", "os", "subprocess", "prefect"}),
        ("What to watch", 0, {"pandas"}),
        (LISTENER, 0, {"contextlib", "conv_analytics.live", "starlette.applications", "starlette.routing"}),
        (SEVERAL, 0, {"datetime", "airflow.sdk", "conv_analytics.exporter.applications"}),
        (SEVERAL, 1, {"datetime", "dagster", "conv_analytics.exporter.applications"}),
    ],
)
def test_python_compiles_and_defines_what_it_uses(section: str, number: int, imported: set[str]) -> None:
    text = _block(section, "python", number)
    tree = ast.parse(text)
    compile(tree, section, "exec")
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules == imported
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E9,F", "-"]
    for code, clean in ((text, True), (f"{text}\nnobody_defined_this\n", False)):
        done = subprocess.run(command, input=code, capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode == 0) is clean, done.stdout + done.stderr


class Called:
    """A decorator that remembers its options and gives the function back."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}
        self.functions: dict[str, Callable[..., Any]] = {}
        self.bash = self

    def __call__(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        def remember(given: Callable[..., Any]) -> Callable[..., Any]:
            self.options[given.__name__], self.functions[given.__name__] = options, given
            return given

        return remember if function is None else remember(function)


def _executed(
    machine: Machine, section: str, module: str, monkeypatch: pytest.MonkeyPatch, *, number: int = 0, **names: Any
) -> dict[str, Any]:
    """Execute a recipe with a stand-in for its scheduler."""
    fake = types.ModuleType(module)
    vars(fake).update(names)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], fake)
    monkeypatch.setitem(sys.modules, module, fake)
    space: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(machine.moved(_block(section, "python", number)), section, "exec"), space)
    return space


# -- several applications


@pytest.fixture
def several(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of applications of the recipe, with the test's two applications, one of which has expired keys."""
    text = _block(SEVERAL, "toml").replace('host = "eu"', f'host = "{machine.sandbox.base_url}"')
    text = text.replace('key = "support.key"', f'key = "support.key"\nhost = "{machine.sandbox.base_url}"')
    text = text.replace("00000000-0000-4000-8000-000000000000", machine.sandbox.application_id)
    machine.installed("etc/conv-analytics/support.key", machine.sandbox.private_key)
    monkeypatch.setenv("SALES_PRIVATE_KEY", machine.sandbox.private_key)
    return machine.installed("etc/conv-analytics/applications.toml", text)


def test_several_applications_are_exported_by_one_command(machine: Machine, several: Path) -> None:
    (command,) = re.findall(r"^`conv-analytics (export \S+ --config .*?)`", SECTIONS[SEVERAL], re.MULTILINE | re.DOTALL)
    done = machine.run(f"{machine.root}{PROGRAM}", *machine.moved(command).split(), SALES_PRIVATE_KEY="nothing.pem")
    told = json.loads(done.stdout)
    assert [each["status"] for each in told["applications"]] == ["complete", "failed"]
    assert done.returncode == told["exit_code"] == 2
    assert told["applications"][0]["folder"].endswith(f"all/application_id={machine.sandbox.application_id}")
    assert several.is_file()


def test_airflow_exports_each_application(machine: Machine, several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mapped(Called):
        """Runs a mapped task for each of its arguments, and notes what became of it."""

        def __call__(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
            given = super().__call__(function, **options)
            if function is not None:
                return given

            def decorated(function: Callable[..., Any]) -> Any:
                given(function)
                return types.SimpleNamespace(
                    expand=lambda application: ended.extend(map(outcome(function), application))
                )

            return decorated

    def outcome(function: Callable[..., Any]) -> Callable[[str], Any]:
        def run(application: str) -> Any:
            try:
                return function(application)
            except APIError as error:
                return error

        return run

    ended: list[Any] = []
    task = Mapped()

    def dag(**_options: Any) -> Callable[..., Any]:
        return lambda function: function

    _executed(machine, SEVERAL, "airflow.sdk", monkeypatch, number=0, dag=dag, task=task)
    assert task.options["export_one"]["retries"] == 3
    assert ended[0] == machine.sandbox.truth().rows["events"]
    # The other application has no such key.
    assert isinstance(ended[1], AuthError)
    assert several.is_file()


def test_dagster_refuses_a_night_that_has_expired(
    machine: Machine, several: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailureError(Exception):
        def __init__(self, what: str, **_options: Any) -> None:
            super().__init__(what)

    named: dict[str, Any] = {"Failure": FailureError, "MaterializeResult": lambda metadata: metadata}
    named |= {"asset": lambda **_options: lambda function: function, "AssetExecutionContext": object}
    for name in ("MultiPartitionsDefinition", "StaticPartitionsDefinition", "DailyPartitionsDefinition"):
        named[name] = lambda *given, **options: (given, options)
    asset = _executed(machine, SEVERAL, "dagster", monkeypatch, number=1, **named)["conversations"]

    def night(days_ago: int, application: str) -> Any:
        begin = (datetime.now(UTC) - timedelta(days=days_ago)).date().isoformat()
        keys = types.SimpleNamespace(keys_by_dimension={"application": application, "night": begin})
        return asset(types.SimpleNamespace(partition_key=keys))

    assert night(1, machine.sandbox.application_id)["events"] == machine.sandbox.truth().rows["events"]
    with pytest.raises(FailureError, match="has lost"):
        night(3, machine.sandbox.application_id)
    with pytest.raises(FailureError, match="401"):
        night(1, "00000000-0000-4000-8000-000000000001")
    assert several.is_file()


def test_airflow_exports(machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    dag, task = Called(), Called()

    class Tasks(Called):
        def __call__(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
            task(function, **options)
            return lambda _output: None

    plain = Tasks()
    plain.bash = task
    _executed(machine, "Airflow", "airflow.sdk", monkeypatch, dag=dag, task=plain)
    options = dag.options["conv_analytics_nightly"]
    assert options["catchup"] is False
    assert options["max_active_runs"] == 1
    assert options["start_date"].tzinfo is not None
    bash = task.options["export_night"]
    assert bash["retries"] == 3
    assert bash["execution_timeout"].total_seconds() == 6 * 3600
    assert bash["retry_delay"].total_seconds() == 900
    assert bash["skip_on_exit_code"] == Exit.LOCKED

    command = task.functions["export_night"]()
    done = machine.run("/bin/bash", "-c", command)
    assert done.returncode == 0, done.stderr
    last = (done.stdout + done.stderr).splitlines()[-1]  # Airflow mixes the two
    _complete(machine, last)
    look = task.functions["look"]
    look(last)
    assert capsys.readouterr().out == ""
    look(json.dumps(json.loads(last) | {"quarantined": 2}))
    assert "2 records" in capsys.readouterr().out


@pytest.mark.parametrize("code", Exit)
def test_airflow_sees_the_exit_code(machine: Machine, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    machine.ends_with(code)
    (command,) = re.findall(r'"(set -a; .*?)"\n\s+"(exec .*?)"', _block("Airflow", "python"))
    assert machine.run("/bin/bash", "-c", machine.moved("".join(command))).returncode == code
    assert len(machine.calls()) == 1


class State:
    """A state of Prefect: its result is the value, or is raised."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure

    def result(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def prefect(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    task = Called()
    space = _executed(machine, "Prefect", "prefect", monkeypatch, flow=Called(), task=task)
    assert task.options["export_night"]["retries"] == 3
    assert task.options["export_night"]["retry_condition_fn"] is space["repeating_helps"]
    environment: Mapping[str, str] = space["ENVIRONMENT"]
    assert Path(environment["VONAGE_PRIVATE_KEY"]) == machine.root / "etc/conv-analytics/private.key"
    given = {"VONAGE_APPLICATION_ID": machine.sandbox.application_id, "VONAGE_API_HOST": machine.sandbox.base_url}
    assert set(environment) == {*given, "VONAGE_PRIVATE_KEY"}
    space["ENVIRONMENT"] = {**environment, **given}
    return space


def test_prefect_exports(machine: Machine, prefect: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    prefect["conv_analytics_nightly"]()
    printed = capsys.readouterr().out
    _complete(machine, json.dumps(ast.literal_eval(printed)))


@pytest.mark.parametrize("code", Exit)
def test_prefect_repeats_what_can_be_repeated(machine: Machine, prefect: dict[str, Any], code: int) -> None:
    machine.ends_with(code)
    failure = None
    result = None
    try:
        result = prefect["export_night"]()
    except prefect["ExportFailed"] as failed:
        failure = failed
    assert (failure is None) == (code in {0, 75})
    assert str(failure) == ("None" if failure is None else f"the export ended with exit code {code}")
    assert (result == {"status": "complete"}) == (code == 0)
    assert prefect["repeating_helps"](None, None, State(failure)) == (code in {3, 69, 130, 143})
    assert not prefect["repeating_helps"](None, None, State(KeyError("something else")))


def test_prefect_passes_the_end_on(machine: Machine, prefect: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "#!/bin/sh\ntrap 'echo committed >ended; exit 143' TERM\necho begun >begun\nwhile :; do /bin/sleep 0.05; done\n"
    )
    machine.installed(PROGRAM, text)
    monkeypatch.chdir(machine.root)

    def interrupted(_process: object, *_arguments: object, **_options: object) -> None:
        late = time.monotonic() + 120
        while not (machine.root / "begun").exists():
            assert time.monotonic() < late
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prefect["export_night"]()
    assert machine.calls("ended") == ["committed"]


# -- GitHub Actions


def _workflow() -> dict[Any, Any]:
    (workflow,) = yaml.safe_load_all(_block("GitHub Actions", "yaml"))
    assert isinstance(workflow, dict)
    return workflow


def _steps() -> list[dict[str, Any]]:
    steps = _workflow()["jobs"]["export"]["steps"]
    assert isinstance(steps, list)
    return steps


def test_the_workflow_keeps_the_folder() -> None:
    workflow = _workflow()
    # `on` is a truth value in YAML 1.1.
    assert set(workflow[True]) == {"schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert workflow["jobs"]["export"]["timeout-minutes"] < 360, "what GitHub allows"
    uses = [step["uses"].split("@")[0] for step in _steps() if "uses" in step]
    cache = ["actions/cache/restore", "actions/cache/save"]
    assert uses == ["actions/checkout", "actions/setup-python", *cache, "actions/upload-artifact"]
    restore, save, artifact = (step for step in _steps() if re.search("cache|artifact", step.get("uses", "")))
    assert restore["with"]["key"] == save["with"]["key"]
    assert save["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert {step["with"]["path"] for step in (restore, save, artifact)} == {"exports"}
    for step in (save, artifact):
        assert step["if"].startswith("always() && hashFiles('exports/_commits/*.json')"), "also when incomplete"
    assert artifact["with"]["retention-days"] <= 90


def test_the_workflow_gives_the_key_to_one_step_only() -> None:
    assert [step.get("name") for step in _steps() if "secrets." in json.dumps(step)] == ["Export"]
    assert "secrets." not in json.dumps({name: part for name, part in _workflow().items() if name != "jobs"})
    export = next(step for step in _steps() if step.get("name") == "Export")
    assert export["env"]["VONAGE_PRIVATE_KEY"] == "${{ secrets.VONAGE_PRIVATE_KEY }}"
    assert "${{" not in export["run"], "an expression in a script is pasted into it"


def _export_step(machine: Machine) -> subprocess.CompletedProcess[str]:
    # As GitHub calls it for `shell: bash`.
    export = next(step for step in _steps() if step.get("name") == "Export")
    assert export["shell"] == "bash"
    script = machine.installed("step.sh", export["run"])
    given = {"VONAGE_APPLICATION_ID": machine.sandbox.application_id, "VONAGE_PRIVATE_KEY": machine.sandbox.private_key}
    assert set(export["env"]) == set(given)
    host = {"VONAGE_API_HOST": machine.sandbox.base_url}
    return machine.run("/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", str(script), **given, **host)


def test_the_workflow_exports(machine: Machine) -> None:
    done = _export_step(machine)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "complete"
    assert list((machine.root / "exports" / "_commits").glob("*.json"))


@pytest.mark.parametrize("code", Exit)
def test_the_workflow_repeats_what_can_be_repeated(machine: Machine, code: int) -> None:
    machine.ends_with(code)
    done = _export_step(machine)
    assert done.returncode == code
    assert machine.calls("pauses") == (["300"] * 2 if code in AGAIN else [])
    assert len(machine.calls()) == (3 if code in AGAIN else 1)
    assert (f"::error::The export ended with exit code {code}" in done.stdout) == (code != 0)


# -- container file


def _instructions() -> list[tuple[str, str]]:
    lines = [line for line in _block("Container file", "dockerfile").splitlines() if line]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_file_line_by_line() -> None:
    known: dict[str, str] = {
        "FROM": r"python:3\.\d+-slim( AS build)?",
        "COPY": r"\. /src|--from=build (/opt/conv-analytics) \1",
        "RUN": r"(python -m venv|useradd) .+",
        "ENV": r"(\w+=\S+ ?)+",
        "USER": r"10001:10001",
        "VOLUME": r"/exports",
        "STOPSIGNAL": r"SIGTERM",
        "ENTRYPOINT": r"\[.+\]",
        "CMD": r"\[.+\]",
    }
    instructions = _instructions()
    for word, rest in instructions:
        assert re.fullmatch(known[word], rest), f"{word} {rest}"
    assert {word for word, _ in instructions} == set(known)
    words = [word for word, _ in instructions]
    assert words[-5:] == ["USER", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"], "nothing runs as root after that"
    assert words.count("FROM") == 2, "the sources stay behind"
    assert not re.search("VONAGE|KEY|SECRET|TOKEN|PASSWORD", _block("Container file", "dockerfile"))


def test_every_run_of_the_container_file_is_shell() -> None:
    runs = [rest for word, rest in _instructions() if word == "RUN"]
    assert len(runs) == 2
    for rest in runs:
        assert subprocess.run(["/bin/sh", "-n", "-c", rest], check=False).returncode == 0, rest
    commands = [shlex.split(command)[0] for rest in runs for command in rest.split("&&")]
    assert commands == ["python", "/opt/conv-analytics/bin/pip", "useradd", "install"]
    made = shlex.split(runs[1].split("&&")[0])
    assert made[made.index("--uid") + 1] == "10001", "the user of USER"


def test_the_container_runs_an_export() -> None:
    parts = {word: rest for word, rest in _instructions() if word in {"ENTRYPOINT", "CMD"}}
    program, *arguments = [*json.loads(parts["ENTRYPOINT"]), *json.loads(parts["CMD"])]
    assert program == "conv-analytics"
    options = parser().parse_args(arguments)
    assert (options.dest, options.json, options.quiet) == ("/exports", True, True)


def test_keys_and_exports_stay_out_of_the_build() -> None:
    ignored = set(_block("Container file", "gitignore").splitlines())
    assert ignored >= {".vonagerc", "**/*.key", "**/*.pem", "exports", "demo", "sandbox-keys"}


def test_docker_run_mounts_the_key() -> None:
    words = shlex.split(_block("Container file", "sh").replace("\\\n", " "))
    assert words[:2] == ["docker", "run"]
    assert words[-1] == "conv-analytics"
    mounts = [dict(part.partition("=")[::2] for part in words[at + 1].split(",")) for at in _at(words, "--mount")]
    key, exports = mounts
    assert "readonly" in key
    assert exports["dst"] == "/exports"
    assert {words[at + 1] for at in _at(words, "--env")} == {
        "VONAGE_APPLICATION_ID", f"VONAGE_PRIVATE_KEY={key['dst']}",
    }  # fmt: skip
    assert int(words[words.index("--stop-timeout") + 1]) >= 60
    flags = {"--rm", "--read-only", "--tmpfs", "--cap-drop", "--security-opt", "--stop-timeout", "--mount", "--env"}
    assert {word for word in words if word.startswith("--")} == flags


def _at(words: list[str], flag: str) -> list[int]:
    return [at for at, word in enumerate(words) if word == flag]


# -- Kubernetes


def _objects() -> tuple[dict[str, Any], dict[str, Any]]:
    claim, job = yaml.safe_load_all(_block("Kubernetes", "yaml"))
    assert (claim["kind"], job["kind"]) == ("PersistentVolumeClaim", "CronJob")
    return claim, job


def test_the_cronjob_repeats_what_can_be_repeated() -> None:
    spec = _objects()[1]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    job = spec["jobTemplate"]["spec"]
    hours = sorted(map(int, spec["schedule"].split()[1].split(",")))
    gaps = [(later - hour) % 24 for hour, later in zip(hours, hours[1:] + hours[:1], strict=True)]
    assert job["activeDeadlineSeconds"] < min(gaps) * 3600
    ignore, fail = job["podFailurePolicy"]["rules"]
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert fail["action"] == "FailJob"
    codes = fail["onExitCodes"]
    assert (codes["operator"], codes["values"]) == ("In", [Exit.BUG, Exit.USAGE, Exit.LOCKED])
    pod = job["template"]["spec"]
    assert codes["containerName"] == pod["containers"][0]["name"]
    assert pod["restartPolicy"] == "Never", "which podFailurePolicy needs"
    assert job["backoffLimit"] == 3
    assert pod["terminationGracePeriodSeconds"] >= 60


def test_the_pod_has_the_key_as_a_file_and_the_folder_on_a_volume() -> None:
    claim, cron_job = _objects()
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts) == set(volumes)
    assert Path(variables["VONAGE_PRIVATE_KEY"]).parent == Path(mounts["key"]["mountPath"])
    assert mounts["key"]["readOnly"] is True
    assert volumes["key"]["secret"]["defaultMode"] == 0o440
    secret = volumes["key"]["secret"]["secretName"]
    file = Path(variables["VONAGE_PRIVATE_KEY"]).name
    assert f"kubectl create secret generic {secret} --from-file={file}" in PAGE
    assert volumes["exports"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert parser().parse_args(container["args"]).dest == mounts["exports"]["mountPath"]
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    users = [rest for word, rest in _instructions() if word == "USER"]
    assert users == [f"{security['runAsUser']}:{security['runAsGroup']}"]
    assert security["fsGroup"] == security["runAsGroup"], "else the key could not be read"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


# -- a listener


@contextlib.contextmanager
def _running(machine: Machine, command: list[str], mark: str, **more: str) -> Iterator[str]:
    """A server in a process of its own, which ends by SIGTERM; gives the URL that it prints after a mark."""
    output = machine.root / "server.log"
    with output.open("wb") as log:
        server = subprocess.Popen(
            command, cwd=machine.root, env=machine.environment(**more), stdout=log, stderr=subprocess.STDOUT
        )
    found = re.compile(rf"{mark}(http://127\.0\.0\.1:\d+)")
    try:
        until(lambda: server.poll() is not None or found.search(output.read_text(encoding="utf-8")) is not None)
        match = found.search(output.read_text(encoding="utf-8"))
        assert match, output.read_text(encoding="utf-8")
        yield match[1]
    finally:
        server.terminate()
        try:
            assert server.wait(PATIENCE_S) in {0, -15}, output.read_text(encoding="utf-8")
        finally:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _listen_command(machine: Machine) -> list[str]:
    """What the service starts, at any free port."""
    service = _unit(0, LISTENER)["Service"]
    name, _source = service["LoadCredential"][0].split(":")
    machine.installed(f"credentials/{name}", machine.sandbox.signature_secret)
    (start,) = service["ExecStart"]
    for variable, value in (
        ("%d", f"{machine.root}/credentials"),
        ("${VONAGE_APPLICATION_ID}", machine.sandbox.application_id),
    ):
        assert variable in start
        start = start.replace(variable, value)
    return [*shlex.split(machine.moved(start)), "--port", "0"]


def _events(machine: Machine) -> set[tuple[str, int]]:
    frame = open_dataset(machine.exports)["events"].dropna(subset=["event_id"])
    return set(zip(frame["conversation_id"], frame["event_id"].astype(int), strict=True))


def test_the_service_of_the_listener_takes_events_and_ends_in_order(machine: Machine) -> None:
    service = _unit(0, LISTENER)["Service"]
    assert service["Restart"] == ["always"]
    assert service["RestartPreventExitStatus"] == [str(int(Exit.USAGE))]
    assert service["User"] == _unit(0)["Service"]["User"]
    deliveries = machine.sandbox.deliveries()
    with _running(machine, _listen_command(machine), "rtc events +") as url:
        assert not machine.sandbox.push(url, deliveries).refused
    listed = {(each.conversation_id, each.event_id) for each in deliveries if each.interface == "rtc" and each.listed}
    assert _events(machine) >= {key for key in listed if key[1] is not None}


def test_a_folder_is_copied_while_its_listener_receives(machine: Machine) -> None:
    assert machine.run("/bin/sh", "-c", machine.moved(_cron_command())).returncode == 0
    early, late = (machine.sandbox.deliveries(ordinals=each) for each in ((0,), (1, 2)))
    every_2_s = [*_listen_command(machine), "--commit-every", "2s"]
    with _running(machine, every_2_s, "rtc events +") as url:
        machine.sandbox.push(url, early)
        block = machine.moved(_block(UPGRADE, "sh", 3))
        # The rest arrives while the copy is made, by which time the folder is locked.
        during = block.replace("conv-analytics verify exports-new", "conv-analytics verify exports-new; : >copied; "
                               "while [ ! -e received ]; do /bin/sleep 0.05; done")  # fmt: skip
        assert during != block
        copying = subprocess.Popen(["/bin/sh", "-ec", during], cwd=machine.root, env=machine.environment())
        until(lambda: copying.poll() is not None or (machine.state / "copied").exists())
        assert copying.poll() is None
        assert not machine.sandbox.push(url, late).refused
        (machine.state / "received").touch()
        assert copying.wait(PATIENCE_S) == 0
    assert machine.run(f"{machine.root}{PROGRAM}", "ingest", str(machine.exports)).returncode == 0
    assert not list((machine.exports / "_inbox").glob("*.segment"))
    voice = [each for each in (*early, *late) if each.interface == "voice"]
    assert open_dataset(machine.exports).rows("voice_events") == len(voice) > 0


def test_nginx_passes_on_webhooks_alone() -> None:
    text = _block(LISTENER, "nginx")
    assert text.count("{") == text.count("}") == 2
    (pattern,) = re.findall(r"^location ~ (\S+) \{$", text, re.MULTILINE)
    (source, target) = re.findall(r"rewrite (\S+) (\S+) break;", text)[0]
    paths = ("rtc", "voice", "voice/eu", "metrics", "healthz", "rtcx")
    asked = [f"/vonage/{path}" for path in paths if re.search(pattern, f"/vonage/{path}")]
    passed = {path: re.sub(source, target.replace("$1", r"\1"), path) for path in asked}
    assert passed == {"/vonage/rtc": "/rtc", "/vonage/voice": "/voice", "/vonage/voice/eu": "/voice/eu"}
    assert "return 503;" in text, "the code that asks for another attempt"
    assert all(line.endswith((";", "{", "}")) for line in text.splitlines()[1:])


def test_the_listener_in_a_container_reads_its_secret() -> None:
    words = shlex.split(_block(LISTENER, "sh").replace("\\\n", " "))
    image = words.index("conv-analytics")
    options = parser().parse_args(words[image + 1 :])
    mounts = [dict(part.partition("=")[::2] for part in words[at + 1].split(",")) for at in _at(words, "--mount")]
    secret, exports = mounts
    assert (options.secret_file, options.dest) == (secret["dst"], exports["dst"])
    assert "readonly" in secret
    assert words[words.index("--publish") + 1] == f"127.0.0.1:{options.port}:{options.port}"
    assert options.host == "0.0.0.0"
    assert "'/src[live]'" in _block("Container file", "dockerfile")


def test_the_deployment_of_the_listener() -> None:
    deployment, service = yaml.safe_load_all(_block(LISTENER, "yaml"))
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    options = parser().parse_args(container["args"])
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts) == set(volumes)
    assert options.dest == mounts["exports"]["mountPath"]
    assert Path(options.secret_file).parent == Path(mounts["secret"]["mountPath"])
    assert options.port == container["ports"][0]["containerPort"]
    secret = volumes["secret"]["secret"]["secretName"]
    assert f"kubectl create secret generic {secret} --from-file={Path(options.secret_file).name}" in PAGE
    assert "httpGet" not in container["livenessProbe"], "a full disk is not mended by a restart"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    claim, cron_job = _objects()
    assert volumes["exports"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    other = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == other["securityContext"], "one user, one folder"
    assert container["securityContext"] == other["containers"][0]["securityContext"]
    assert container["image"] == other["containers"][0]["image"]


def test_a_web_server_of_your_own_takes_events_with_two_workers(machine: Machine) -> None:
    text = _block(LISTENER, "python")
    (identity,) = re.findall(r'application_ids=\["(\S+)"\]', text)
    machine.installed("webhooks.py", machine.moved(text).replace(identity, machine.sandbox.application_id))
    (command,) = re.findall(r"`(uvicorn .+)`", text)
    words = [sys.executable, "-m", *shlex.split(command), "--port", "0"]
    more = {"VONAGE_SIGNATURE_SECRET": machine.sandbox.signature_secret, "PYTHONPATH": str(ROOT)}
    deliveries = machine.sandbox.deliveries()
    with _running(machine, words, "running on ", **more) as url:
        # Workers that fail are started again for ever.
        log = machine.root / "server.log"
        until(lambda: "Traceback" in log.read_text(encoding="utf-8") or _answers(f"{url}/vonage/healthz"))
        assert not machine.sandbox.push(f"{url}/vonage", deliveries).refused
    assert machine.run(f"{machine.root}{PROGRAM}", "ingest", str(machine.exports)).returncode == 0
    listed = {(each.conversation_id, each.event_id) for each in deliveries if each.interface == "rtc" and each.listed}
    assert _events(machine) >= {key for key in listed if key[1] is not None}
