"""Speech recognition: its confidence, and why nothing was heard (M47)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import CaseWhen, is_true
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

_ID = "conversation_id"
_KEY = [_ID, "event_id"]
#: What tells attempts apart: columns that `with_attempt` adds, and the conversation.
ATTEMPT = (_ID, "_attempt", "_attempt_of")
RECOGNITION = (
    Column(_ID, str, "The conversation."),
    Column("event_id", int, "The `audio:asr:done`."),
    Column("at", datetime, "When the recognition ended."),
    Column("leg_id", str, "Leg that was listened to."),
    Column("member_id", str, "Member that spoke, by the event."),
    Column("alternatives", int, "Number of alternatives."),
    Column("confidence", float, "Of the best, 0 to 1; null when it was not set."),
    Column("confidence_min", float, "Of the worst that was set."),
    Column("confidence_mean", float, "Mean of those that were set."),
    Column("low", bool, "The best is less sure than the limit; null when it was not set."),
    Column("outcome", str, "`heard`, `no_speech`, `cut_off` (too long), `failed` or `unknown`."),
    Column("timeout_reason", str, "Why listening ended."),
    Column("error", str, "What went wrong."),
)
#: Nobody should act on a recognition below this confidence.
LOW = 0.5


@question
def recognition(data: Any, *, low: float = LOW) -> Any:
    """One row per attempt to recognise speech, with its confidence and its outcome.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``audio_events`` or ``transcripts``, best with both.
    low
        Less than this is low confidence, 0 to 1.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        The columns are those of `RECOGNITION`.

    Raises
    ------
    ConfigError
        If `low` is not between 0 and 1.

    Notes
    -----
    A confidence of 0.0 means that none was set (as in Google's API), as does one outside 0..1: both are null, not low.
    Alternatives are ordered by the platform, the first is the best. Source: M47.

    Examples
    --------
    >>> import pandas as pd
    >>> heard = pd.DataFrame({"conversation_id": "CON-1", "event_id": [1, 1, 2], "alternative": [1, 2, 1],
    ...                       "confidence": [0.4, 0.2, 0.0]})
    >>> recognition({"transcripts": heard})[["alternatives", "confidence", "low", "outcome"]]
       alternatives  confidence   low outcome
    0             2         0.4  True   heard
    1             1         NaN  <NA>   heard
    """
    if not 0 <= low <= 1:
        raise ConfigError(f"low is {low}: confidence goes from 0 to 1.")
    return attempts(Source.of(data), low).result(RECOGNITION, by=[*_KEY, "at", "leg_id"])


def with_attempt(rows: Rows) -> Rows:
    """Rows with the columns `ATTEMPT`, never null: their event; without an id (Voice events), the instant and leg."""
    col = nw.col
    others = [name for name in rows.columns if name != "at"]
    rows = rows.with_columns(col("at").alias("_attempt_at")).with_micros("_attempt_at", suffix="")
    leg = nw.when(col("event_id").is_null()).then(col("leg_id")).fill_null("")
    number = nw.coalesce("event_id", col("_attempt_at") * -1).fill_null(-1)
    return rows.with_columns(number.alias("_attempt"), leg.alias("_attempt_of")).select(*others, "at", *ATTEMPT[1:])


def attempts(source: Source, low: float = LOW) -> Rows:
    """One row per attempt, before it is formatted as an answer."""
    col = nw.col
    both = [name for name in ("audio_events", "transcripts") if name in source.tables]
    names = [*_KEY, "at", "leg_id", "from_member_id", "alternative", "confidence", "timeout_reason"]
    heard = Rows.read(source, "transcripts", names, needed=() if both == ["audio_events"] else _KEY)
    heard = with_attempt(heard.filter(~col(_ID).is_null()))
    sure = nw.when((col("confidence") > 0) & (col("confidence") <= 1)).then(col("confidence"))
    place = col("alternative").fill_null(1)
    heard = heard.with_columns(sure.alias("sure"), place.alias("alternative")).with_columns(
        nw.when(col("alternative") == 1).then(col("sure")).alias("best")
    )
    # A repeated alternative was exported twice.
    heard = heard.group(
        [*ATTEMPT, "alternative"],
        col("sure").min(), col("best").min(), *(col(name).min() for name in ("event_id", "at", "leg_id",
                                                                             "from_member_id", "timeout_reason")),
    ).group(
        ATTEMPT,
        nw.len().alias("alternatives"), col("best").min().alias("confidence"),
        col("sure").min().alias("confidence_min"), col("sure").mean().alias("confidence_mean"),
        *(col(name).min() for name in ("event_id", "at", "leg_id", "from_member_id", "timeout_reason")),
    )  # fmt: skip
    names = [*_KEY, "type", "at", "leg_id", "from_member_id", "asr_error", "asr_timeout_reason"]
    done = Rows.read(source, "audio_events", names, needed=[*_KEY, "type"] if "audio_events" in both else ())
    done = with_attempt(done.filter(col("type") == "audio:asr:done", ~col(_ID).is_null()))
    done = done.group(ATTEMPT, *(col(name).min() for name in ("event_id", *names[3:])))
    rows = heard.join(done, on=[*ATTEMPT], how="full", suffix="_of_event")
    same = [nw.coalesce(name, f"{name}_of_event").alias(name) for name in (*_KEY, "at", "leg_id", "from_member_id")]
    why = nw.coalesce("timeout_reason", "asr_timeout_reason")
    error = nw.when(col("asr_error") != "").then(col("asr_error"))
    rows = rows.with_columns(*same, why.alias("timeout_reason"), error.alias("error"),
                             col("alternatives").fill_null(0))  # fmt: skip
    outcome = CaseWhen([
        ((col("alternatives") > 0) & is_true(col("timeout_reason") == "max_duration"), "cut_off"),
        (col("alternatives") > 0, "heard"),
        (is_true(col("timeout_reason") == "start_timeout"), "no_speech"),
        (~col("error").is_null(), "failed"),
    ], "unknown").expr()  # fmt: skip
    unsure = nw.when(~col("confidence").is_null()).then(col("confidence") < low)
    return rows.with_columns(outcome.alias("outcome"), unsure.alias("low"),
                             col("from_member_id").alias("member_id"))  # fmt: skip


__all__ = ["ATTEMPT", "LOW", "RECOGNITION", "attempts", "recognition", "with_attempt"]
