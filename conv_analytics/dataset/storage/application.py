"""A folder belongs to one application: its runs record the application and the host."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from conv_analytics.dataset.storage.commit import Commit, commits
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import ConfigError


class RecordedApplication(NamedTuple):
    """The application of a folder, as recorded by its runs."""

    id: str | None
    host: str | None
    """None if everything was live or from files."""


def recorded_application(root: Path) -> RecordedApplication:
    """The application of a folder; without an id for a new folder, and for one of versions that did not record it."""
    return application_of_runs(commits(Layout(root)))


def application_of_runs(history: Iterable[Commit]) -> RecordedApplication:
    """The application according to the commits of a folder, oldest first."""
    named: dict[str, str] = {}
    for commit in with_carried(history):
        recorded: Mapping[str, Any] = commit.report.get("application") or {}
        named |= {key: value for key, value in recorded.items() if value}
    return RecordedApplication(named.get("id"), named.get("host"))


def is_other(application_id: str | None, recorded: str | None) -> bool:
    """Whether two ids name different applications; an unknown id names none.

    >>> is_other("A1", "a1"), is_other(None, "a1"), is_other("b2", "a1")
    (False, False, True)
    """
    return application_id is not None and recorded is not None and application_id.lower() != recorded.lower()


def require_one_application(root: Path, application_ids: Collection[str]) -> None:
    """Raise `ConfigError` if a listener would store events that do not belong to its folder."""
    if len({each.lower() for each in application_ids}) > 1:
        raise ConfigError(
            f"A folder belongs to one application, and {len(application_ids)} are named. Start a listener for each,"
            " with a folder of its own."
        )
    recorded = recorded_application(root)
    for named in application_ids:
        if is_other(named, recorded.id):
            raise ConfigError(
                f"{Layout(root).name} holds the application {recorded.id}, not {named}. Name another folder for it."
            )


__all__ = ["RecordedApplication", "application_of_runs", "is_other", "recorded_application", "require_one_application"]
