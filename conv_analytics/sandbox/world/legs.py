"""Legs: how a call leg rings, is answered, talks, ends and is billed (contract 7.8, 7.9, 8.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.call_legs import CallLeg
from conv_analytics.sandbox.world.clock import iso, iso_seconds
from conv_analytics.sandbox.world.quality import measure, no_media

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder
    from conv_analytics.sandbox.world.records import Member
    from conv_analytics.sandbox.world.routes import Route

Json = dict[str, Any]


@dataclass(slots=True)
class Leg:
    """One leg; kind is a channel type, `technology` sip or rtc. Times are milliseconds."""

    builder: ConversationBuilder
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
    call: CallLeg = field(init=False)
    """The same leg as the Voice API stores it."""

    def __post_init__(self) -> None:
        """Let the conversation know its leg."""
        member = self.member
        self.call = CallLeg(
            self.id, self.builder.conversation_id, self.kind, self.direction, self.channel["from"], self.channel["to"],
            self.began, self.route.network, user_id="" if member is None else member.user.id,
        )  # fmt: skip
        self.builder.legs.append(self.call)

    @property
    def technology(self) -> str:
        """Whether its events are sip:* or rtc:*."""
        return "rtc" if self.kind == "app" else "sip"

    @property
    def status_now(self) -> str:
        """Return the status the leg has."""
        return self.facts[-1][1]

    def status(self, status: str, reason: str | None = None) -> None:
        """Change the leg's status: a leg:status:update with the whole history so far."""
        builder = self.builder
        state: Json = {"status": status}
        if reason is not None:
            state |= {"successful": reason == "ok", "reason": reason}
        entry: Json = {"status": status, "state": state, "date": iso(builder.now)}
        if self.member is not None:
            entry |= {"conversation_id": builder.conversation_id, "member_id": self.member.id}
        else:
            entry["knocker_id"] = self.knocker
        self.history.append(entry)
        self._note(status)
        self.call.reason = reason or self.call.reason
        body = {"leg_id": self.id, "direction": self.direction, "type": self.kind, "status": status,
                "state": state, "statusHistory": list(self.history)}  # fmt: skip
        builder.event("leg:status:update", self.member, body, history=tuple(self.facts))

    def signal(self, name: str) -> None:
        """Write sip:/rtc: ringing or answered."""
        body = {"direction": self.direction, "channel": self.channel}
        self.builder.event(f"{self.technology}:{name}", self.member, body)

    def start(self) -> None:
        """Create the leg: an entry in its history, reported with the next status."""
        builder = self.builder
        self.history.append({"knocker_id": self.knocker or builder.dice.uuid(), "status": "started",
                             "state": {"status": "started"}, "date": iso(builder.now)})  # fmt: skip
        self.call.knocker = self.history[-1]["knocker_id"]
        self._note("started")

    def _note(self, status: str) -> None:
        self.facts.append((self.id, status, self.builder.now))
        self.call.statuses.append((status, self.builder.now))

    def ring(self) -> None:
        """Ring."""
        self.status("ringing")
        self.signal("ringing")

    def answer(self) -> None:
        """Answer."""
        self.answered_at = self.call.answered_at = self.builder.now
        self.signal("answered")
        self.status("answered")

    def machine(self, event: str, verdict: str, confidence: int) -> None:
        """Write a machine detection: event is sip:machine or sip:amd_machine."""
        body = {"type": verdict, "confidence": confidence, "channel": self.channel}
        self.call.machine = (verdict, self.builder.now)
        self.builder.event(event, self.member, body)

    def hang_up(self, code: str, sip_code: int, text: str = "Normal call clearing") -> None:
        """End the leg: sip:hangup or rtc:hangup, with what was measured when there was media."""
        builder, dice = self.builder, self.builder.dice
        self.ended_at = self.call.ended_at = builder.now
        self.call.sip_code, self.call.hung_up_first = sip_code, code == "REMOTE_HANGUP"
        body: Json = {"direction": self.direction}
        facts: Json = {"sip_code": sip_code}
        if self.answered_at is not None or dice.chance(0.4):
            seconds = (builder.now - (self.answered_at or builder.now)) / 1000
            measured = measure(dice, seconds, self.kind, self.fault) if self.answered_at else no_media()
            body["quality"] = measured.quality_json()
            body["bandwidth"] = {"byte_in": measured.byte_in, "byte_out": measured.byte_out}
            facts |= {"packet_cnt": measured.packets, "flaw_total": measured.flaws, "mos": measured.mos,
                      "byte_in": measured.byte_in, "byte_out": measured.byte_out}  # fmt: skip
        body["channel"] = self.channel
        body["reason"] = {"text": text, "code": code, "sip_code": str(sip_code)}
        builder.event(f"{self.technology}:hangup", self.member, body, **facts)

    def bill(self, status: str = "completed", reason: str = "ok") -> None:
        """Write the billing event: price = rate x seconds / 60, as decimal text (call-quality.md M31)."""
        builder = self.builder
        began, ended = self.answered_at or builder.now, self.ended_at or builder.now
        seconds = -(-(ended - began) // 1000) if self.answered_at else 0
        self.call.duration_s, self.call.billed_at = seconds, builder.now
        if self.technology == "rtc":
            body = {"duration": str(seconds), "start_time": iso_seconds(began),
                    "end_time": iso_seconds(began + seconds * 1000), "mos": 4.5, "price": "0.00",
                    "price_currency": "EUR", "channel": self.channel}  # fmt: skip
            builder.event("rtc:status", self.member, body, price=0, duration_s=seconds)
            return
        outbound = self.direction == "outbound"
        rate = self.route.rate if outbound else 450_000
        price = rate * seconds // 60
        self.call.rate, self.call.price = rate, price
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
        builder.event("sip:status", self.member, body, price=price, duration_s=seconds)


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


def draw_fault(builder: ConversationBuilder, route: Route) -> str:
    """Decide whether a leg over this route will be bad, and how."""
    if builder.causes is not None and (fault := builder.causes.fault(route.network)):
        return fault
    known = route.fault in {"loss", "one_way"} and builder.day >= route.fault_from_day and not built_in_off(builder)
    if known and builder.dice.chance(route.trouble):
        return route.fault
    if builder.dice.chance(0.02):
        return builder.dice.pick(("loss", "loss", "one_way", "dead_air", "reset"))
    return ""


def built_in_off(builder: ConversationBuilder) -> bool:
    """Whether the world is a clean one, without the bad routes that are built in."""
    return builder.causes is not None and builder.causes.clean
