"""Turn-taking on a timeline with a bot: dead air, and who speaks into a prompt.

`turns` has the rules; here they are applied to the drawn bands, which takes no time for one conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conv_analytics.analysis.dialogue.roles import guessed_role
from conv_analytics.analysis.dialogue.talk import BACKCHANNEL_S, BLIP_S
from conv_analytics.analysis.dialogue.timeline_bands import TimelineRow
from conv_analytics.analysis.dialogue.timeline_lanes import Lane, Lanes
from conv_analytics.analysis.dialogue.turns import DEAD_AIR_S

_HEARD = ("speaking", "saying", "playing")


def turn_rows(lanes: Lanes, bands: Iterable[TimelineRow], legs: Sequence[Mapping[str, Any]]) -> list[TimelineRow]:
    """Bands of dead air and marks of barge-ins; none where there is no bot."""
    heard = [row for row in bands if row.what in _HEARD and row.start is not None and row.end is not None
             and not _is_tone(row)]  # fmt: skip
    roles = _roles(legs)
    bots = [row for row in heard if _is_prompt(row) or (row.what == "speaking" and _role(row.lane, roles) == "bot")]
    if not bots:
        return []
    callers = [row for row in heard if row.what == "speaking" and _role(row.lane, roles) == "customer"]
    up = [
        (leg["answered_at"], leg["ended_at"])
        for leg in legs
        if None not in (leg.get("answered_at"), leg.get("ended_at"))
    ]
    return [*_dead_air(lanes.conversation, heard, up), *_barge_ins(bots, callers)]


def _roles(legs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The role at each leg, and of each member by its legs."""
    guesses = [guessed_role(leg.get("channel_type"), leg.get("direction"), answered=leg.get("answered_at") is not None)
               for leg in legs]  # fmt: skip
    roles: dict[str, str] = {}
    # Of several legs of one member: a websocket makes it a bot, a leg to which a call went a human.
    for role in ("customer", "human", "bot"):
        for leg in (leg for leg, guess in zip(legs, guesses, strict=True) if guess == role):
            roles |= {str(leg[name]): role for name in ("leg_id", "member_id") if leg.get(name) is not None}
    return roles


def _role(lane: Lane, roles: Mapping[str, str]) -> str:
    return roles.get(lane.member_id or "") or roles.get(lane.id, "customer")


def _is_tone(row: TimelineRow) -> bool:
    event = row.event or row.ended_by
    return event is not None and event.type.startswith("audio:ringing")


def _is_prompt(row: TimelineRow) -> bool:
    """Whether a row is a prompt: a text, or a sound file that ends by itself."""
    endless = row.what == "playing" and row.event is not None and row.event.number("loop") == 0
    return row.what in {"saying", "playing"} and not endless


def _dead_air(lane: Lane, heard: Iterable[TimelineRow], up: Sequence[tuple[int, int]]) -> list[TimelineRow]:
    """Long stretches of the answered time in which nothing is heard."""
    spans = _merged([(row.start or 0, row.end or 0) for row in heard if not _is_blip(row)])
    windows = _merged([*spans, *up]) if up or not spans else [(spans[0][0], spans[-1][1])]
    rows = []
    for begin, end in windows:
        until = begin
        for start, stop in [*(span for span in spans if begin <= span[0] <= end), (end, end)]:
            if start - until >= DEAD_AIR_S * 1e6:
                text = f"nobody speaks, {(start - until) / 1e6:.1f} s"
                rows.append(TimelineRow(lane, "band", "dead_air", until, start, text))
            until = stop
    return rows


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Their union, in order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _is_blip(row: TimelineRow) -> bool:
    sure = not row.open_start and not row.open_end and row.what == "speaking"
    return sure and (row.end or 0) - (row.start or 0) < BLIP_S * 1e6


def _barge_ins(bots: Iterable[TimelineRow], callers: Sequence[TimelineRow]) -> list[TimelineRow]:
    """A mark where a caller first begins to speak into each turn of a bot."""
    rows = []
    for bot in bots:
        if bot.open_end or bot.open_start or bot.start is None or bot.end is None:
            continue
        stopped = bot.ended_by is not None and bot.ended_by.type.endswith(":stop")
        into = [row for row in callers if _speaks_into(row, bot.start, bot.end, stopped=stopped)]
        if into:
            first = min(into, key=lambda row: row.start or 0)
            after = (bot.end - (first.start or 0)) / 1e6
            text = f"speaks into it: {'stopped after' if stopped else 'it goes on for'} {after:.1f} s"
            rows.append(TimelineRow(first.lane, "mark", "barge_in", first.start, first.start, text, first.event))
    return rows


def _speaks_into(row: TimelineRow, start: int, end: int, *, stopped: bool) -> bool:
    if row.open_start or _is_blip(row) or row.start is None or row.end is None or not start < row.start < end:
        return False
    return stopped or row.open_end or row.end >= end or row.end - row.start >= BACKCHANNEL_S * 1e6


__all__ = ["turn_rows"]
