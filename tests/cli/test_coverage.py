"""`conv-analytics coverage`: what it prints, what it masks, and when it fails."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conv_analytics import export, open_dataset
from conv_analytics.cli import main
from conv_analytics.sandbox import Sandbox
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, transient=0.3, other_region=0.1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def exported(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody's folder: each test has a copy of its own."""
    folder = tmp_path_factory.mktemp("exported") / "exports"
    export(client_of(sandbox), folder, rate=0, progress=None)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "exports"))


@pytest.fixture
def run(sandbox: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    connection = ["--application-id", sandbox.application_id, "--private-key", str(sandbox.key_path), "--rate", "0"]

    def run(*arguments: str, dest: str | None = None) -> tuple[int, str, str]:
        code = main(["coverage", dest or str(folder), "--base-url", sandbox.base_url, *connection, *arguments])
        return code, *capsys.readouterr()

    return run


def test_the_missing_legs_are_printed_masked_and_all_of_them_as_json(sandbox: Sandbox, run: Run, folder: Path) -> None:
    exported = set(open_dataset(folder)["events"]["conversation_id"])
    lost = {leg.leg_id for leg in sandbox.truth().calls if leg.conversation_id not in exported}
    code, out, err = run("--since", "2026-11-10")
    assert (code, err) == (0, "")
    assert f"missing, wholly or in part: {len(lost):,} legs" in out
    assert re.search(rf"transient_missed +{len(lost)}", out)
    assert not re.search(r"[0-9]{10,}", re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", out))
    code, out, _ = run("--since", "2026-11-10", "--json", "--base-url", sandbox.other_region_url)
    answer = json.loads(out)
    assert (code, answer["status"], answer["incomplete"]) == (0, "complete", {})
    assert {leg["leg_id"] for leg in answer["missing"]} == lost
    classes = {leg["leg_id"]: leg["coverage_class"] for leg in answer["missing"]}
    elsewhere = {leg.leg_id for leg in sandbox.truth().calls if leg.other_region and not leg.transient}
    assert {leg for leg, name in classes.items() if name == "other_region"} == elsewhere != set()
    assert answer["k"] + len(lost) == answer["n"] == sum(answer["classes"].values())
    assert all("***" in leg["from"] or "#" in leg["from"] for leg in answer["missing"])
    _, unmasked, _ = run("--since", "2026-11-10", "--json", "--unmasked")
    assert any(re.fullmatch("[0-9]{10,15}", leg["from"]) for leg in json.loads(unmasked)["missing"])


def test_below_the_limit_it_fails_and_says_so(run: Run) -> None:
    code, out, _ = run("--since", "2026-11-10", "--fail-under", "99%")
    assert code == 3
    assert "The share is below 99%." in out
    assert run("--since", "2026-11-10", "--fail-under", "0.1")[0] == 0
    # Nothing was listed since: there is no share that could be too low.
    code, out, _ = run("--since", "1h", "--fail-under", "100%")
    assert (code, "no leg" in out) == (0, True)


def test_a_host_that_cannot_be_read_is_incomplete(run: Run, sandbox: Sandbox) -> None:
    code, out, _ = run("--since", "2026-11-10", "--base-url", f"{sandbox.base_url}/nowhere", "--retries", "0")
    assert code == 3
    assert "not read to the end" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-under", "150%"], "--fail-under is '150%'"),
        (["--fail-under", "most"], "--fail-under is 'most'"),
        (["--since", "soon"], "not a point in time"),
        (["--since", "today", "--until", "yesterday"], "not before until"),
        (["--until", "2026-11-01", "--since", "2026-11-02"], "not before until"),
        (["--tz", "Mars/Base"], "not a time zone"),
        (["--rate", "-1"], "rate is -1"),
        (["--base-url", "ftp://x"], "not a URL, host name or region"),
        (["--mask-key-file", "x"], "--mask, which is missing"),
        (["--mask"], "key"),
    ],
)
def test_wrong_arguments_are_usage_and_leave_the_folder(
    run: Run, folder: Path, arguments: list[str], message: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(open_dataset(folder).commits) == 1


def test_a_folder_that_is_none_is_usage(run: Run, tmp_path: Path) -> None:
    code, _, err = run(dest=str(tmp_path / "nothing"))
    assert (code, "holds no export" in err) == (2, True)
