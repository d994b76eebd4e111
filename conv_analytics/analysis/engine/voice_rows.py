"""Rows from Voice events: they count only where no other row says the same, so that no leg counts twice.

Voice events report the same about a leg as its RTC events, some milliseconds apart. So their statuses count only for
legs that have no others; where a leg's other statuses break off before its end, they supply the missing answer and end.
A billing record counts for a leg without another one; keys and recognised speech count in conversations that have none
from another source. Ids of legs are compared without dashes, and a leg has one id. The end that follows an unanswered
leg does not hide its outcome.

Nothing is read where no table has such rows: the statistics of its files say so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.expressions import is_true

#: Tables with ids of legs.
_KNOW_LEGS = ("leg_statuses", "call_events", "hangups", "call_records")
#: Tables with rows of Voice events, and the columns that identify the subject of such a row.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "leg_statuses": ("leg_id", "status"),
    "call_records": ("leg_id",),
    "audio_events": ("conversation_id", "type"),
    "transcripts": ("conversation_id",),
}
VOICE = "voice"
#: Statuses that say why a leg was not answered, and those that follow them nevertheless.
_OUTCOMES = ("failed", "busy", "timeout", "cancelled", "rejected", "unanswered")
_FOLLOWING = ("completed", "disconnected")
#: Statuses that Voice events report at once for every leg: they do not show what other sources lack.
_BEGINNING = ("started", "ringing")
_KEY = "conv_analytics_{}"


def subject_columns(table: str, columns: Collection[str]) -> tuple[str, ...] | None:
    """The columns that identify the subject of a row of Voice events; None for a table without such rows."""
    keys = _ABOUT.get(table)
    return keys if keys is not None and {"source", *keys} <= set(columns) else None


def tables_of_legs(columns: Mapping[str, Collection[str]]) -> list[str]:
    """The tables with ids of legs."""
    return [name for name in _KNOW_LEGS if "leg_id" in columns.get(name, ())]


# -- in memory


def any_of_voice(frame: pd.DataFrame) -> bool:
    """Whether a frame has rows of Voice events."""
    return bool(_of_voice(frame).any())


def _of_voice(frame: pd.DataFrame) -> pd.Series[bool]:
    if "source" not in frame.columns:
        return pd.Series(data=False, index=frame.index)
    return (frame["source"] == VOICE).fillna(value=False).astype(bool)


def _leg_key(legs: pd.Series[Any]) -> pd.Series[Any]:
    return legs.astype("str").str.replace("-", "", regex=False).str.lower()


def counting_frame(frame: pd.DataFrame, about: Sequence[str], legs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A table without the rows of Voice events that do not count.

    Parameters
    ----------
    frame
        The table, which has such rows.
    about
        The columns that identify their subject.
    legs
        The tables with ids of legs, where the rows are about legs.
    """
    of_voice = _of_voice(frame)
    keys = pd.DataFrame({name: frame[name].astype("str") for name in about}, index=frame.index)
    if "leg_id" in about:
        keys["leg_id"] = _leg_key(keys["leg_id"])
    others = keys[~of_voice].drop_duplicates()
    keep = ~of_voice | ~pd.MultiIndex.from_frame(keys).isin(pd.MultiIndex.from_frame(others))
    if "status" in about:
        over = others["leg_id"][others["status"].isin([*_OUTCOMES, *_FOLLOWING])]
        beginning = keys["status"].isin(_BEGINNING) & keys["leg_id"].isin(others["leg_id"])
        unanswered = keys["leg_id"][keys["status"].isin(_OUTCOMES)].unique()
        following = keys["status"].isin(_FOLLOWING) & keys["leg_id"].isin(unanswered)
        keep &= ~(of_voice & (beginning | following | keys["leg_id"].isin(over)))
    if not legs:
        return frame[keep]
    ids = (
        pd.concat([each.loc[~_of_voice(each), "leg_id"].drop_duplicates() for each in legs]).dropna().drop_duplicates()
    )
    written = pd.Series(ids.to_numpy(), index=_leg_key(ids).to_numpy(), dtype="str").sort_values()
    written = written[~written.index.duplicated()]
    if written.empty:
        return frame[keep]
    same = keys["leg_id"].map(written).where(of_voice).astype("str")
    return frame.assign(leg_id=same.fillna(frame["leg_id"]))[keep]


# -- as lazy frames


def is_of_voice() -> nw.Expr:
    """Whether a row is from Voice events."""
    # As text: an enumeration that lacks the word could not be compared with it.
    return nw.col("source").cast(nw.String).fill_null("") == VOICE


def counting_lazy(frame: Any, about: Sequence[str], legs: Sequence[Any]) -> Any:
    """The rows of Voice events that count: for `counting_frame`, on lazy frames."""
    columns = frame.columns
    keys = {name: _KEY.format(name) for name in about}
    keyed = frame.with_columns(_lazy_key(name).alias(key) for name, key in keys.items())
    others, mine = keyed.filter(~is_of_voice()), keyed.filter(is_of_voice())
    if "status" in about:
        mine = _of_unfinished_legs(keyed, others, mine)
    mine = mine.join(_different(others, list(keys.values())), on=list(keys.values()), how="anti")
    if legs:
        mine = mine.join(_ids_as_written(legs, keys["leg_id"]), on=keys["leg_id"], how="left")
        mine = mine.with_columns(nw.coalesce("as_written", "leg_id").alias("leg_id"))
    return mine.select(*columns)


def _lazy_key(name: str) -> nw.Expr:
    key = nw.col(name).cast(nw.String)
    return key.str.replace_all("-", "", literal=True).str.to_lowercase() if name == "leg_id" else key


def _different(frame: Any, names: Sequence[str]) -> Any:
    """The distinct values of some columns; grouped, because `unique` of narwhals would number the rows."""
    return frame.group_by(*names).agg(nw.len().alias("conv_analytics_rows")).select(*names)


def _of_unfinished_legs(keyed: Any, others: Any, mine: Any) -> Any:
    """Statuses of legs whose end or beginning no other row has; of several ends the most specific."""
    leg, status = _KEY.format("leg_id"), nw.col(_KEY.format("status"))
    over = others.filter(status.is_in([*_OUTCOMES, *_FOLLOWING]))
    mine = mine.join(_different(over, [leg]), on=leg, how="anti")
    for words, legs in ((_BEGINNING, others), (_FOLLOWING, keyed.filter(status.is_in(_OUTCOMES)))):
        excepted = is_true(status.is_in(words))
        kept = mine.filter(excepted).join(_different(legs, [leg]), on=leg, how="anti")
        mine = nw.concat([mine.filter(~excepted), kept], how="vertical")
    return mine


def _ids_as_written(legs: Sequence[Any], key: str) -> Any:
    """The ids of legs in tables of other sources, by their key."""
    ids = []
    for each in legs:
        rest = each.filter(~is_of_voice()) if "source" in each.columns else each
        ids.append(rest.select(_lazy_key("leg_id").alias(key), nw.col("leg_id").cast(nw.String).alias("as_written")))
    return nw.concat(ids, how="vertical").group_by(key).agg(nw.col("as_written").min())


__all__ = ["any_of_voice", "counting_frame", "counting_lazy", "is_of_voice", "subject_columns", "tables_of_legs"]
