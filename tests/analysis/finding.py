"""Every finder asked of a world, and what it named: (kind of cause, place), best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from conv_analytics.analysis import audio_flow, compare, mos_audit, offenders, quality, timer_cliffs

#: Finder by the kind of cause that it should find.
FINDERS = {
    "loss": "offenders(loss over 3 %)",
    "one_way": "audio_flow, offenders",
    "dead_air": "mos_audit, offenders",
    "busy_hour": "offenders(case='failed', by hour)",
    "cliff": "timer_cliffs",
    "mix_shift": "compare",
    "muted": "offenders(spoke while muted)",
}
#: Groups of an hour are small; a few cases are enough when next to none are usual.
MIN_HOUR_N = 10
#: From here on a call is bad by its losses.
LOSS_PCT = 3.0


@dataclass(frozen=True)
class Found:
    """What the finders of one world named; `hours` are those of the networks that fail by the hour."""

    named: Mapping[str, list[str]]
    hours: tuple[int, ...]


def find(legs: pd.DataFrame, audio_events: pd.DataFrame, middle: pd.Timestamp) -> Found:
    """Ask everything. Nothing is known of the causes but the instant whose two sides `compare` compares."""
    judged = quality(legs)
    lossy = judged.assign(bad=(judged["loss_pct"] > LOSS_PCT).astype("boolean").mask(judged["loss_pct"].isna()))
    # Silence both ways is dead air, which the audit of the scores names.
    flows = audio_flow(legs).query("audio == 'in'")
    silent = flows.assign(bad=(flows["state"] == "silent") & (flows["flow"] == "no_in"))
    audit = mos_audit(legs).legs
    dead = audit.assign(bad=audit["green_but_bad"] & (audit["why"] == "no packets and no flaws: the start value"))
    by_hour = named(offenders(legs, by=["network_code", "hour"], case="failed", min_n=MIN_HOUR_N))
    cliffs = timer_cliffs(legs)
    change = compare(legs[legs["started_at"] < middle], legs[legs["started_at"] >= middle], confidence=0.99)
    spoke = legs.merge(spoke_muted(audio_events), on=["conversation_id", "member_id"], how="left")
    muted = spoke[spoke["answered"].fillna(value=False)]
    muted = muted.assign(bad=muted["spoke"].notna())
    return Found(
        {
            "loss": list(named(offenders(lossy, case="bad"))["network_code"]),
            "one_way": list(named(offenders(silent, case="bad"))["network_code"]),
            "dead_air": list(named(offenders(dead, case="bad"))["network_code"]),
            "busy_hour": list(dict.fromkeys(by_hour["network_code"])),
            "cliff": list(cliffs[cliffs["cliff"].astype(bool)]["network_code"]),
            "mix_shift": [str(change.groups["network_code"].iloc[0])] if change.why == "mix" else [],
            "muted": list(named(offenders(muted, by="user_id", case="bad", min_n=MIN_HOUR_N))["user_id"]),
        },
        tuple(sorted(int(hour) for hour in by_hour["hour"])),
    )


def named(table: pd.DataFrame) -> pd.DataFrame:
    """The offenders, best first."""
    return table[table["offender"].astype(bool)]


def spoke_muted(audio_events: pd.DataFrame) -> pd.DataFrame:
    """Members who were heard to speak between mute and unmute."""
    kinds = audio_events["type"].astype("str")
    wanted = kinds.isin(["audio:mute:on", "audio:mute:off", "audio:speaking:on"])
    events = audio_events.assign(kind=kinds, member_id=audio_events["from_member_id"])[wanted]
    events = events.sort_values(["conversation_id", "event_id"])
    switch = events["kind"].map({"audio:mute:on": 1.0, "audio:mute:off": 0.0})
    muted = switch.groupby([events["conversation_id"], events["member_id"]]).ffill().fillna(0.0)
    speaking = events[(events["kind"] == "audio:speaking:on") & (muted == 1.0)]
    return speaking[["conversation_id", "member_id"]].drop_duplicates().assign(spoke=1)
