"""The panel of an export, without a browser: what its buttons do, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Conversations, explore, export, export_panel, open_dataset
from conv_analytics.dataset import Dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import ConfigError
from conv_analytics.exporter import entry
from conv_analytics.exporter.application_configs import read_applications
from conv_analytics.exporter.event_objects import _paths
from conv_analytics.notebook.ladder import show_ladder
from conv_analytics.notebook.timeline.timeline import show_timeline
from conv_analytics.sandbox import Sandbox
from tests._helpers.patience import PATIENCE_S


def state(panel: Any) -> Any:
    return panel.get_state()["view_state"]


def ask(panel: Any, **message: Any) -> None:
    """What the browser sends."""
    panel.set_state({"requests": [{"n": panel.answered + 1, **message}]})


@pytest.fixture(scope="module")
def client(small_sandbox: Sandbox) -> Conversations:
    return Conversations(small_sandbox.application_id, small_sandbox.private_key, base_url=small_sandbox.base_url)


@pytest.mark.slow
def test_start_exports_and_the_explorer_shows_it(client: Conversations, tmp_path: Path) -> None:
    ended: list[Path] = []
    panel = export_panel(client, tmp_path / "first", rate=0, on_end=ended.append)
    x = explore(panel=panel)
    assert (panel.status, len(x.calls)) == ("ready", 0)
    fields = {"folder": str(tmp_path / "asked"), "since": "", "until": "", "tables": ""}
    ask(panel, do="start", fields=fields)
    assert panel.job is not None
    assert panel.job.wait(PATIENCE_S)
    assert panel.status == state(panel)["status"] == "complete"
    assert ended == [tmp_path / "asked"]
    held = open_dataset(tmp_path / "asked")
    assert len(held["conversations"]) == state(panel)["done"] == state(panel)["total"] == 30
    assert len(x.calls) == len(explore(held).calls) > 10
    html = x._repr_mimebundle_()["text/html"]
    assert "<b>complete</b>" in html
    assert "30 of 30 conversations" in html
    assert f"<b>{len(x.calls)}</b> calls" in html
    # Another look at the same folder starts with what it holds.
    assert len(explore(panel=export_panel(client, tmp_path / "asked")).calls) == len(x.calls)
    assert explore(held, client=client).panel.fields.folder == str(tmp_path / "asked")  # type: ignore[union-attr]


def test_the_period_and_the_tables_are_those_of_the_fields(client: Conversations, tmp_path: Path) -> None:
    panel = export_panel(client, tmp_path, rate=0, tz="Asia/Kolkata")
    panel.start(since="2026-11-15", until="2026-11-17", tables="conversations, members").wait(PATIENCE_S)
    held = open_dataset(tmp_path)
    report = held.commits[-1].report
    assert report["since"].startswith("2026-11-14T18:30")
    assert report["until"].startswith("2026-11-16T18:30")
    assert set(held.tables) <= {"conversations", "members"}


def test_what_cannot_be_is_said_and_starts_nothing(client: Conversations, tmp_path: Path) -> None:
    panel = export_panel(client, tmp_path)
    for fields, said in (
        ({"folder": " "}, "needs a folder"),
        ({"folder": str(tmp_path), "tables": "cals"}, "no table 'cals'"),
        ({"folder": str(tmp_path), "since": "2026-05-04", "until": "2026-05-01"}, "no time between"),
    ):
        ask(panel, do="start", fields=fields)
        assert said in state(panel)["error"]
        assert panel.job is None
    assert not list(tmp_path.iterdir())
    ask(panel, do="stop")
    assert panel.status == "ready"
    with pytest.raises(ConfigError, match="a panel has its client"):
        explore({}, client=client, panel=panel)


@pytest.mark.slow
def test_the_home_folder_is_a_place_for_exports(
    client: Conversations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    made = export(client, "~/x", rate=0, progress=False).dataset
    assert made.path == open_dataset("~/x").path == Dataset.open("~/x").path == home / "x"
    assert not [each for each in verify("~/x") if each.level is Level.ERROR]
    made.copy_to("~/copy")
    assert open_dataset(home / "copy").tables == made.tables
    ended: list[Path] = []
    x = explore(panel=export_panel(client, "~/y", rate=0, on_end=ended.append))
    assert x.panel is not None
    assert x.panel.start().wait(PATIENCE_S)
    assert (x.panel.status, ended, len(x.calls) > 10) == ("complete", [home / "y"], True)
    assert len(explore(panel=export_panel(client, "~/x")).calls) == len(x.calls)
    call = str(x.calls["conversation_id"].iloc[0])
    assert show_timeline(made, call).save("~/timeline.svg") == home / "timeline.svg"
    assert show_ladder(made, call).save("~/ladder.svg") == home / "ladder.svg"
    (home / "applications.toml").write_text('applications = [{id = "a1", key = "~/a1.key"}]')
    (config,) = read_applications("~/applications.toml")
    assert config.private_key.reveal() == str(home / "a1.key")
    (home / "dumps").mkdir()
    (home / "dumps" / "1.json").write_text("[]")
    for files in ("~/dumps", "~/dumps/1.json", "~/dumps/*.json"):
        assert _paths(files) == [home / "dumps" / "1.json"]
    assert not list(here.iterdir())


def test_an_error_of_another_kind_is_shown(
    client: Conversations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Path] = []

    async def failing(*_: object, **__: object) -> None:
        raise RuntimeError("a token eyJhbGciOi.eyJpYXQ.c2ln")

    panel = export_panel(client, tmp_path / "a", rate=0, on_end=ended.append)
    with monkeypatch.context() as patch:
        patch.setattr(entry, "run_export", failing)
        assert panel.start().wait(PATIENCE_S)
    assert (panel.status, state(panel)["status"], state(panel)["running"]) == ("failed", "failed", False)
    assert state(panel)["error"] == "RuntimeError: a token [token]"
    ask(panel, do="start", fields={"folder": "a\0b", "since": "", "until": "", "tables": ""})
    assert panel.job is not None
    assert panel.job.wait(PATIENCE_S)
    assert (state(panel)["status"], state(panel)["running"]) == ("failed", False)
    assert "ValueError" in state(panel)["error"]
    assert len(ended) == 2
    ask(panel, do="start", fields=None)
    assert "NoneType" in state(panel)["error"]


@pytest.mark.slow
def test_a_function_that_fails_at_the_end_keeps_nothing_from_being_shown(
    client: Conversations, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    panel = export_panel(client, tmp_path / "a", rate=0, on_end=lambda _: 1 // 0)
    x = explore(panel=panel)
    assert panel.start().wait(PATIENCE_S)
    assert (panel.status, state(panel)["running"]) == ("complete", False)
    assert state(panel)["error"] == "After the export: ZeroDivisionError: integer division or modulo by zero"
    assert len(x.calls) > 10
    assert "a function to call after the export failed" in caplog.text


def test_an_error_of_the_run_is_shown(client: Conversations, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    panel = export_panel(client, tmp_path / "file", rate=0)
    panel.start().wait(PATIENCE_S)
    assert panel.status == "failed"
    assert "file" in state(panel)["error"]
    assert 'class="ca-wrong"' in panel.html()
