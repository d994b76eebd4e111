"""Ctrl-C and SIGTERM: what was read is kept, and the same command goes on; the sandbox serves until then."""

from __future__ import annotations

import json
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conv_analytics.dataset import open_dataset
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import ROOT, commits, credentials, environment, forked, run
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import NEVER, after, least, members_of

pytestmark = pytest.mark.slow


@contextmanager
def _started(*arguments: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that runs; killed at the end if it still does."""
    process = subprocess.Popen(
        forked(*arguments), cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _until(condition: threading.Event, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition.wait(0.02):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing happened"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_export_keeps_what_was_read(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    with Sandbox(conversations=120, days=2) as sandbox:
        truth, half_way = sandbox.truth(), after(sandbox, 180, NEVER)
        with _started("export", "out", *credentials(sandbox), "--json", cwd=tmp_path) as process:
            _until(half_way, process)
            process.send_signal(sent)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, err
        assert "Traceback" not in err
        summary = json.loads(out.splitlines()[-1])
        assert summary["status"] == "incomplete"
        # Whether there was time to commit it is the machine's affair; that it is told rightly is not.
        assert summary["commit"] == (1 if commits(tmp_path / "out") else None)
        before = len(open_dataset(tmp_path / "out")["events"]) if summary["commit"] else 0
        assert summary["tables"].get("events", 0) == before
        assert ("Nothing was committed yet" in err) == (before == 0)
        assert [path for path in (tmp_path / "out" / "_work").iterdir() if path.is_dir()] == []

        sandbox._scripts.clear()
        done = run("export", "out", *credentials(sandbox), "--json", "--quiet", cwd=tmp_path)
        assert done.code == 0, done.err
        whole = open_dataset(tmp_path / "out")
        assert {name: len(frame) for name, frame in whole.items()} == {name: truth.rows[name] for name in whole.tables}
        # Nothing that was kept is asked for again: 20 requests were in flight.
        assert done.last["requests"] <= least(truth, members_of(sandbox)) - 180 + 20
        assert done.last["tables"]["events"] == truth.events - before


def test_an_export_interrupted_before_its_first_answer(tmp_path: Path) -> None:
    with Sandbox(conversations=3, days=2) as sandbox:
        asked = after(sandbox, 0, NEVER)
        with _started("export", "out", *credentials(sandbox), "--json", cwd=tmp_path) as process:
            _until(asked, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, err
        assert json.loads(out.splitlines()[-1])["status"] == "incomplete"
        assert err.splitlines()[-1] == "conv-analytics: interrupted."


def test_the_sandbox_serves_until_ctrl_c(tmp_path: Path) -> None:
    flags = [
        "--port", 0, "--seed", 11, "--conversations", 25, "--events-shape", "list", "--latency", 1, "--rate", 500,
        "--faults", "5xx=0.02,gone=2", "--quirks", "--broken", "0.01",
    ]  # fmt: skip
    with _started("sandbox", *flags, cwd=tmp_path) as process:
        assert process.stdout is not None
        told = []
        while not any("export" in line for line in told):
            told.append(process.stdout.readline())
            assert told[-1], process.communicate()
        keys = sorted((tmp_path / "sandbox-keys").iterdir())
        assert [path.suffix for path in keys] == [".key", ".pub"]
        assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
        assert stat.S_IMODE(keys[0].parent.stat().st_mode) == 0o700
        # The line to paste works as it is.
        paste = next(line.strip() for line in told if "export" in line)
        pasted = subprocess.run(
            [*shlex.split(paste), "--json"],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert pasted.returncode == 0, pasted.stderr
        summary = json.loads(pasted.stdout)
        assert summary["tables"]["conversations"] == 25
        assert summary["gone"] == 2
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "The sandbox has ended." in err
    assert list((tmp_path / "sandbox-keys").iterdir()) == []
    # An event without an id is in no count of the truth, and is kept all the same.
    expected = Sandbox(seed=11, conversations=25, quirks=True, broken=0.01, faults="5xx=0.02,gone=2").truth()
    assert summary["tables"]["events"] == expected.events + expected.broken.get("without_id", 0)
    everything = "".join(told) + out + err
    assert "PRIVATE KEY" not in everything
    assert re.search(r"base URL +http://127\.0\.0\.1:\d+", everything)


def test_a_port_that_is_taken(small_sandbox: Sandbox, tmp_path: Path) -> None:
    port = small_sandbox.base_url.rpartition(":")[2]
    done = run("sandbox", "--port", port, cwd=tmp_path)
    assert done.code == 2
    assert f"Port {port} cannot be used: Address already in use" in done.err
    assert not (tmp_path / "sandbox-keys").exists()


def test_keys_go_elsewhere_where_the_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "sandbox-keys").write_text("a file is in the way")
    with _started("sandbox", "--port", 0, "--conversations", 1, cwd=tmp_path) as process:
        assert process.stdout is not None
        line = ""
        while not line.startswith("private key"):
            line = process.stdout.readline()
            assert line
        key = Path(line.split()[-1])
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert not key.exists()


def test_the_module_is_the_program() -> None:
    assert (ROOT / "conv_analytics" / "__main__.py").is_file()
    assert run("--version").out.startswith("conv-analytics ")


#: A command in whose midst a library is busy, as `kpi` is with a large dataset; it tells when it has begun.
BUSY = """
import sys, conv_analytics.cli.kpi as kpi
from conv_analytics.cli import main

def run(options):
    import duckdb, pyarrow, pyarrow.compute
    connection = duckdb.connect()
    connection.execute("select 1").fetchall()
    numbers = pyarrow.table({"a": range(100_000)})
    print("begun", flush=True)
    for _ in range(30):
        {busy}
    return 0

kpi.run = run
sys.exit(main(["kpi", "x", *sys.argv[1:]]))
"""
_QUERY = """connection.execute("select sum(hash(a.range) + b.range) from range(1000000) a, range(300) b").fetchall()"""
_SORT = """pyarrow.compute.sort_indices(numbers, sort_keys=[("a", "descending")]); _ = [None] * 1000"""


@pytest.mark.parametrize(
    ("busy", "flags", "sent", "code"),
    [
        (_QUERY, (), signal.SIGINT, 130),
        (_QUERY, ("--debug",), signal.SIGTERM, 143),
        (f"while True: {_SORT}", ("--debug",), signal.SIGINT, 130),
        (f"while True: {_SORT}", (), signal.SIGTERM, 143),
    ],
    ids=["duckdb, ctrl-c", "duckdb, sigterm", "pyarrow, ctrl-c", "pyarrow, sigterm"],
)
def test_a_signal_within_a_library_is_no_bug(
    busy: str, flags: tuple[str, ...], sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    script = [sys.executable, "-c", BUSY.replace("{busy}", busy), *flags]
    process = subprocess.Popen(
        script, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(sent)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert err == f"conv-analytics: {'interrupted' if code == 130 else 'terminated'}.\n"
