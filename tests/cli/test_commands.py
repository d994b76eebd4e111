"""Every command and flag, in a process of its own or by `main`: results, exit codes, and what goes where."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import conv_analytics
from conv_analytics import errors
from conv_analytics.cli import demo_coverage, main
from conv_analytics.cli.entry import COMMANDS, parser
from conv_analytics.dataset import open_dataset
from conv_analytics.sandbox import CallTruth, Sandbox
from conv_analytics.tables import TABLES, dictionary
from tests import pages
from tests._helpers.command_line import command, commits, credentials, environment, forked, run
from tests._helpers.patience import PATIENCE_S

FIELDS = [
    "status",
    "tables",
    "requests",
    "retries",
    "quarantined",
    "gone",
    "seconds",
    "commit",
    "warning",
    "clock_offset_s",
    "not_probed",
    "pending",
    "planned",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _export(sandbox: Sandbox, dest: object, *arguments: object) -> int:
    return main([str(part) for part in ["export", dest, *credentials(sandbox), *arguments]])


# -- export


@pytest.mark.slow
def test_export_writes_what_the_sandbox_holds(small_sandbox: Sandbox, tmp_path: Path) -> None:
    done = run("export", tmp_path / "out", *credentials(small_sandbox))
    assert done.code == 0
    truth = small_sandbox.truth()
    for name, frame in open_dataset(tmp_path / "out").items():
        assert len(frame) == truth.rows.get(name, 0), name
    assert "complete: 30 conversations" in done.out
    assert f"{truth.events:,} events" in done.err, "progress goes to the standard error"
    assert "requests" not in done.out.split("complete")[0]


@pytest.mark.slow
def test_json_is_one_object_on_the_last_line(small_sandbox: Sandbox, tmp_path: Path) -> None:
    done = run("export", tmp_path / "out", *credentials(small_sandbox), "--json", "--quiet")
    assert (done.code, done.err) == (0, "")
    summary = done.last
    assert list(summary) == FIELDS
    assert len(done.out.splitlines()) == 1
    assert summary["status"] == "complete"
    assert summary["commit"] == 1
    assert summary["tables"]["events"] == small_sandbox.truth().events
    assert summary["requests"] > 30
    assert (summary["retries"], summary["quarantined"], summary["gone"]) == (0, 0, 0)


def test_a_second_run_adds_what_is_new(small_sandbox: Sandbox, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _export(small_sandbox, "out", "--json", "--quiet") == 0
    first = json.loads(capsys.readouterr().out)
    assert _export(small_sandbox, "out", "--json", "--quiet") == 0
    second = json.loads(capsys.readouterr().out)
    assert second["commit"] == first["commit"] + 1
    assert "events" not in second["tables"]
    assert second["requests"] < first["requests"]


def test_quiet_shows_no_progress(small_sandbox: Sandbox, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _export(small_sandbox, "out", "--quiet") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_tables_are_chosen(small_sandbox: Sandbox, here: Path) -> None:
    assert _export(small_sandbox, "some", "--tables", "hangups, conversations", "--quiet") == 0
    assert open_dataset("some").tables == ("conversations", "hangups")
    assert _export(small_sandbox, "all", "--tables", "all", "--quiet") == 0
    assert open_dataset("all").tables == tuple(name for name, table in TABLES.items() if table.listed)


def test_since_and_until_choose_conversations(small_sandbox: Sandbox, here: Path) -> None:
    created = sorted(small_sandbox.world.head(n).created for n in range(30))
    # Between two of them: whether the API's limits are inclusive is not documented.
    middle = datetime.fromtimestamp((created[14] + created[15]) / 2000, UTC)
    assert _export(small_sandbox, "late", "--since", middle.isoformat(), "--quiet") == 0
    assert _export(small_sandbox, "early", "--until", middle.isoformat(), "--quiet") == 0
    late, early = open_dataset("late")["conversations"], open_dataset("early")["conversations"]
    assert len(late) + len(early) == 30
    assert early["created_at"].max() < late["created_at"].min()


@pytest.mark.slow
def test_credentials_come_from_the_environment(small_sandbox: Sandbox, tmp_path: Path) -> None:
    variables = {
        "VONAGE_APPLICATION_ID": small_sandbox.application_id,
        "VONAGE_PRIVATE_KEY": small_sandbox.private_key,
        "VONAGE_API_HOST": small_sandbox.base_url,
    }
    done = run("export", "out", "--rate", 0, "--json", cwd=tmp_path, env=variables)
    assert done.code == 0
    assert done.last["tables"]["conversations"] == 30


@pytest.mark.slow
def test_rate_and_concurrency_are_obeyed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(conversations=5, days=2) as sandbox:
        arguments = [*credentials(sandbox), "--rate", 60, "--concurrency", 1, "--json", "--quiet", "--timeout", 5]
        assert main([str(part) for part in ["export", "out", *arguments]]) == 0
    summary = json.loads(capsys.readouterr().out)
    # A burst of five requests is free, the others come 1/60 s apart.
    assert summary["seconds"] >= (summary["requests"] - 6) / 60


@pytest.mark.slow
def test_faults_are_repeated_and_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(conversations=20, days=2, faults="5xx=0.1,reset=0.1,gone=2", quirks=True) as sandbox:
        assert _export(sandbox, "out", "--json", "--quiet") == 0
        truth = sandbox.truth()
    summary = json.loads(capsys.readouterr().out)
    assert summary["retries"] > 0
    assert summary["gone"] == 2
    assert summary["tables"]["events"] == truth.events


@pytest.mark.parametrize(("dest", "said"), [("", "DEST"), (" ", "DEST"), ("gs://bucket/exports", "s3://BUCKET/PATH")])
def test_dest_must_be_a_folder_or_a_bucket(
    dest: str, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", dest]) == 2
    assert said in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_an_unforeseen_error_is_a_sentence_or_with_debug_a_traceback(
    small_sandbox: Sandbox, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no eyJhbGciOi.eyJpYXQ.c2ln here")

    monkeypatch.setattr("conv_analytics.exporter.entry.export", broken)
    assert _export(small_sandbox, "out") == 1
    assert capsys.readouterr().err == (
        "conv-analytics: RuntimeError: no [token] here. This is a bug; --debug shows where it is.\n"
    )
    assert _export(small_sandbox, "out", "--debug") == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):\n")
    assert "in broken\n" in told
    assert "RuntimeError: no [token] here" in told
    assert "eyJ" not in told


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("wrong"), 2),
        (errors.ProxyError(407, "HTTPS_PROXY", method="GET", url="/"), 2),
        (errors.ProxyError(403, "HTTPS_PROXY", method="GET", url="/"), 2),
        (errors.ProxyError(502, "HTTPS_PROXY", method="GET", url="/"), 69),
        (errors.ProxyError(None, "HTTPS_PROXY", method="GET", url="/"), 69),
        (errors.CertificateError("expired", method="GET", url="/"), 2),
        (errors.TransportError("reset", method="GET", url="/"), 69),
        *(
            (errors.status_error("GET", "/", status, b""), 2)
            for status in (300, 301, 304, 307, 308, 401, 402, 404, 451)
        ),
        *((errors.status_error("GET", "/", status, b""), 69) for status in (408, 425, 429, 500, 503, 520, 530, 999)),
        (errors.ExportIncomplete(None), 3),
        (errors.PublishIncomplete("lake/events", "503"), 3),
        (errors.DatasetLocked("x", "y"), 75),
    ],
    ids=str,
)
@pytest.mark.parametrize("flags", [(), ("--debug",)], ids=["plain", "debug"])
def test_every_error_has_its_exit_code_with_debug_too(  # noqa: PLR0917  what the parameters and fixtures are
    error: Exception, code: int, flags: tuple[str, ...], small_sandbox: Sandbox, here: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("conv_analytics.cli.source.client_of", broken)
    monkeypatch.setattr("conv_analytics.cli.export.client_of", broken)
    assert _export(small_sandbox, "out", *flags) == code
    assert ("Traceback" in capsys.readouterr().err) is bool(flags)


# -- demo


@pytest.mark.slow
def test_demo_ends_with_a_checked_export(tmp_path: Path) -> None:
    done = run("demo", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "counts and sums equal the truth" in done.out
    assert "SIP codes: 200" in done.out
    # An export alone lacks calls, all of which coverage names; with webhooks it has them.
    alone, live = re.findall(r"has (\d+) of (\d+) legs of the call list", done.out)
    missing = int(re.search(r"missing: (\d+) transient_missed", done.out)[1])
    assert int(alone[0]) + missing == int(alone[1]) == int(live[0]) == int(live[1])
    assert "100 %; missing: none" in done.out
    assert len(pd.read_parquet(tmp_path / "demo" / "conversations")) == 200
    # It is what the documentation shows of it.
    gallery = pages.GALLERY.read_text(encoding="utf-8")
    assert pages.gallery_with(pages.shown_of_demo(done.out)) == gallery, "run `python -m tests.pages`"
    # The first thing it says to go on with works.
    line = next(line.strip() for line in done.out.splitlines() if " -c " in line)
    shown = subprocess.run(
        line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "mos_score" in shown.stdout


@pytest.fixture
def small_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world with transient calls has a few conversations: the whole one is in the demo with its defaults."""
    monkeypatch.setattr(demo_coverage, "CONVERSATIONS", 6)


@pytest.mark.slow
@pytest.mark.usefixtures("small_coverage")
def test_demo_goes_on_where_it_was(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["demo", "again", "--conversations", "12", "--seed", "3", "--quiet"]
    assert main(arguments) == 0
    assert "holds a demo already" not in capsys.readouterr().err
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "holds a demo already" in told.err
    assert "12 conversations had no new events" in told.out
    assert "equal the truth" in told.out
    assert commits(here / "again") == 2


@pytest.mark.slow
@pytest.mark.usefixtures("small_coverage")
def test_demo_says_where_coverage_differs_from_the_truth(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CallTruth, "expected_class", lambda *_, **__: "covered")
    assert main(["demo", "wrong", "--conversations", "5", "--seed", "3", "--quiet"]) == 1
    told = capsys.readouterr().out
    assert "differ from the truth of the sandbox. This is a bug:" in told
    assert re.search(r"coverage of leg \S+ in alone: transient_missed, and in truth covered", told)
    assert re.search(r"coverage of leg \S+ in live: covered_live, and in truth covered", told)


@pytest.mark.slow
@pytest.mark.usefixtures("small_coverage")
def test_demo_leaves_other_folders_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "letters").mkdir()
    (here / "letters" / "letter.txt").write_text("Dear reader")
    (here / "file").write_text("")
    (here / "spoiled").mkdir()
    (here / "spoiled" / "_demo.json").write_text("{")
    assert main(["demo", "letters"]) == 2
    assert main(["demo", "file"]) == 2
    assert main(["demo", "spoiled"]) == 2
    assert [path.name for path in (here / "letters").iterdir()] == ["letter.txt"]
    assert main(["demo", "mine", "--conversations", "3", "--quiet"]) == 0
    assert main(["demo", "mine", "--conversations", "4", "--quiet"]) == 2
    assert "holds the demo of another world" in capsys.readouterr().err


# -- tables


def test_tables_prints_the_dictionary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables"]) == 0
    overview = capsys.readouterr().out
    for name, table in TABLES.items():
        assert name in overview
        assert table.doc in overview
        assert main(["tables", name]) == 0
        columns = capsys.readouterr().out
        assert all(column.name in columns for column in table.columns)
    assert main(["tables", "hangups"]) == 0
    assert capsys.readouterr().out == dictionary.as_text([TABLES["hangups"]]) + "\n"
    assert main(["tables", "hangups", "--format", "md"]) == 0
    assert capsys.readouterr().out == dictionary.as_markdown([TABLES["hangups"]]) + "\n"
    assert main(["tables", "--format", "json"]) == 0
    assert [table["table"] for table in json.loads(capsys.readouterr().out)] == list(TABLES)


def test_a_table_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "calls"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("conv-analytics: There is no table 'calls'. Available: conversations, members")


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_failure() -> None:
    with subprocess.Popen(
        command("tables", "--format", "json"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.slow
def test_no_standard_streams_at_all(small_sandbox: Sandbox, tmp_path: Path) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    assert run("export", tmp_path / "out", *credentials(small_sandbox), before=close).code == 0
    assert commits(tmp_path / "out") == 1


@pytest.mark.slow
def test_output_for_a_terminal_that_knows_only_ascii(tmp_path: Path) -> None:
    assert "²" in run("tables", "hangups").out
    ascii_only = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert "\\xb2" in run("tables", "hangups", env=ascii_only).out


# -- help and usage


@pytest.mark.parametrize("name", [None, *(module.__name__.rpartition(".")[2] for module in COMMANDS)])
def test_help_reads_well(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*([name] if name else []), "--help"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith("usage: conv-analytics")
    assert max(map(len, told.out.splitlines())) <= 120


def test_every_flag_is_explained() -> None:
    actions = parser()._subparsers
    assert actions is not None
    for choice in actions._group_actions[0].choices.values():  # type: ignore[union-attr]
        for action in choice._actions:
            assert action.help, f"{choice.prog} {action.option_strings}"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"conv-analytics {conv_analytics.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["exprot"], "invalid choice: 'exprot'"),
        (["export"], "required: DEST"),
        (["export", "out", "--fast"], "unrecognized arguments: --fast"),
        (["export", "out", "--rate", "quick"], "argument --rate: invalid float value: 'quick'"),
        (["export", "out", "--since", "-3d"], "argument --since: expected one argument"),
        (["export", "out", "--retries", "-1"], "--retries is -1"),
        (["export", "out", "--timeout", "nan"], "--timeout is nan"),
        (["tables", "--format", "yaml"], "invalid choice: 'yaml'"),
        (["sandbox", "--faults", "fire=1"], "no fault is called 'fire'"),
        (["sandbox", "--faults", "5xx=often"], "needs a number"),
        (["sandbox", "--causes", "fire"], "'fire' is not a cause"),
        (["sandbox", "--port", "99999"], "--port is 99999; it must be from 0 to 65535"),
        (["sandbox", "--broken", "2"], "--broken is 2.0"),
        (["demo", "--conversations", "0"], "at least 1"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("conv-analytics: ")
    assert says in told.err
    assert told.err.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from conv_analytics.cli import main
for arguments in (["--help"], ["--version"], ["demo", "--help"], ["export", "--help"], ["sandbox", "--help"],
                  ["tables", "--help"], ["export", "out", "--since", "nonsense"]):
    main(arguments)
heavy = {"pandas", "pyarrow", "numpy", "httpx", "aiohttp", "asyncio", "rich", "msgspec", "cryptography", "jwt"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    done = subprocess.run([*command()[:1], "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_tables_needs_no_pandas_for_text() -> None:
    code = (
        "import sys; from conv_analytics.cli import main; main(['tables', 'events']); sys.exit('httpx' in sys.modules)"
    )
    done = subprocess.run([*command()[:1], "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- times


NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T14:30", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
        ("2026-11-20 14:30:05.25", datetime(2026, 11, 20, 14, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-11-20T14:30:00Z", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
        ("2026-11-20T14:30:00-05:00", datetime(2026, 11, 20, 19, 30, tzinfo=UTC)),
        (" 36h ", NOW - timedelta(hours=36)),
        ("7d", NOW - timedelta(days=7)),
        ("2W", NOW - timedelta(weeks=2)),
        ("0h", NOW),
        ("today", datetime(2026, 11, 21, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 20, tzinfo=UTC)),
    ],
)
def test_times_that_are_understood(text: str, expected: datetime) -> None:
    from conv_analytics.cli.times import instant

    assert instant(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "7", "d", "7m", "-7d", "7.5d", "999999w", "2026", "2026-13-01", "2026-11-31", "2026-11-20T25:00",
     "20/11/2026", "1763629200", "0001-01-01T00:00+23:00", "\u0667d", "2026-W47-5"],
)  # fmt: skip
def test_times_that_are_not(text: str) -> None:
    from conv_analytics.cli.times import ACCEPTED, instant
    from conv_analytics.errors import ConfigError

    with pytest.raises(ConfigError, match="not a point in time") as caught:
        instant(text, NOW)
    assert ACCEPTED in str(caught.value)


# -- progress on a terminal


@pytest.mark.slow
def test_a_terminal_gets_a_bar_and_results_stay_clean(small_sandbox: Sandbox, tmp_path: Path) -> None:
    import pty

    reader, terminal = pty.openpty()
    arguments = forked("export", tmp_path / "out", *credentials(small_sandbox), "--json")
    with subprocess.Popen(arguments, env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = os.read(reader, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(PATIENCE_S) == 0
    os.close(reader)
    assert json.loads(out)["status"] == "complete"
    assert b"\x1b[" in shown, "a bar is drawn with escape sequences"
    assert b"30 of 30 conversations" in shown
