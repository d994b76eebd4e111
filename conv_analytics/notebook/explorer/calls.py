"""The rows of the explorer: calls, each with the verdict of its worst leg."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pandas as pd

from conv_analytics.analysis import calls
from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.parties import phonenumbers_version
from conv_analytics.analysis.entities.verdicts import RANK, Verdict
from conv_analytics.notebook.report.legs import judged_legs

#: The columns of a call's worst leg, besides those of `conv_analytics.analysis.calls`.
JUDGED = {"verdict": "str", "rule": "str", "mos_emodel": "float64", "loss_pct": "float64", "worst_leg_id": "str"}
_CONVERSATION, _KEY = "conversation_id", ["conversation_id", "call"]
_LONG_AGO = pd.Timestamp(0, tz="UTC").as_unit("us")


def judged_calls(data: Any, profile: str | Profile = "recommended") -> pd.DataFrame:
    """One row per call, the latest first; no rows for data without legs.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of table name to frame, or a frame of legs.
    profile
        The rulebook of the verdicts.

    Returns
    -------
    pandas.DataFrame
        The columns of `conv_analytics.analysis.calls`, and those of the leg with the worst audio: ``verdict``,
        ``rule``, ``mos_emodel`` [1 to 5], ``loss_pct`` [%], ``worst_leg_id``. A call is
        ``unmeasured`` when all of its legs are.

    Examples
    --------
    >>> at = pd.to_datetime(["2026-05-04 09:00", "2026-05-04 10:00"], utc=True)
    >>> legs = pd.DataFrame({
    ...     "conversation_id": "CON-1", "leg_id": ["a", "b"], "direction": "outbound", "started_at": at,
    ...     "answered": [True, False], "open": False, "outcome": ["answered", "busy"], "talk_s": [60.0, None],
    ...     "packet_cnt": [3000, 0], "byte_in": [510000, 0], "byte_out": [510000, 0],
    ... })
    >>> judged_calls(legs)[["call", "outcome", "verdict", "rule"]]
       call   outcome     verdict          rule
    0     1      busy  unmeasured  not_answered
    1     0  answered  unmeasured   no_loss_pct
    """
    return calls_of_legs(judged_legs(data, profile).legs)


def cached_calls(data: Any, profile: Profile) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The calls of the data, as `judged_calls` returns them, and the verdicts on its legs.

    They are cached with a dataset, which does not change; for a large one in its folder, for the next session.
    """
    cache: dict[str, Any] = getattr(data, "session_cache", {})
    of, *frames = cache.get("explorer", (None, None, None))
    if of != profile:
        source = Source.of(data)
        about = {"profile": json.dumps(asdict(profile)), "phonenumbers": phonenumbers_version(),
                 "dimensions": [each.fingerprint for each in source.dimensions]}  # fmt: skip
        made: list[pd.DataFrame] = []

        def legs() -> pd.DataFrame:
            if not made:
                made.append(judged_legs(source, profile).legs)
            return made[0]

        frames = [
            source.cached_frame("calls", about, lambda: calls_of_legs(legs())),
            source.cached_frame("verdicts", about, lambda: legs()[["conversation_id", "leg_id", "verdict"]]),
        ]
        cache["explorer"] = (profile, *frames)
    return frames[0], frames[1]


def calls_of_legs(legs: pd.DataFrame) -> pd.DataFrame:
    """The calls of judged legs, as `judged_calls` returns them."""
    frame: pd.DataFrame = calls(legs)
    worst = _worst_legs(legs, frame)
    joined = frame.assign(**{_CONVERSATION: frame[_CONVERSATION].fillna("")}).merge(worst, on=_KEY, how="left")
    joined = joined.assign(verdict=joined["verdict"].fillna(Verdict.UNMEASURED.value)).astype(JUDGED)
    return joined.sort_values("started_at", ascending=False, kind="stable", na_position="last", ignore_index=True)


def _worst_legs(legs: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The leg with the worst audio of each call.

    Calls of a conversation do not overlap: a leg belongs to the last one that had started, or without a start to the
    first. Each leg without a conversation is a call, numbered as `conv_analytics.analysis.calls` does.
    """
    left = pd.DataFrame({
        _CONVERSATION: legs[_CONVERSATION].fillna(""), "at": legs["started_at"].fillna(_LONG_AGO),
        "worst_leg_id": legs["leg_id"], **{name: legs[name] for name in JUDGED if name in legs.columns},
    })  # fmt: skip
    named = left[_CONVERSATION] != ""
    nameless = left[~named].sort_values(["at", "worst_leg_id"], kind="stable")
    right = frame[["call"]].assign(
        **{_CONVERSATION: frame[_CONVERSATION].fillna(""), "at": frame["started_at"].fillna(_LONG_AGO)}
    )
    right = right[right[_CONVERSATION] != ""]
    placed = pd.concat([
        pd.merge_asof(left[named].sort_values("at"), right.sort_values("at"), on="at", by=_CONVERSATION),
        nameless.assign(call=range(len(nameless))),
    ])  # fmt: skip
    placed = placed.assign(call=placed["call"].fillna(0).astype("Int64"), rank=placed["verdict"].map(RANK).fillna(-1))
    order = placed.sort_values(["rank", "mos_emodel"], ascending=[False, True], kind="stable")
    return order.drop_duplicates(_KEY)[[*_KEY, *JUDGED]]


__all__ = ["JUDGED", "cached_calls", "calls_of_legs", "judged_calls"]
