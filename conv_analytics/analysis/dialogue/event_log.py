"""Conversations as an event log for process mining: cases, activities, instants and who did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import DatasetError
from conv_analytics.tables.column import Column

#: Updates of a leg are in the table of statuses: each status once, at its own instant.
_UPDATE = "leg:status:update"
#: Tools that draw handovers accept no null.
PLATFORM = "platform"
_CASE, _ACTIVITY, _TIME, _RESOURCE = "case:concept:name", "concept:name", "time:timestamp", "org:resource"
#: Order of statuses in the life of a leg; others come before its end.
_LIFE = {"leg:started": 1, "leg:ringing": 2, "leg:answered": 3, "leg:completed": 5, "leg:disconnected": 5}
_BETWEEN = 4
EVENT_LOG = (
    Column(_CASE, str, "The conversation."),
    Column(_ACTIVITY, str, "What happened: the type of the event, or `leg:` and a status of a leg."),
    Column(_TIME, datetime, "When."),
    Column(_RESOURCE, str, "Who did it: name or id of the user, else the member, else `platform`."),
    Column("event_id", int, "The event; for a status, the first event that reported it."),
    Column("leg_id", str, "The leg of a status."),
    Column("direction", str, "Direction of that leg."),
    Column("channel_type", str, "How that leg is connected."),
)
_EVENTS = ("conversation_id", "event_id", "type", "at", "from_member_id", "from_user_id", "from_user_name")
_STATUSES = ("conversation_id", "event_id", "status", "at", "member_id", "leg_id", "direction", "channel_type")


@question
def event_log(data: Any, conversation_id: str | None = None) -> Any:
    """Every conversation as a case of an event log, as PM4Py and other tools of process mining read it.

    The columns have the names of the XES standard (IEEE 1849), so that no conversion is needed:
    ``pm4py.discover_dfg(event_log(data))``.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``events`` or ``leg_statuses``, best with both.
    conversation_id
        One conversation alone.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per event, in order of time within each conversation; the columns are those of `EVENT_LOG`. Events
        without an instant are left out, since their place is not known.

    Raises
    ------
    DatasetError
        If there is no such conversation.

    Notes
    -----
    ``leg:status:update`` repeats the whole life of a leg each time; its statuses are separate rows here, each once,
    called ``leg:ringing``, ``leg:answered`` and so on.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-05-04T09:00Z", "2026-05-04T09:01Z"])
    >>> events = pd.DataFrame({"conversation_id": "CON-1", "event_id": [1, 2], "at": at,
    ...                        "type": ["member:joined", "message"], "from_user_name": [None, "alice"]})
    >>> event_log({"events": events})[["case:concept:name", "concept:name", "org:resource"]]
      case:concept:name   concept:name org:resource
    0             CON-1  member:joined     platform
    1             CON-1        message        alice
    """
    source = Source.of(data)
    rows = source if conversation_id is None else source.of_conversation(conversation_id)
    whole = pd.concat([_events(rows), _statuses(rows)], ignore_index=True)
    if conversation_id is not None and whole.empty:
        raise DatasetError(f"The data has no event of conversation {conversation_id!r} with an instant.")
    # Rows of one instant, such as the first statuses of a leg, are in the order of a leg's life.
    place = whole[_ACTIVITY].map(_LIFE).fillna(_BETWEEN).where(whole["leg_id"].notna(), 0)
    whole = whole.assign(place=place).sort_values(["place", _ACTIVITY, "leg_id"], kind="stable")
    return source.result_of_parts([whole], EVENT_LOG, by=(_CASE, _TIME, "event_id"))


def _events(source: Source) -> pd.DataFrame:
    frame = Rows.read(source, "events", _EVENTS, needed=() if "events" not in source.tables else _EVENTS[:4]).collect()
    frame = frame[frame["at"].notna() & ((frame["type"] != _UPDATE) | ("leg_statuses" not in source.tables))]
    who = frame["from_user_name"].fillna(frame["from_user_id"]).fillna(frame["from_member_id"])
    return pd.DataFrame({
        _CASE: frame["conversation_id"], _ACTIVITY: frame["type"], _TIME: frame["at"], _RESOURCE: who.fillna(PLATFORM),
        "event_id": frame["event_id"],
    })  # fmt: skip


def _statuses(source: Source) -> pd.DataFrame:
    needed = ("conversation_id", "leg_id", "status", "at") if "leg_statuses" in source.tables else ()
    frame = Rows.read(source, "leg_statuses", _STATUSES, needed=needed).collect()
    frame = frame[frame["at"].notna() & frame["status"].notna()].sort_values("event_id", kind="stable")
    frame = frame.drop_duplicates(["conversation_id", "leg_id", "status", "at"])
    kept = frame[["event_id", "leg_id", "direction", "channel_type"]]
    return kept.assign(**{
        _CASE: frame["conversation_id"], _ACTIVITY: "leg:" + frame["status"], _TIME: frame["at"],
        _RESOURCE: frame["member_id"].fillna(PLATFORM),
    })  # fmt: skip


__all__ = ["EVENT_LOG", "event_log"]
