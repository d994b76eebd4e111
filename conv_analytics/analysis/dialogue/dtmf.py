"""DTMF: which keys were pressed after each prompt, how soon, and where callers gave up (M48)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.event_rows import without_repeats
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

_ID = "conversation_id"
PROMPTS = (
    Column(_ID, str, "The conversation."),
    Column("prompt", int, "Number of the prompt within it, from 1; 0 for keys before any prompt."),
    Column("prompt_event_id", int, "The `audio:say` or `audio:play` event of the prompt."),
    Column("prompted_at", datetime, "When it began."),
    Column("digits", str, "Keys pressed until the next prompt, in their order; empty when none."),
    Column("presses", int, "Events of keys."),
    Column("first_digit_s", float, "Beginning of the prompt to the first of them.", "s"),
    Column(
        "outcome", str, "`answered`; `timed_out`: another prompt or silence followed; `abandoned`: the caller left."
    ),
)
PATHS = (
    Column("path", str, "Keys of the whole conversation, prompt by prompt: `1>0042#`; `-` for a prompt without."),
    Column("n", int, "Conversations that took this path."),
    Column("abandoned", int, "Those that ended without an answer to the last prompt."),
)
#: A caller whose leg ends this soon after a prompt, without a key, has abandoned it. [s]
PATIENCE_S = 30.0


@question
def dtmf(data: Any, *, menus_only: bool = True, patience_s: float = PATIENCE_S) -> Any:
    """The keys pressed after each prompt.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``audio_events``; with ``hangups`` abandoned prompts are known.
    menus_only
        Leave out conversations without any key: their prompts are announcements rather than questions.
    patience_s
        A prompt without a key is abandoned when someone hangs up within this time after it began, and no other prompt
        came first.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per prompt; the columns are those of `PROMPTS`.

    Raises
    ------
    ConfigError
        If `patience_s` is negative.

    Notes
    -----
    A prompt is a text that is read out or a file that is played. Keys are ordered by ``dtmf_seq`` within an instant,
    then by number; a repeat with the same ``dtmf_seq`` of the same leg within a second counts once. Source: M48.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("audio:say", 0, None), ("audio:dtmf", 4, "1"), ("audio:say", 5, None), ("audio:say", 15, None)]
    >>> events = pd.DataFrame(rows, columns=["type", "at", "digits"]).assign(conversation_id="CON-1", event_id=range(4))
    >>> events["at"] = pd.Timestamp("2026-05-04", tz="UTC") + pd.to_timedelta(events["at"], unit="s")
    >>> dtmf({"audio_events": events})[["prompt", "digits", "first_digit_s", "outcome"]]
       prompt digits  first_digit_s    outcome
    0       1      1            4.0   answered
    1       2                   NaN  timed_out
    2       3                   NaN  timed_out
    """
    source = Source.of(data)
    return source.result_of_parts(_parts(source, patience_s, menus_only=menus_only), PROMPTS, by=[_ID, "prompt"])


@question
def dtmf_paths(data: Any, *, patience_s: float = PATIENCE_S) -> Any:
    """The paths through a menu, and how many conversations took each.

    Parameters
    ----------
    data, patience_s
        As for `dtmf`.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per path; the columns are those of `PATHS`.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("audio:say", 0, None), ("audio:dtmf", 4, "1"), ("audio:play", 5, None)]
    >>> events = pd.DataFrame(rows, columns=["type", "at", "digits"]).assign(conversation_id="CON-1", event_id=range(3))
    >>> events["at"] = pd.Timestamp("2026-05-04", tz="UTC") + pd.to_timedelta(events["at"], unit="s")
    >>> dtmf_paths({"audio_events": events})
      path  n  abandoned
    0  1>-  1          0
    """
    source = Source.of(data)
    parts = []
    for rows in _parts(source, patience_s, menus_only=True):
        rows["step"] = rows["digits"].where(rows["digits"] != "", "-")
        each = rows.groupby(_ID).agg(path=("step", ">".join), last=("outcome", "last"))
        parts.append(each.assign(abandoned=each["last"] == "abandoned", n=1))
    whole = pd.concat(parts).groupby("path")[["n", "abandoned"]].sum().reset_index()
    return source.result_of_parts([whole], PATHS, by=["path"])


def _parts(source: Source, patience_s: float, *, menus_only: bool) -> Iterator[pd.DataFrame]:
    if patience_s < 0:
        raise ConfigError(f"patience_s is {patience_s}: it is a time in seconds, 0 or more.")
    names = [_ID, "event_id", "type", "at", "leg_id", "digits", "dtmf_seq"]
    rows = Rows.read(source, "audio_events", names, needed=names[:4])
    rows = rows.filter(nw.col("type").is_in(["audio:say", "audio:play", "audio:dtmf"]), ~nw.col("at").is_null(),
                       ~nw.col(_ID).is_null())  # fmt: skip
    ends = None
    if "hangups" in source.tables:
        hangups = Rows.read(source, "hangups", [_ID, "at"]).filter(~nw.col("at").is_null())
        wanted = rows.select(_ID).unique()
        ends = hangups.join(wanted, on=_ID, how="inner").collect()
    return (_prompts(batch, ends, patience_s, menus_only=menus_only) for batch in rows.batches())


def _prompts(rows: pd.DataFrame, ends: pd.DataFrame | None, patience_s: float, *, menus_only: bool) -> pd.DataFrame:
    rows = without_repeats(rows, [_ID, "event_id"])
    rows = rows.assign(key=rows["type"] == "audio:dtmf").sort_values(
        [_ID, "at", "key", "dtmf_seq", "event_id"], kind="stable"
    )
    rows = rows[~_repeated(rows)].reset_index(drop=True)
    if menus_only:
        rows = rows[rows.groupby(_ID)["key"].transform("any").astype(bool)].reset_index(drop=True)
    rows["prompt"] = (~rows["key"]).groupby(rows[_ID]).cumsum()
    key = [_ID, "prompt"]
    keys = rows[rows["key"]].assign(digits=rows["digits"].fillna("?"))
    prompts = rows[~rows["key"]].set_index(key)[["event_id", "at"]]
    prompts.columns = pd.Index(["prompt_event_id", "prompted_at"])
    pressed = keys.groupby(key).agg(digits=("digits", "".join), presses=("at", "size"), first_at=("at", "min"))
    outcomes = prompts.join(pressed, how="outer").reset_index()
    outcomes["digits"] = outcomes["digits"].fillna("")
    outcomes["presses"] = outcomes["presses"].fillna(0)
    outcomes["first_digit_s"] = _seconds(outcomes["first_at"], outcomes["prompted_at"])
    silent = np.where(_hung_up(outcomes, ends, patience_s), "abandoned", "timed_out")
    outcomes["outcome"] = np.where(outcomes["presses"] > 0, "answered", silent)
    return outcomes


def _repeated(rows: pd.DataFrame) -> pd.Series[Any]:
    """Keys that two events report."""
    key = [_ID, "leg_id", "dtmf_seq", "digits"]
    known = rows["key"] & rows["dtmf_seq"].notna()
    apart = rows[known].groupby(key, dropna=False)["at"].diff()
    return (apart < pd.Timedelta(seconds=1)).reindex(rows.index, fill_value=False)


def _hung_up(prompts: pd.DataFrame, ends: pd.DataFrame | None, patience_s: float) -> Any:
    """Prompts on which a caller hung up: the last of the conversation, with a hangup soon after."""
    if ends is None or prompts.empty:
        return np.zeros(len(prompts), dtype=bool)
    last = prompts["prompt"] == prompts.groupby(_ID)["prompt"].transform("max")
    pairs = prompts.reset_index(names="row")[["row", _ID, "prompted_at"]].merge(ends, on=_ID)
    waited = _seconds(pairs["at"], pairs["prompted_at"])
    return last & prompts.index.isin(pairs.loc[waited.between(0, patience_s), "row"])


def _seconds(later: pd.Series[Any], earlier: pd.Series[Any]) -> pd.Series[Any]:
    return (later - earlier).dt.total_seconds() if len(later) else pd.Series([], dtype="float64")


__all__ = ["PATHS", "PATIENCE_S", "PROMPTS", "dtmf", "dtmf_paths"]
