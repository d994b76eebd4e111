"""Several applications under one root: a folder each, one that fails costs no other, the exit code is the worst."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conv_analytics import Dataset, export, open_dataset
from conv_analytics.cli import main
from conv_analytics.errors import ConfigError, DatasetError, redact
from conv_analytics.exporter.applications import ApplicationConfig, export_applications, read_applications
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.sandboxes import agree, client_of, contents_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two() -> Iterator[list[Sandbox]]:
    with Sandbox(seed=1, conversations=6, days=2) as first, Sandbox(seed=2, conversations=9, days=2) as second:
        assert first.application_id != second.application_id
        yield [first, second]


def write(folder: Path, *sandboxes: Sandbox) -> Path:
    """A file of applications."""
    lines = []
    for number, sandbox in enumerate(sandboxes):
        (folder / f"{number}.pem").write_text(sandbox.private_key)
        named = {
            "id": sandbox.application_id,
            "key": f"{number}.pem",
            "host": sandbox.base_url,
            "name": f"team {number}",
        }
        lines += ["[[applications]]", *(f"{key} = {json.dumps(value)}" for key, value in named.items())]
    path = folder / "applications.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("parallel", [1, 2])
def test_each_gets_a_folder_as_if_it_were_alone(parallel: int, two: list[Sandbox], tmp_path: Path) -> None:
    file, root = write(tmp_path, *two), tmp_path / "all"
    for run in range(2):
        done = export_applications(root, file, parallel=parallel, rate=0, progress=None)
        assert [each.status for each in done] == ["complete", "complete"]
        for each, sandbox in zip(done, two, strict=True):
            assert each.folder == root / f"application_id={sandbox.application_id.lower()}"
            assert each.exported is not None
            assert each.exported.report.listed == sandbox.truth().conversations
            assert each.exported.report.unchanged == (sandbox.truth().conversations if run else 0)
            agree(contents_of(each.exported), sandbox.truth())


def test_one_that_fails_costs_no_other(two: list[Sandbox], tmp_path: Path) -> None:
    wrong = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = write(tmp_path, *two)
    (tmp_path / "0.pem").write_bytes(wrong.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = export_applications(tmp_path / "all", file, rate=0, progress=None)
    assert [each.status for each in done] == ["failed", "complete"]
    assert "401" in str(done[0].error)
    (tmp_path / "0.pem").unlink()
    done = export_applications(tmp_path / "all", file, rate=0, progress=None)
    assert [each.status for each in done] == ["failed", "complete"]
    assert isinstance(done[0].error, ConfigError)


def test_side_by_side_they_keep_the_common_rate(two: list[Sandbox], tmp_path: Path) -> None:
    for sandbox in two:
        sandbox.requests.clear()
    begin = time.monotonic()
    export_applications(tmp_path / "all", write(tmp_path, *two), parallel=5, rate=40, progress=None)
    seconds = time.monotonic() - begin
    sent = sum(len(sandbox.requests) for sandbox in two)
    # A slow machine sends fewer; the bucket of each holds a second's worth at the start.
    assert sent <= 40 * (seconds + 1)


def test_the_command_ends_with_the_worst_code_and_a_table(
    two: list[Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, root = write(tmp_path, *two), tmp_path / "all"
    name = next(iter(two[0].truth().sequence_numbers))
    command = ["export", str(root), "--config", str(file), "--rate", "0", "--retries", "0"]
    two[0].script(lambda request: request.path.startswith(f"/v1/conversations/{name}"), Reply(500, b"{}"), times=-1)
    try:
        assert main([*command, "--quiet"]) == 3
        shown = capsys.readouterr()
        lines = shown.out.splitlines()
        assert lines[0].split() == ["application", "status", "listed", "new", "events", "requests", "exit"]
        assert lines[1].split()[:4] == ["team", "0", "incomplete", "6"]
        assert lines[2].split()[:4] == ["team", "1", "complete", "9"]
        assert lines[3].startswith("team 0: ")
        assert shown.err == ""
        (tmp_path / "1.pem").write_text("no key")
        assert main([*command, "--json"]) == 2
        shown = capsys.readouterr()
        told = json.loads(shown.out)
        assert told["exit_code"] == 2
        ended = [(each["status"], each["exit_code"]) for each in told["applications"]]
        assert ended == [("incomplete", 3), ("failed", 2)]
        assert "team 0: " in shown.err
        assert "no key" not in shown.out + shown.err
    finally:
        two[0]._scripts.clear()


@pytest.mark.parametrize("flag", ["--application-id", "--private-key", "--base-url"])
def test_flags_of_one_application_are_refused(
    flag: str, two: list[Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "all"), "--config", str(write(tmp_path, *two)), flag, "x"]) == 2
    assert f"{flag} is for one application" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "all"), "--parallel", "2"]) == 2


def test_a_root_is_no_folder_of_one_application_and_the_reverse(two: list[Sandbox], tmp_path: Path) -> None:
    file = write(tmp_path, *two)
    export_applications(tmp_path / "all", file, rate=0, progress=None)
    with pytest.raises(ConfigError, match="2 applications"):
        export(client_of(two[0]), tmp_path / "all", rate=0)
    assert len(open_dataset(tmp_path / "all")["conversations"]) == sum(each.truth().conversations for each in two)
    with pytest.raises(DatasetError, match="2 applications"):
        Dataset.open(tmp_path / "all")
    export(client_of(two[0]), tmp_path / "one", rate=0)
    with pytest.raises(ConfigError, match="itself the export of one application"):
        export_applications(tmp_path / "one", file, rate=0)


@pytest.mark.parametrize(("text", "said"), [
    (None, "cannot be read"),
    ("applications = 3", "names no applications"),
    ("[[applications", "names no applications"),
    ("", "names no applications"),
    ("applications = []", "names no applications"),
    ('applications = [{id = "a", key = "k", secret = "s"}]', "unknown field `secret`"),
    ('applications = [{id = "a"}]', "either key or key_env"),
    ('applications = [{id = "a", key = "k", key_env = "E"}]', "either key or key_env"),
    ('applications = [{id = "a", key_env = "NOWHERE"}]', "NOWHERE is not set"),
    ('applications = [{id = "../a", key = "k"}]', "must be the application's UUID"),
    ('applications = [{id = "", key = "k"}]', "must be the application's UUID"),
    ('applications = [{id = "a", key = "k"}, {id = "A", key = "l"}]', "named twice"),
    ('applications = [{id = "a", key = "-----BEGIN PRIVATE KEY-----abc"}]', "Put it into a file"),
    (b"\xff\xfe", "names no applications"),
])  # fmt: skip
def test_a_wrong_file_is_refused_and_no_key_is_quoted(text: str | bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "applications.toml"
    if text is not None:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError, match=r"applications\.toml") as caught:
        read_applications(file, {})
    assert said in str(caught.value)
    assert "abc" not in str(caught.value)


def test_keys_come_from_files_and_variables(
    two: list[Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEY", two[0].private_key)
    file = write(tmp_path, two[0])
    text = file.read_text().replace('key = "0.pem"', 'key_env = "TEAM_KEY"')
    # As Windows' editor writes it.
    file.write_text(text, encoding="utf-8-sig")
    (config,) = read_applications(file)
    assert config.private_key.reveal() == two[0].private_key
    assert "PRIVATE" not in repr(config)
    assert export_applications(tmp_path / "all", [config], rate=0, progress=None)[0].status == "complete"
    assert isinstance(config, ApplicationConfig)
    assert redact(repr(config)) == repr(config)
