"""Legs: how a call leg rings, is answered, talks, ends and is billed (contract 7.8, 7.9, 8.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.clock import iso, iso_seconds
from conv_analytics.sandbox.world.quality import measure, no_media

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.records import Member
    from conv_analytics.sandbox.world.routes import Route
    from conv_analytics.sandbox.world.story import Story

Json = dict[str, Any]
LONGEST_TALK_LOG = 160
#: A turn of talk, and its pauses, are over within this time.
TURN_MS = 14_000


@dataclass(slots=True)
class Leg:
    """One leg; kind is a channel type, `technology` sip or rtc. Times are milliseconds."""

    story: Story
    id: str
    kind: str
    direction: str
    channel: Json
    member: Member | None
    route: Route
    began: int
    fault: str = ""
    answered_at: int | None = None
    ended_at: int | None = None
    knocker: str | None = None
    history: list[Json] = field(default_factory=list)
    facts: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def technology(self) -> str:
        """Say whether its events are sip:* or rtc:*."""
        return "rtc" if self.kind == "app" else "sip"

    @property
    def status_now(self) -> str:
        """Give the status the leg has."""
        return self.facts[-1][1]

    def status(self, status: str, reason: str | None = None) -> None:
        """Change the leg's status: a leg:status:update with the whole history so far."""
        story = self.story
        state: Json = {"status": status}
        if reason is not None:
            state |= {"successful": reason == "ok", "reason": reason}
        entry: Json = {"status": status, "state": state, "date": iso(story.now)}
        if self.member is not None:
            entry |= {"conversation_id": story.conversation_id, "member_id": self.member.id}
        else:
            entry["knocker_id"] = self.knocker
        self.history.append(entry)
        self.facts.append((self.id, status, story.now))
        body = {"leg_id": self.id, "direction": self.direction, "type": self.kind, "status": status,
                "state": state, "statusHistory": list(self.history)}  # fmt: skip
        story.event("leg:status:update", self.member, body, history=tuple(self.facts))

    def signal(self, name: str) -> None:
        """Write sip:/rtc: ringing or answered."""
        body = {"direction": self.direction, "channel": self.channel}
        self.story.event(f"{self.technology}:{name}", self.member, body)

    def start(self) -> None:
        """Create the leg: an entry in its history, reported with the next status."""
        story = self.story
        self.history.append({"knocker_id": self.knocker or story.dice.uuid(), "status": "started",
                             "state": {"status": "started"}, "date": iso(story.now)})  # fmt: skip
        self.facts.append((self.id, "started", story.now))

    def ring(self) -> None:
        """Ring."""
        self.status("ringing")
        self.signal("ringing")

    def answer(self) -> None:
        """Answer."""
        self.answered_at = self.story.now
        self.signal("answered")
        self.status("answered")

    def machine(self, event: str, verdict: str, confidence: int) -> None:
        """Write a machine detection: event is sip:machine or sip:amd_machine."""
        body = {"type": verdict, "confidence": confidence, "channel": self.channel}
        self.story.event(event, self.member, body)

    def hang_up(self, code: str, sip_code: int, text: str = "Normal call clearing") -> None:
        """End the leg: sip:hangup or rtc:hangup, with what was measured when there was media."""
        story, dice = self.story, self.story.dice
        self.ended_at = story.now
        body: Json = {"direction": self.direction}
        facts: Json = {"sip_code": sip_code}
        if self.answered_at is not None or dice.chance(0.4):
            seconds = (story.now - (self.answered_at or story.now)) / 1000
            measured = measure(dice, seconds, self.kind, self.fault) if self.answered_at else no_media()
            body["quality"] = measured.quality_json()
            body["bandwidth"] = {"byte_in": measured.byte_in, "byte_out": measured.byte_out}
            facts |= {"packet_cnt": measured.packets, "flaw_total": measured.flaws, "mos": measured.mos,
                      "byte_in": measured.byte_in, "byte_out": measured.byte_out}  # fmt: skip
        body["channel"] = self.channel
        body["reason"] = {"text": text, "code": code, "sip_code": str(sip_code)}
        story.event(f"{self.technology}:hangup", self.member, body, **facts)

    def bill(self, status: str = "completed", reason: str = "ok") -> None:
        """Write the billing event: price = rate x seconds / 60, as decimal text (call-quality.md M31)."""
        story = self.story
        began, ended = self.answered_at or story.now, self.ended_at or story.now
        seconds = -(-(ended - began) // 1000) if self.answered_at else 0
        if self.technology == "rtc":
            body = {"duration": str(seconds), "start_time": iso_seconds(began),
                    "end_time": iso_seconds(began + seconds * 1000), "mos": 4.5, "price": "0.00",
                    "price_currency": "EUR", "channel": self.channel}  # fmt: skip
            story.event("rtc:status", self.member, body, price=0, duration_s=seconds)
            return
        outbound = self.direction == "outbound"
        rate = self.route.rate if outbound else 450_000
        price = rate * seconds // 60
        state = {"status": status, "successful": reason == "ok", "reason": reason}
        body = {
            "price": f"{price // 10**8}.{price % 10**8:08d}",
            "rate": f"{rate // 10**8}.{rate % 10**8:08d}",
            "duration": str(seconds),
            "to": self.channel["to"].get("number", ""),
            "from": self.channel["from"].get("number", ""),
            "network_code": self.route.network,
            "channel": self.channel,
            "request_time": iso(self.began),
            "start_time": iso_seconds(began) if self.answered_at else "",
            "end_time": iso_seconds(began + seconds * 1000),
            "status": status,
            "direction": "out" if outbound else "in",
            "state": state,
        }
        story.event("sip:status", self.member, body, price=price, duration_s=seconds)


def endpoint(kind: str, address: str) -> Json:
    """Write one end of a channel (contract 6.3)."""
    key = {"app": "user", "sip": "uri", "websocket": "uri", "vbc": "extension"}.get(kind, "number")
    end = {"type": kind, key: address}
    if kind == "websocket":
        end["content_type"] = "audio/l16;rate=16000"
    return end


def channel(leg_id: str, kind: str, to: Json, from_: Json, headers: Json | None = None) -> Json:
    """Write a channel as events carry it."""
    return {"id": leg_id, "type": kind, "to": to, "from": from_, "headers": headers or {}}


def draw_fault(story: Story, route: Route) -> str:
    """Decide whether a leg over this route will be bad, and how."""
    if story.plot is not None and (fault := story.plot.fault(route.network)):
        return fault
    known = route.fault in {"loss", "one_way"} and story.day >= route.fault_from_day and not built_in_off(story)
    if known and story.dice.chance(route.trouble):
        return route.fault
    if story.dice.chance(0.02):
        return story.dice.pick(("loss", "loss", "one_way", "dead_air", "reset"))
    return ""


def built_in_off(story: Story) -> bool:
    """Say whether the world is a clean one, without the bad routes that are built in."""
    return story.plot is not None and story.plot.clean


def talk(story: Story, legs: list[Leg], seconds: float) -> None:
    """Let the legs talk in turns for so many seconds: audio:speaking:on/off until the time is over."""
    until = story.now + int(seconds * 1000)
    cut = story.plot.cut(legs) if story.plot is not None else None
    if cut is not None and story.now < cut < until:
        take_turns(story, legs, cut - TURN_MS)
        story.now = max(story.now, cut)
        return
    take_turns(story, legs, until)
    if story.plot is not None:
        story.plot.speak_muted(story, legs)
    story.now = max(story.now, until)


def take_turns(story: Story, legs: list[Leg], until: int) -> None:
    """Let the legs speak one after the other; no turn begins after `until` [ms]."""
    turn, said = 0, 0
    while story.now < until and said < LONGEST_TALK_LOG:
        leg = legs[turn % len(legs)]
        story.wait(0.2, 2.0)
        story.event("audio:speaking:on", leg.member, {"channel": leg.channel})
        story.wait(0.8, 9.0)
        story.event("audio:speaking:off", leg.member, {"channel": leg.channel})
        turn, said = turn + story.dice.pick((1, 1, 1, 2)), said + 1
