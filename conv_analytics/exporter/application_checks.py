"""Checks that the clients and events of a run belong to the folder's application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.dataset.storage.application import application_of_runs, is_other, recorded_application
from conv_analytics.dataset.storage.application_folders import application_folders, is_one_dataset
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import ConfigError
from conv_analytics.exporter.event_objects import ObjectBatch
from conv_analytics.tables.broken_records import BrokenRecord, Problem
from conv_analytics.tables.webhook_bodies import outline
from conv_analytics.tables.webhooks import Received

Client = Conversations | AsyncConversations


def application_of(client: Client) -> dict[str, Any]:
    """The application that a run reads, as its commit records it.

    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=1) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    >>> application_of(client) == {"id": sandbox.application_id, "host": "127.0.0.1"}
    True
    """
    return {"id": client.application_id, "host": urlsplit(client.base_url).hostname}


def require_same_application(root: Path, client: Client, history: Iterable[Commit] | None = None) -> None:
    """Raise `ConfigError` if a folder holds another application than a client reads, or the same of another host.

    The ids of two applications do not collide, but nothing in the tables would tell their calls apart. `history` has
    the folder's commits if they were read before.
    """
    if not is_one_dataset(root) and (several := application_folders(root)):
        raise ConfigError(
            f"{Layout(root).name} has a folder for each of {len(several)} applications. Name one of these folders, or a"
            " file of applications (--config)."
        )
    recorded = recorded_application(root) if history is None else application_of_runs(history)
    mine, name = application_of(client), Layout(root).name
    if is_other(mine["id"], recorded.id):
        raise ConfigError(
            f"{name} holds the application {recorded.id}, and this one is {mine['id']}: their calls could not be told"
            " apart. Name another folder for it."
        )
    if recorded.host is not None and mine["host"] != recorded.host:
        raise ConfigError(
            f"{name} was exported from {recorded.host}, and this client reads {mine['host']}. Use --base-url (or"
            " VONAGE_API_HOST) to read from there again, or name another folder."
        )


#: Signed, or from a file that the caller named.
_TRUSTED = frozenset({"ok", None})


class OneApplication:
    """Sorts out events of other applications; without a recorded application the first event's becomes the folder's.

    An event without a valid signature decides nothing: anybody may have sent it.

    Attributes
    ----------
    id
        The folder's application; None while it is unknown.
    others
        Number of events of other applications, by application.
    """

    def __init__(self, recorded: str | None) -> None:
        self.id = recorded
        self.others = Counter[str]()

    def sort_out(self, batch: ObjectBatch) -> None:
        """Move events of other applications from the events of a batch to its broken records."""
        for received in (batch.rtc, batch.listed, batch.voice):
            mine = [event for event in received if self._belongs(event, batch)]
            if len(mine) < len(received):
                received[:] = mine

    def _belongs(self, event: Received, batch: ObjectBatch) -> bool:
        named = event.application_id or _named(event.body)
        if self.id is None and event.verification in _TRUSTED:
            self.id = named
        if not is_other(named, self.id):
            return True
        self.others[str(named)] += 1
        problem = Problem("events", "application_id", f"of the application {named}; this folder holds {self.id}")
        batch.broken.append(BrokenRecord("events", None, None, (problem,), has_row=False, raw=event.body))
        return False


def _named(body: bytes) -> str | None:
    """The application that an event names."""
    found = outline(body)
    if found is None or not found.application_id:
        return None
    try:
        return msgspec.json.decode(found.application_id, type=str).strip() or None
    except msgspec.MsgspecError:
        return None


__all__ = ["Client", "OneApplication", "application_of", "require_same_application"]
