"""Messages: their state per recipient, the funnel, and how long delivery takes (M44, M45)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.data import Data, question
from conv_analytics.analysis.engine.event_rows import by_event
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.maths.stats import rates
from conv_analytics.analysis.maths.survival import aalen_johansen
from conv_analytics.instants import micros
from conv_analytics.tables.column import Column

STATES = ("submitted", "delivered", "seen", "rejected", "undeliverable")
RECEIPTS = (
    Column("conversation_id", str, "The conversation."),
    Column("message_event_id", int, "The message: its event_id."),
    Column("recipient", str, "Member that it went to; null for a message without any receipt."),
    Column("sender", str, "Member that sent it; null where the message itself is not in the data."),
    Column("sent_at", datetime, "When it was sent."),
    *(Column(f"{state}_at", datetime, f"When it was {state}; null where no receipt says so.") for state in STATES),
    *(Column(state, bool, f"Whether it was {state}; a later state implies the earlier ones.") for state in STATES),
    Column("imputed", int, "How many of these were inferred from later states."),
    Column("state", str, "`sent`, or the state that it ended in."),
    Column("latency_s", float, "Submitted (else sent) to delivered; null while that is not known.", "s"),
    Column("flags", str, "`clock`: delivered before it was submitted. `contradicted`: delivered and refused."),
)


@question
def receipts(data: Any) -> Any:
    """The state of each message for each recipient.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``messages`` or ``message_statuses``, best with both.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per message and recipient, and one per message without any receipt; the columns are those of `RECEIPTS`.

    Notes
    -----
    Seen implies delivered, delivered implies submitted; both are inferred where receipts are missing, and counted
    in ``imputed``. Not seen is not the same as unread: receipts are optional. Of repeated receipts the first counts.
    Source: M44.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-05-04 09:00:02", "2026-05-04 09:00:09"], utc=True)
    >>> statuses = pd.DataFrame({"conversation_id": "CON-1", "event_id": [2, 3], "message_event_id": 1, "at": at,
    ...                          "type": ["message:submitted", "message:seen"], "from_member_id": "MEM-2"})
    >>> receipts({"message_statuses": statuses})[["recipient", "delivered", "seen", "imputed", "state"]]
      recipient  delivered  seen  imputed state
    0     MEM-2       True  True        1  seen
    """
    return _rows(Source.of(data)).result(RECEIPTS, by=["conversation_id", "message_event_id", "recipient"])


def _rows(source: Source) -> Rows:
    col = nw.col
    key = ["conversation_id", "message_event_id"]
    both = [name for name in ("messages", "message_statuses") if name in source.tables]
    needed = {"message_statuses": ["conversation_id", "type", "at"], "messages": ["conversation_id", "event_id"]}
    of_statuses = needed["message_statuses"] if "message_statuses" in both else () if both else ["conversation_id"]
    names = ["conversation_id", "type", "at", "from_member_id", "message_event_id"]
    statuses = Rows.read(source, "message_statuses", names, needed=of_statuses)
    statuses = statuses.filter(~col("conversation_id").is_null()).with_columns(
        col("message_event_id").fill_null(-1), col("from_member_id").fill_null("").alias("recipient"),
        *(nw.when(col("type") == f"message:{state}").then(col("at")).alias(f"{state}_at") for state in STATES),
    ).filter(col("type").is_in([f"message:{state}" for state in STATES]))  # fmt: skip
    statuses = statuses.group([*key, "recipient"], *(col(f"{state}_at").min() for state in STATES))
    sent = Rows.read(source, "messages", ["conversation_id", "event_id", "at", "from_member_id"],
                        needed=needed["messages"] if "messages" in both else ())  # fmt: skip
    sent, event = by_event(sent.filter(~col("conversation_id").is_null()), "messages", ["conversation_id", "event_id"])
    sent = sent.group(event, col("at").min().alias("sent_at"),
                      col("from_member_id").min().alias("sender"))  # fmt: skip
    sent = sent.rename({"event_id": "message_event_id"})
    rows = statuses.join(sent, on=key, how="full", suffix="_of_message")
    since = nw.coalesce("submitted_at", "sent_at").alias("since")
    rows = rows.with_columns(*(nw.coalesce(name, f"{name}_of_message").alias(name) for name in key), since)
    return _judged(rows.with_micros("delivered_at", "since"))


def _judged(rows: Rows) -> Rows:
    col = nw.col
    reported = {state: ~col(f"{state}_at").is_null() for state in STATES}
    over = reported["rejected"] | reported["undeliverable"]
    got = reported["delivered"] | reported["seen"]
    taken = reported["submitted"] | got
    final: Any = nw.lit("sent")
    failures = {state: reported[state] for state in ("undeliverable", "rejected")}
    holds = {"submitted": taken, **failures, "delivered": got, "seen": reported["seen"]}
    for state, there in holds.items():
        final = nw.when(there).then(nw.lit(state)).otherwise(final)
    span = col("delivered_at_us") - col("since_us")

    clock, odd = is_true(span < 0), got & over
    return rows.with_columns(
        taken.alias("submitted"), got.alias("delivered"), *(reported[state].alias(state) for state in STATES[2:]),
        (one_if(taken & ~reported["submitted"]) + one_if(got & ~reported["delivered"])).alias("imputed"),
        final.alias("state"),
        nw.when(span >= 0).then(span.abs() / 1_000_000).alias("latency_s"),
        nw.concat_str([nw.when(clock).then(nw.lit(",clock")).otherwise(nw.lit("")),
                       nw.when(odd).then(nw.lit(",contradicted")).otherwise(nw.lit(""))],
                      separator="").str.slice(1).alias("flags"),
        nw.when(col("recipient") != "").then(col("recipient")).alias("recipient"),
        nw.when(col("message_event_id") >= 0).then(col("message_event_id")).alias("message_event_id"),
    )  # fmt: skip


FUNNEL = (
    Column("state", str, "State that messages reach."),
    Column("k", int, "Messages, per recipient, that reached it."),
    Column("n", int, "Messages, per recipient."),
    Column("rate", float, "Share of them."),
    Column("lo", float, "Lower limit of the share, 95 %."),
    Column("hi", float, "Upper limit."),
    Column("imputed", int, "How many of k were inferred from a later state."),
)


def message_funnel(data: Data) -> pd.DataFrame:
    """How many messages were submitted, delivered, seen, rejected, undeliverable.

    Parameters
    ----------
    data
        As for `receipts`.

    Returns
    -------
    pandas.DataFrame
        One row per state; the columns are those of `FUNNEL`. Limits are Wilson's; rates of nothing are null.

    Notes
    -----
    n counts a message once per recipient, and messages without any receipt once. From app to app there is no
    ``submitted``: it is imputed. Source: M44.

    Examples
    --------
    >>> import pandas as pd
    >>> statuses = pd.DataFrame({"conversation_id": "CON-1", "event_id": [2], "message_event_id": 1,
    ...                          "type": "message:seen", "at": pd.to_datetime(["2026-05-04"], utc=True),
    ...                          "from_member_id": "MEM-2"})
    >>> message_funnel({"message_statuses": statuses}).loc[:2, ["state", "k", "n", "imputed"]]
           state  k  n  imputed
    0  submitted  1  1        1
    1  delivered  1  1        1
    2       seen  1  1        0
    """
    col = nw.col
    sums = [one_if(col(state)).sum().alias(state) for state in STATES]
    reported = [(~col(f"{state}_at").is_null()).cast(nw.Int64).sum().alias(f"{state}_reported") for state in STATES]
    counted = _rows(Source.of(data)).select(nw.len().alias("n"), *sums, *reported).collect().fillna(0)
    row = {str(name): int(value) for name, value in counted.iloc[0].items()}
    k, n = np.array([row[state] for state in STATES]), np.full(len(STATES), row["n"])
    funnel = pd.DataFrame({"state": list(STATES), **rates(k, n), "imputed": k - [row[f"{s}_reported"] for s in STATES]})
    return coerce.pandas_columns("the answer", funnel, {column.name: column.kind for column in FUNNEL})


LATENCY = (
    Column("n", int, "Messages, per recipient, that were submitted or sent at a known time."),
    Column("delivered", int, "Those with a receipt of delivery."),
    Column("bounded", int, "Those seen without a receipt of delivery before: delivered by then, at the latest."),
    Column("refused", int, "Those rejected or undeliverable: never delivered."),
    Column("censored", int, "Those still on the way at the end: they count as long as they were observed."),
    Column("clock", int, "Those delivered before they were sent: left out."),
    Column("p50_s", float, "Half of all are delivered by then, at the latest; null when fewer are.", "s"),
    Column("p95_s", float, "19 of 20 of all are delivered by then, at the latest.", "s"),
)


def message_latency(data: Data, *, until: datetime | None = None) -> pd.DataFrame:
    """How long delivery takes; messages that were not delivered, or not known to be, are counted as censored.

    Parameters
    ----------
    data
        As for `receipts`.
    until
        End of the observation, with a time zone: later messages are left out, and later receipts are unknown. By
        default the last instant of any message or receipt.

    Returns
    -------
    pandas.DataFrame
        One row; the columns are those of `LATENCY`.

    Raises
    ------
    ConfigError
        If `until` has no time zone.

    Notes
    -----
    Aalen-Johansen. A message that was seen had been delivered before: if it was only seen, it counts as delivered when
    it was seen, so with any ``bounded`` the times are upper bounds. One that was rejected or undeliverable is never
    delivered, however long anyone waits: a competing event. One without a receipt by `until` has taken at least that
    long: censored. Leaving these out would make delivery look faster than it is. Source: M45.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-05-04 09:00:00", "2026-05-04 09:00:04"], utc=True)
    >>> statuses = pd.DataFrame({"conversation_id": "CON-1", "event_id": [2, 3], "message_event_id": 1, "at": at,
    ...                          "type": ["message:submitted", "message:delivered"], "from_member_id": "MEM-2"})
    >>> message_latency({"message_statuses": statuses})[["n", "delivered", "p50_s"]]
       n  delivered  p50_s
    0  1          1    4.0
    """
    instants = ["sent_at", *(f"{state}_at" for state in STATES)]
    end = None if until is None else micros(in_utc("until", until))
    rows = _rows(Source.of(data)).select(*instants).with_micros(*instants).materialized()
    if end is None:
        latest = rows.select(nw.col(f"{name}_us").max() for name in instants).collect().iloc[0]
        # Where no instant is known, nothing is observed, and any end will do.
        end = max((int(at) for at in latest if not pd.isna(at)), default=0)
    # Only durations and end flags leave the engine: there may be millions of messages.
    times = _lasted(rows, end).collect()
    counted = {name: int(times[name].sum()) for name in ("delivered", "bounded", "refused", "censored", "clock")}
    used = times[times["used"].astype(bool)]
    there, never = (used[name].to_numpy("int64") == 1 for name in ("there", "refused"))
    curve = aalen_johansen(used["duration"].to_numpy("float64"), there, never)
    latency = pd.DataFrame([{
        "n": len(used), **counted, "p50_s": curve.quantile(0.5), "p95_s": curve.quantile(0.95),
    }])  # fmt: skip
    return coerce.pandas_columns("the answer", latency, {column.name: column.kind for column in LATENCY})


def _lasted(rows: Rows, last: int) -> Rows:
    """Per message and recipient the ``duration`` [s], whether it is used (0 or 1), and what ended it."""
    col = nw.col
    # What came after the end of the observation is not known.
    instants = ["sent_at_us", *(f"{state}_at_us" for state in STATES)]
    rows = rows.with_columns(*(nw.when(col(name) <= last).then(col(name)).alias(name) for name in instants))
    # Delivered or seen, whichever was first, else refused: a delivered message was not refused, whatever a receipt
    # says.
    there = nw.min_horizontal("delivered_at_us", "seen_at_us")
    refused = nw.min_horizontal("rejected_at_us", "undeliverable_at_us")
    since = nw.coalesce("submitted_at_us", "sent_at_us")
    rows = rows.with_columns(since=since, got=there, over=nw.coalesce(there, refused, nw.lit(last)))
    rows = rows.with_columns(duration=(col("over") - col("since")) / 1e6)
    known = ~col("since").is_null() & ~col("duration").is_null()
    odd = known & (is_true(col("delivered_at_us") < col("since")) | is_true(col("duration") < 0))
    there, receipted = ~col("got").is_null(), ~col("delivered_at_us").is_null()
    refused = ~there & ~(col("rejected_at_us").is_null() & col("undeliverable_at_us").is_null())

    return rows.select(
        "duration", used=one_if(known & ~odd), clock=one_if(odd), there=one_if(known & ~odd & there),
        delivered=one_if(known & ~odd & receipted), bounded=one_if(known & ~odd & there & ~receipted),
        refused=one_if(known & ~odd & refused), censored=one_if(known & ~odd & ~there & ~refused),
    )  # fmt: skip


__all__ = ["FUNNEL", "LATENCY", "RECEIPTS", "message_funnel", "message_latency", "receipts"]
