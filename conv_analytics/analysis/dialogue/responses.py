"""Response times: how long customers wait for the first reply and for each reply, by humans and bots (M41-M43)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.roles import check_roles, role_of
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.event_rows import without_repeats
from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.tables.column import Column

_ID = "conversation_id"
RESPONSES = (
    Column(_ID, str, "The conversation."),
    Column("turn", int, "Number of the customer's turn within it, from 1."),
    Column("messages", int, "Messages that the customer sent before a human replied, even if bots replied in between."),
    Column("asked_at", datetime, "The first of them."),
    Column("last_at", datetime, "The last of them before the reply."),
    Column("replied_at", datetime, "First reply of a human or a bot; null while there is none."),
    Column("replied_by", str, "`human` or `bot`."),
    Column("response_s", float, "Last message to that reply.", "s"),
    Column("human_at", datetime, "First reply of a human before the customer's next turn."),
    Column("human_s", float, "First message to that reply.", "s"),
    Column("open", bool, "No reply is known: censored."),
    Column("waited_s", float, "Last message to the reply, or to the end of the observation.", "s"),
)
FIRST_RESPONSES = (
    Column(_ID, str, "The conversation."),
    Column("asked_at", datetime, "First message of the customer."),
    Column("replied_at", datetime, "First message of a human after it; null while there is none."),
    Column("first_response_s", float, "The time between them.", "s"),
    Column("bot_s", float, "First message to the first reply of a bot.", "s"),
    Column("open", bool, "No human replied: censored at the end of the observation."),
    Column("waited_s", float, "Until the reply, or the end of the observation.", "s"),
    Column("close_s", float, "Last message of the customer to the last of the conversation (M43).", "s"),
)


@question
def responses(data: Any, roles: Mapping[str, str], *, other: str = "customer", until: datetime | None = None) -> Any:
    """How long customers waited for each reply.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``messages``.
    roles
        Mapping of the id of a user or a member to ``customer``, ``human`` (who answers) or ``bot``.
    other
        Role of those that are not listed.
    until
        End of the observation, with a time zone: later messages are left out. By default the last message of all.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per turn of a customer; the columns are those of `RESPONSES`.

    Raises
    ------
    ConfigError
        If a role is unknown, or `until` has no time zone.

    Notes
    -----
    Messages that a customer sends before a human replies are one turn, whatever bots say in between: a bot does not
    stop the clock. ``response_s`` begins with the last message before the first reply, ``human_s`` with the first
    message of the turn. Where only bots reply, a conversation is one turn. An open turn has no reply: use `waited_s`
    with `kaplan_meier`, as leaving it out would make replies look faster. Messages without a known sender are left out.
    Source: M42; for the first reply see `first_responses`.

    Examples
    --------
    >>> import pandas as pd
    >>> chat = pd.DataFrame({"conversation_id": "CON-1", "event_id": range(4), "from_user_id": ["c", "c", "agent", "c"],
    ...                      "at": pd.to_datetime(["2026-05-04 09:00", "2026-05-04 09:01", "2026-05-04 09:03",
    ...                                            "2026-05-04 09:09"], utc=True)})
    >>> responses({"messages": chat}, {"agent": "human"})[["turn", "messages", "response_s", "open"]]
       turn  messages  response_s   open
    0     1         2       120.0  False
    1     2         1         NaN   True
    """
    messages, until = _opened(data, roles, other, until)
    parts = (_turns(_with_roles(rows, roles, other), until) for rows in messages.batches())
    return messages.source.result_of_parts(parts, RESPONSES, by=[_ID, "turn"])


@question
def first_responses(
    data: Any, roles: Mapping[str, str], *, other: str = "customer", until: datetime | None = None
) -> Any:
    """How long each conversation's customer waited for the first human.

    Parameters
    ----------
    data, roles, other, until
        As for `responses`.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per conversation that a customer began; the columns are those of `FIRST_RESPONSES`.

    Notes
    -----
    Bots do not stop the clock, and conversations that a human or a bot began are left out. Source: M41, M43.

    Examples
    --------
    >>> import pandas as pd
    >>> chat = pd.DataFrame({"conversation_id": "CON-1", "event_id": range(3), "from_user_id": ["c", "robot", "agent"],
    ...                      "at": pd.Timestamp("2026-05-04", tz="UTC") + pd.to_timedelta([0, 60, 180], unit="s")})
    >>> first_responses({"messages": chat}, {"agent": "human", "robot": "bot"})[["first_response_s", "bot_s", "open"]]
       first_response_s  bot_s   open
    0             180.0   60.0  False
    """
    messages, until = _opened(data, roles, other, until)
    parts = (_first(_with_roles(rows, roles, other), until) for rows in messages.batches())
    return messages.source.result_of_parts(parts, FIRST_RESPONSES, by=[_ID])


def _opened(data: Any, roles: Mapping[str, str], other: str, until: datetime | None) -> tuple[Rows, pd.Timestamp]:
    """The messages with a known time up to the end of the observation, and that end."""
    check_roles({**roles, "other": other})
    names = [_ID, "event_id", "at", "from_member_id", "from_user_id"]
    rows = Rows.read(Source.of(data), "messages", names, needed=names[:3])
    rows = rows.filter(~nw.col("at").is_null(), ~nw.col(_ID).is_null())
    if until is None:
        return rows, pd.Timestamp(rows.select(nw.col("at").max()).collect()["at"].iloc[0])
    until = in_utc("until", until)
    return rows.filter(nw.col("at") <= until), pd.Timestamp(until)


def _with_roles(rows: pd.DataFrame, roles: Mapping[str, str], other: str) -> pd.DataFrame:
    """Messages in order of time, each with the role of its sender."""
    rows = without_repeats(rows, [_ID, "event_id"])
    rows = rows[rows["from_member_id"].notna() | rows["from_user_id"].notna()]
    role = role_of(rows["from_member_id"], rows["from_user_id"], roles).fillna(other)
    return rows.assign(role=role).sort_values([_ID, "at", "event_id"], kind="stable").reset_index(drop=True)


def _turns(messages: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    customer = messages["role"] == "customer"
    # Turns begin with a customer's message that is the first, or the first after a human's.
    spoke = messages["role"].where(messages["role"] != "bot").groupby(messages[_ID]).ffill()
    fresh = customer & (spoke.groupby(messages[_ID]).shift(1) != "customer")
    messages = messages.assign(turn=fresh.groupby(messages[_ID]).cumsum())
    messages, customer = messages[messages["turn"] > 0], customer[messages["turn"] > 0]
    key = [_ID, "turn"]
    questions = messages[customer].groupby(key).agg(messages=("at", "size"), asked_at=("at", "min"))
    replies = messages[~customer]
    first = replies.groupby(key).agg(replied_at=("at", "first"), replied_by=("role", "first"))
    human = replies[replies["role"] == "human"].groupby(key).agg(human_at=("at", "first"))
    # The last message before the first reply: messages after a bot's reply do not wait for it.
    replied = (~customer).groupby([messages[_ID], messages["turn"]]).cumsum() > 0
    before = messages[customer & ~replied].groupby(key).agg(last_at=("at", "max"))
    rows = questions.join(before).join(first).join(human).reset_index()
    rows["response_s"] = _seconds(rows["replied_at"], rows["last_at"])
    rows["human_s"] = _seconds(rows["human_at"], rows["asked_at"])
    rows["open"] = rows["replied_at"].isna()
    rows["waited_s"] = _seconds(rows["replied_at"].fillna(until), rows["last_at"])
    return rows


def _first(messages: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    group = messages.groupby(_ID)
    began = group["role"].transform("first") == "customer"
    messages = messages[began.astype(bool)]
    rows = messages.groupby(_ID).agg(asked_at=("at", "min"), ended_at=("at", "max")).reset_index()
    for role, name, how in (("human", "replied_at", "min"), ("bot", "bot_at", "min"), ("customer", "last_at", "max")):
        instants = messages[messages["role"] == role].groupby(_ID)["at"].agg(how).rename(name)
        rows = rows.merge(instants, on=_ID, how="left")
    rows["first_response_s"] = _seconds(rows["replied_at"], rows["asked_at"])
    rows["bot_s"] = _seconds(rows["bot_at"], rows["asked_at"])
    rows["open"] = rows["replied_at"].isna()
    rows["waited_s"] = _seconds(rows["replied_at"].fillna(until), rows["asked_at"])
    rows["close_s"] = _seconds(rows["ended_at"], rows["last_at"])
    return rows


def _seconds(later: pd.Series[Any], earlier: pd.Series[Any]) -> pd.Series[Any]:
    """The time between two instants; null when it would be negative."""
    if later.empty:
        return pd.Series([], dtype="float64")
    span: pd.Series[Any] = (later - earlier).dt.total_seconds()
    return span.where(span >= 0, np.nan)


__all__ = ["FIRST_RESPONSES", "RESPONSES", "first_responses", "responses"]
