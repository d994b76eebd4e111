"""The ladder of a conversation: who signalled what to whom, according to the API's events.

The API has states, codes and reasons, not messages. The labels of arrows are inferred from them, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from conv_analytics.analysis import legs
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.dialogue.conversation_events import one_conversation
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook.conversation import leg_verdicts
from conv_analytics.notebook.files import write
from conv_analytics.notebook.html import clean, data_uri, line, page, render
from conv_analytics.notebook.svg import Drawing, fitted
from conv_analytics.notebook.timeline.axis import SECOND, duration, stamp
from conv_analytics.notebook.timeline.picture import style
from conv_analytics.paths import expand_user
from conv_analytics.privacy.display import Display

PLATFORM = "Vonage"
NOTE = "Inferred from states, SIP codes and reasons in API events; no packets were seen."
HEAD = ("time", "since start", "from", "to", "what", "leg")
#: A shorter pause is not shown. [µs]
_PAUSE = 2 * SECOND
_ROW, _TOP, _LEFT, _COLUMN = 30, 74, 150, 190
#: The names of a step, in SIP and on a leg without SIP.
_NAMES = {"start": ("INVITE", "call"), "ring": ("180 ringing", "ringing"), "answer": ("200 OK", "answer"),
          "bye": ("BYE", "hangup"), "cancel": ("CANCEL", "cancelled")}  # fmt: skip
#: Columns of a drawn leg; countries would take long to look up.
_DRAWN = (
    "technology", "direction", "member_id", "remote_address", "started_at", "ringing_at", "answered_at", "ended_at",
    "answered", "status", "outcome", "reason", "reason_code", "sip_code", "hung_up_by",
)  # fmt: skip
_CANCELLED, _REFUSED, _LAST = 487, 300, 699


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow.

    Attributes
    ----------
    at
        Microseconds since 1970.
    source, target
        Indexes of the parties.
    words
        Its label.
    answer
        Whether it answers an earlier step: drawn dashed.
    final
        Whether it ends the leg without an answer: the cause of a failure.
    leg
        Index of the leg.
    stage
        Start, ringing, answer and end of a leg, as 0 to 3.
    """

    at: int
    source: int
    target: int
    words: str
    answer: bool
    final: bool
    leg: int
    stage: int


def show_ladder(
    data: Data,
    conversation_id: str,
    *,
    tz: str = "UTC",
    mask: bool = True,
    theme: str = "auto",
    units: Units | None = None,
) -> Ladder:
    """Draw who signalled what to whom in one conversation.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame; see `conv_analytics.analysis.legs`.
    conversation_id
        The conversation.
    tz
        IANA name of the time zone.
    mask
        False shows numbers and names unmasked.
    theme
        ``light``, ``dark``, or ``auto``.
    units
        As for `show_timeline`.

    Returns
    -------
    Ladder
        Shows itself in a notebook; ``print`` writes it as text, ``to_mermaid`` returns a diagram for Markdown.

    Raises
    ------
    ConfigError
        If the zone is unknown, or the data has nothing about the conversation.
    TableNotFound
        If no table has events.

    Notes
    -----
    A leg's start, ringing, answer and end, and who hung up, are those of `conv_analytics.analysis.legs`. On SIP legs
    they have the names of SIP messages. Retransmissions, provisional answers and media are not known.

    Examples
    --------
    >>> hangups = pd.DataFrame({
    ...     "conversation_id": "CON-1", "event_id": [7], "type": "sip:hangup", "leg_id": ["leg-1"], "sip_code": [486],
    ...     "direction": ["outbound"], "technology": ["sip"], "to_number": ["447700900123"],
    ...     "at": pd.to_datetime(["2026-05-04 09:00:07"], utc=True),
    ... })
    >>> print(show_ladder({"hangups": hangups}, "CON-1").to_mermaid().splitlines()[-1].split(": ")[1])
    486 busy
    """
    zone_info(tz)
    source = Source.of(data)
    tables = one_conversation(source, conversation_id)
    verdicts = _verdict_by_leg(leg_verdicts(tables, source, units))
    return Ladder(tables, verdicts, conversation_id, tz=tz, display=Display(on=mask), theme=theme)


class Ladder:
    """Who signalled what to whom; made by `show_ladder`."""

    def __init__(
        self, tables: Source, verdicts: Mapping[str, str], conversation_id: str, *, tz: str, display: Display,
        theme: str,
    ) -> None:  # fmt: skip
        self.conversation_id, self.tz, self.theme = conversation_id, tz, theme
        self._tables, self._display, self._verdicts = tables, display, verdicts
        self._rows = [_masked_leg(row, display) for row in _plain(_legs(tables, _DRAWN))]
        self._name = display.identifier(conversation_id)

    @cached_property
    def legs(self) -> pd.DataFrame:
        """Its legs, as `conv_analytics.analysis.legs` returns them; not masked."""
        return _legs(self._tables)

    @property
    def title(self) -> str:
        """The title that is shown."""
        return f"Ladder of {self._name}"

    @cached_property
    def parties(self) -> list[str]:
        """The displayed parties, from left to right: callers, the platform, called parties."""
        return [name for _, name in self._columns]

    @cached_property
    def _columns(self) -> list[tuple[str, str]]:
        callers, called = dict[str, str](), dict[str, str]()
        for row in self._rows:
            side = callers if row.get("direction") == "inbound" else called
            address = _address(row)
            if address not in callers and address not in called:
                known = row.get("remote_address")
                side[address] = self._display.party(address) if known else self._display.identifier(address)
        return [*callers.items(), ("", PLATFORM), *called.items()]

    @cached_property
    def steps(self) -> list[Step]:
        """The arrows, in order of time."""
        places = {address: place for place, (address, _) in enumerate(self._columns)}
        steps = [
            step
            for leg, row in enumerate(self._rows)
            for step in _steps(row, leg, places[_address(row)], places[""])
        ]  # fmt: skip
        # At one instant, steps to the platform come before steps from it: the caller's INVITE before its effects.
        return sorted(steps, key=lambda step: (step.at, step.stage, step.source == places[""]))

    def svg(self, theme: str | None = None) -> str:
        """The picture."""
        return _picture(self, theme or self.theme)

    def lines(self) -> list[tuple[str, ...]]:
        """The steps as rows of texts, with the columns of `HEAD`."""
        zone, start = zone_info(self.tz), self.steps[0].at if self.steps else 0
        return [
            (stamp(step.at, zone), duration(step.at - start), self.parties[step.source], self.parties[step.target],
             step.words, f"leg {step.leg + 1}")
            for step in self.steps
        ]  # fmt: skip

    def text(self) -> str:
        """The steps as lines of text."""
        rows = [
            f"{at}  {since:>10}  {line(one)} -> {line(other)}: {line(words)}  [{leg}]"
            for at, since, one, other, words, leg in self.lines()
        ]
        return "\n".join([f"{line(self._name)}. {NOTE}", *(rows or ["No legs: nothing was signalled."])])

    def to_mermaid(self) -> str:
        """A sequence diagram in Mermaid, for Markdown pages."""
        lines = ["sequenceDiagram", *(f"    participant P{n} as {_bare(name)}" for n, name in enumerate(self.parties))]
        lines.append(f"    Note over P0: {_bare(NOTE)}")
        lines += [f"    P{step.source}{'-->>' if step.answer else '->>'}P{step.target}: {_bare(step.words)}"
                  for step in self.steps]  # fmt: skip
        return "\n".join(lines)

    def fragment(self) -> str:
        """HTML for a notebook: the picture, and its steps as a table."""
        return render(
            "ladder.html.j2", alt=f"{self.title}: {len(self.steps)} steps between {', '.join(self.parties)}. {NOTE}",
            picture=data_uri(self.svg()), steps=len(self.steps), head=HEAD, rows=self.lines(), note=NOTE,
        )  # fmt: skip

    def html(self) -> str:
        """A whole page."""
        return page(self.title, f"<main>{self.fragment()}</main>")

    def save(self, path: str | Path) -> Path:
        """Write the page, or with the suffix ``.svg`` the picture; unmasked, only its owner may read it (0600)."""
        path = expand_user(path)
        return write(path, self.svg() if path.suffix == ".svg" else self.html(), private=not self._display.on)

    def media(self) -> list[tuple[int, int, int, str]]:
        """Talk: index of the leg, begin and end in microseconds, and the verdict on its quality."""
        return [
            (number, row["answered_at"], row["ended_at"], self._verdicts.get(row["leg_id"], Verdict.UNMEASURED))
            for number, row in enumerate(self._rows)
            if row.get("answered_at") is not None and (row.get("ended_at") or 0) >= row["answered_at"]
        ]

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.fragment()}

    def __str__(self) -> str:
        return self.text()

    @safe_repr
    def __repr__(self) -> str:
        return f"<Ladder {line(self._name)}: {len(self.steps)} steps, {len(self.parties) - 1} parties>"


def _address(row: Mapping[str, Any]) -> str:
    """The far end of a leg: its address, else its member, else its own id."""
    return str(row.get("remote_address") or row.get("member_id") or row["leg_id"])


def _masked_leg(row: Mapping[str, Any], display: Display) -> dict[str, Any]:
    """A leg, with the labels of arrows masked."""
    return {**row, **{name: display.column(name, row.get(name)) for name in ("outcome", "status")}}


def _steps(row: Mapping[str, Any], leg: int, remote: int, platform: int) -> Iterable[Step]:
    inbound, naming = row.get("direction") == "inbound", int(row.get("technology") == "rtc")
    caller, callee = (remote, platform) if inbound else (platform, remote)
    ringing, answered, ended = (row.get(f"{name}_at") for name in ("ringing", "answered", "ended"))

    def step(stage: int, at: int, source: int, words: str, *, answer: bool = False, final: bool = False) -> Step:
        return Step(at, source, platform if source == remote else remote, words, answer, final, leg, stage)

    if row.get("started_at") is not None:
        yield step(0, row["started_at"], caller, _NAMES["start"][naming])
    if ringing is not None:
        yield step(1, ringing, callee, _NAMES["ring"][naming], answer=True)
    if answered is not None:
        yield step(2, answered, callee, _NAMES["answer"][naming], answer=True)
    if ended is None:
        return
    code, reason = row.get("sip_code"), _reason(row)
    if row.get("answered"):
        hung_up = remote if row.get("hung_up_by") in {"this_leg", "network"} else platform
        yield step(3, ended, hung_up, f"{_NAMES['bye'][naming]}{reason}")
    elif code is not None and _REFUSED <= code <= _LAST and code != _CANCELLED:
        yield step(3, ended, callee, f"{int(code)}{reason}", answer=True, final=True)
    else:
        yield step(3, ended, caller, f"{_NAMES['cancel'][naming]}{reason}", final=True)


def _reason(row: Mapping[str, Any]) -> str:
    outcome = str(row.get("outcome") or row.get("status") or "").replace("_", " ")
    return "" if row.get("answered") or not outcome else f" {outcome}"


def _picture(ladder: Ladder, theme: str) -> str:
    rows = _placed(ladder.steps)
    width = _LEFT + _COLUMN * max(len(ladder.parties) - 1, 1) + 170
    height = _TOP + _ROW * (rows[-1][0] + 1 if rows else 1) + 24
    drawing = Drawing(width, height, title=ladder.title, description=NOTE)
    drawing.add("style", style(theme))
    drawing.add("rect", width=width, height=height, class_="g")
    drawing.text(12, 18, NOTE, 11, class_="q")
    xs = [_LEFT + _COLUMN * place + 40 for place in range(len(ladder.parties))]
    for x, name in zip(xs, ladder.parties, strict=True):
        drawing.add("path", d=f"M{x} {_TOP - 16}V{height - 10}", class_="rule")
        drawing.text(
            x, _TOP - 24, fitted(name, _COLUMN - 12, 12.5), 12, class_="t", text_anchor="middle", font_weight="600"
        )
    if not rows:
        drawing.text(12, _TOP, "No legs: nothing was signalled.", 12, class_="t")
    _media(drawing, ladder, rows, xs)
    zone, before = zone_info(ladder.tz), None
    for place, step in rows:
        y = _TOP + place * _ROW + 8
        if before is not None and step.at - before >= _PAUSE:
            pause = f"\u2026 {duration(step.at - before)} \u2026"
            drawing.text(12, y - _ROW + 4, pause, 10, class_="q")
        before = step.at
        drawing.text(12, y + 4, stamp(step.at, zone)[11:23], 11, class_="q")
        _arrow(drawing, step, xs, y)
    return drawing.svg()


def _placed(steps: Sequence[Step]) -> list[tuple[int, Step]]:
    """The row of each step: a pause takes a separate row."""
    rows: list[tuple[int, Step]] = []
    for step in steps:
        if not rows:
            rows.append((0, step))
        else:
            row, last = rows[-1]
            rows.append((row + (2 if step.at - last.at >= _PAUSE else 1), step))
    return rows


def _arrow(drawing: Drawing, step: Step, xs: Sequence[int], y: int) -> None:
    one, other = xs[step.source], xs[step.target]
    way = 1 if other > one else -1
    kind = "end" if step.final else ("media", "message", "other")[step.leg % 3]
    drawing.add(
        "path", d=f"M{one} {y}H{other - way * 5}", class_=f"l-{kind}", stroke_dasharray="5 3" if step.answer else None
    )
    drawing.add("path", d=f"M{other} {y}l{-way * 9}-4v8z", class_=f"k-{kind}")
    words = fitted(f"{step.words}  (leg {step.leg + 1})", abs(other - one) - 24, 11)
    middle = min(one, other) + _COLUMN / 2 if abs(other - one) > _COLUMN else (one + other) / 2
    drawing.text(middle, y - 5, words, 11, class_="t", text_anchor="middle", font_weight="600" if step.final else None)


def _media(drawing: Drawing, ladder: Ladder, rows: Sequence[tuple[int, Step]], xs: Sequence[int]) -> None:
    """Bars beside the columns of parties, for their talk time."""
    row_of = {(step.leg, step.at): row for row, step in rows}
    column = {step.leg: step.source if ladder.parties[step.source] != PLATFORM else step.target for _, step in rows}
    for leg, begin, end, level in ladder.media():
        first, last = row_of.get((leg, begin)), row_of.get((leg, end))
        if first is None or last is None:
            continue
        x, y = xs[column[leg]] - 4 + 5 * (leg % 2), _TOP + first * _ROW + 8
        drawing.add("rect", x=x, y=y, width=5, height=(last - first) * _ROW, rx=2, class_=f"q-{level}")
        side = -9 if xs[column[leg]] < xs[ladder.parties.index(PLATFORM)] else 12
        drawing.text(x + side, y + (last - first) * _ROW / 2 + 4, f"{duration(end - begin)}, {level}", 10, class_="q",
                     text_anchor="end" if side < 0 else "start")  # fmt: skip


def _legs(tables: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    frame: pd.DataFrame = legs(tables, columns)
    return frame.sort_values(["started_at", "direction"], kind="stable", ignore_index=True)


def _verdict_by_leg(verdicts: pd.DataFrame | None) -> dict[str, str]:
    if verdicts is None:
        return {}
    known = verdicts[["leg_id", "verdict"]].dropna()
    return dict(zip(known["leg_id"].astype(str), known["verdict"].astype(str), strict=True))


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    frame = frame.copy()
    for name in ("started_at", "ringing_at", "answered_at", "ended_at"):
        frame[name] = coerce.micros(frame[name])
    rows = frame.astype("object").where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _bare(text: str) -> str:
    """A text without characters that have a meaning in Mermaid."""
    return re.sub(r"[^\w .,+*@()/-]", "_", clean(text).replace("#", " "))


__all__ = ["HEAD", "NOTE", "Ladder", "Step", "show_ladder"]
