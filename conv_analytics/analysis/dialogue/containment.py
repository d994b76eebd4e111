"""Containment: calls that bots resolved without a human and without a call-back (M46)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.roles import check_roles, role_of, role_of_leg
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

_ID = "conversation_id"
#: A caller who leaves a bot this soon has not been helped. [s]
ABANDON_S = 10.0
CALL_BACK_H = 24.0
CONTAINMENT = (
    Column(_ID, str, "The conversation: a bot took part."),
    Column("caller", str, "Far end of its first inbound leg; null without one."),
    Column("started_at", datetime, "When its first leg started."),
    Column("ended_at", datetime, "When its last leg ended; null while one goes on."),
    Column("bot_s", float, "How long the caller was with the bot before a human, or the end.", "s"),
    Column("human", bool, "A human was connected, or joined."),
    Column("called_back", bool, "The same caller called again within 24 hours; null where the caller is not known."),
    Column("outcome", str, "`contained`, `handoff`, `abandoned`, `called_back` or `open`."),
)
_LEGS = ("conversation_id", "leg_id", "channel_type", "direction", "member_id", "user_id", "remote_address",
         "remote_kind", "started_at", "answered_at", "ended_at", "answered", "open")  # fmt: skip
#: Those that a frame of legs must have beside its key.
_REQUIRED = tuple(name for name in _LEGS[2:] if name not in {"member_id", "user_id", "remote_kind"})


@question
def containment(
    data: Any,
    roles: Mapping[str, str] | None = None,
    *,
    abandon_s: float = ABANDON_S,
    call_back_h: float = CALL_BACK_H,
) -> Any:
    """The outcome of each call that a bot took.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with tables of calls, or a frame of legs; with ``member_events`` humans who
        join without a leg are seen.
    roles
        Id of a user or a member to ``bot``, ``human`` or ``customer``. Those not listed: a websocket leg is a bot,
        every other outbound leg that was answered is a human.
    abandon_s
        A caller who leaves this soon, without a human, has abandoned the call, which is then not contained. [s]
    call_back_h
        A caller who calls again this soon after the end was not helped either. [h]

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per conversation with a bot; the columns are those of `CONTAINMENT`. The containment rate is the share
        of ``contained`` among the rows that are not ``open``.

    Raises
    ------
    ConfigError
        If a role is unknown, or a limit negative.

    Notes
    -----
    Source: M46; Dialogflow CX counts a session as contained in the same two ways, without and with call-backs. A
    caller who calls again is recognised by the remote address; anonymous ones are not.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-05-04 09:00"] * 2, utc=True)
    >>> legs = pd.DataFrame({
    ...     "conversation_id": "CON-1", "leg_id": ["caller", "bot"], "channel_type": ["phone", "websocket"],
    ...     "direction": ["inbound", "outbound"], "started_at": at, "answered_at": at, "answered": True, "open": False,
    ...     "ended_at": at + pd.Timedelta(minutes=2), "remote_address": ["447700900123", "wss://bot.example.net"],
    ... })
    >>> containment(legs)[["bot_s", "human", "outcome"]]
       bot_s  human    outcome
    0  120.0  False  contained
    """
    roles = roles or {}
    check_roles(roles)
    if abandon_s < 0 or call_back_h < 0:
        raise ConfigError("abandon_s and call_back_h are times: they are 0 or more.")
    source = Source.of(data)
    rows = leg_rows(source, _LEGS, needed=_REQUIRED).select(*_LEGS).filter(~nw.col(_ID).is_null())
    joined = _joined(source, roles)
    parts = (_batch(batch, joined, roles, abandon_s) for batch in rows.batches())
    whole = _called_back(pd.concat(parts, ignore_index=True), call_back_h)
    return source.result_of_parts([whole[whole["bot"].astype(bool)]], CONTAINMENT, by=[_ID])


def _joined(source: Source, roles: Mapping[str, str]) -> pd.DataFrame:
    """When the first member who is known as a human joined."""
    humans = [name for name, role in roles.items() if role == "human"]
    if "member_events" not in source.tables or not humans:
        return pd.DataFrame({_ID: pd.Series(dtype="str"), "joined": pd.Series(dtype="datetime64[us, UTC]")})
    rows = Rows.read(source, "member_events", [_ID, "type", "at", "member_id", "user_id"], needed=[_ID, "type", "at"])
    human = nw.col("member_id").is_in(humans) | nw.col("user_id").is_in(humans)
    rows = rows.filter(nw.col("type") == "member:joined", is_true(human), ~nw.col(_ID).is_null())
    return rows.group([_ID], nw.col("at").min().alias("joined")).collect()


def _batch(legs: pd.DataFrame, joined: pd.DataFrame, roles: Mapping[str, str], abandon_s: float) -> pd.DataFrame:
    up = legs["answered"].fillna(value=False).astype(bool)
    listed = role_of(legs["member_id"], legs["user_id"], roles)
    role = listed.fillna(role_of_leg(legs, up)).where(legs[_ID].notna())
    inbound = legs["direction"] == "inbound"
    named = inbound & ~legs["remote_kind"].isin(["anonymous"]) & legs["remote_address"].notna()
    legs = legs.assign(
        is_bot=role == "bot", human_at=legs["answered_at"].where((role == "human") & up),
        human_leg=(role == "human") & up, caller=legs["remote_address"].where(named),
        bot_at=legs["answered_at"].where(role == "bot"), gone=legs["ended_at"].where(inbound),
        still=legs["open"].fillna(value=True).astype(bool),
    ).sort_values([_ID, "started_at", "leg_id"], kind="stable")  # fmt: skip
    rows = legs.groupby(_ID).agg(
        caller=("caller", "first"), started_at=("started_at", "min"), ended_at=("ended_at", "max"),
        bot=("is_bot", "max"), bot_at=("bot_at", "min"), human_at=("human_at", "min"), human_leg=("human_leg", "max"),
        gone=("gone", "max"), still=("still", "max"),
    ).reset_index().merge(joined, on=_ID, how="left")  # fmt: skip
    rows["human"] = rows["human_leg"] | rows["joined"].notna()
    rows["ended_at"] = rows["ended_at"].where(~rows["still"])
    until = rows["human_at"].fillna(rows["joined"]).fillna(rows["gone"]).fillna(rows["ended_at"])
    span: pd.Series[Any] = pd.Series([], dtype="float64")
    if len(rows):
        span = (until - rows["bot_at"]).dt.total_seconds()
    rows["bot_s"] = span.where(span >= 0)
    rows["outcome"] = np.where(rows["human"], "handoff", np.where(rows["still"], "open", np.where(
        rows["bot_at"].isna() | (rows["bot_s"] < abandon_s), "abandoned", "contained")))  # fmt: skip
    return rows


def _called_back(rows: pd.DataFrame, hours: float) -> pd.DataFrame:
    """Whether the same caller's next conversation began soon after the end of this one."""
    rows = rows.sort_values(["caller", "started_at", _ID], kind="stable").reset_index(drop=True)
    following = rows.groupby("caller")["started_at"].shift(-1)
    soon = following <= rows["ended_at"] + pd.Timedelta(hours=hours)
    known = rows["caller"].notna() & rows["ended_at"].notna()
    rows["called_back"] = soon.astype("boolean").where(known)
    again = (rows["outcome"] == "contained") & soon & known
    rows["outcome"] = rows["outcome"].where(~again, "called_back")
    return rows


__all__ = ["ABANDON_S", "CALL_BACK_H", "CONTAINMENT", "containment"]
