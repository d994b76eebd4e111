"""Checks of a folder before a run: interrupted commits, its tables, its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.storage.commit import Commit, commits, promised
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import ConfigError


def commit_finished_runs(root: Path) -> None:
    """Commit the runs of a folder that were killed when only their commit was missing."""
    if any(promised(staging) for staging in Layout(root).runs()):
        DatasetWriter(root, datetime.now(UTC).date(), ()).abandon()


def selected_tables(history: Sequence[Commit]) -> tuple[str, ...] | None:
    """The tables that earlier runs wrote to a folder, from its commits, oldest first; None for a new folder."""
    return tuple(history[-1].report["selected"]) if history else None


def resolve_tables(
    root: Path, requested: tuple[str, ...] | None, history: Sequence[Commit] | None = None
) -> tuple[str, ...] | None:
    """The tables to export to a folder; raise `ConfigError` when it has others than those requested.

    A watermark says up to which event a conversation is complete, and would be wrong for a table that is added later.
    `history` has the folder's commits if they were read before.
    """
    recorded = selected_tables(list(commits(Layout(root))) if history is None else history)
    name = Layout(root).name
    if recorded and requested and set(recorded) != set(requested):
        raise ConfigError(
            f"{name} holds the tables {', '.join(recorded)}. Leave --tables out to go on with these,"
            " or export others to another folder."
        )
    return recorded or requested


class RecordedMask(NamedTuple):
    """The mask of a folder that has commits."""

    settings: Mapping[str, Any] | None
    """None for no mask."""


def recorded_mask(root: Path) -> RecordedMask | None:
    """The mask of a folder; None for a new folder, which may get any."""
    reports = [commit.report for commit in with_carried(commits(Layout(root)))]
    recorded = next((report["mask"] for report in reversed(reports) if "mask" in report), None)
    return RecordedMask(recorded) if reports else None


def require_same_mask(root: Path, requested: Mapping[str, Any] | None) -> None:
    """Raise `ConfigError` unless a folder has the requested mask: with another one its values would not join.

    Parameters
    ----------
    root
        The folder.
    requested
        The settings of the requested mask; None for no mask.
    """
    found = recorded_mask(root)
    if found is None or found.settings == requested:
        return
    recorded, name = found.settings, Layout(root).name
    if recorded is None:
        raise ConfigError(
            f"{name} was exported without a mask, and what it holds is not masked. Export to another folder,"
            " and delete this one when it is no longer needed."
        )
    rules = ",".join(f"{kind}={action}" for kind, action in recorded["rules"].items())
    if requested is None:
        raise ConfigError(f"{name} is masked. Go on with --mask {rules} and the key {recorded['key_id']}.")
    if recorded["key_id"] != requested["key_id"]:
        raise ConfigError(
            f"{name} was masked with the key {recorded['key_id']}, this one is {requested['key_id']}: equal values"
            " would no longer have equal tokens. Use that key, or export to another folder."
        )
    raise ConfigError(f"{name} was masked by other rules. Go on with --mask {rules}, or export to another folder.")
