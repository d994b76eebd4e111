"""The Voice API's list of calls: `GET /v1/calls` and `GET /v1/calls/{uuid}` (live contract 7)."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from conv_analytics.sandbox.call_truth import CallTruth
from conv_analytics.sandbox.problems import ProblemError, gateway
from conv_analytics.sandbox.queries import DEFAULT_PAGE, LARGEST_PAGE, Query
from conv_analytics.sandbox.wire import Json, Reply, Request, encode, ok
from conv_analytics.sandbox.world.clock import HOUR_MS, iso
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.quirks import FOREIGN, SHARE

if TYPE_CHECKING:
    from conv_analytics.sandbox.lifetimes import Lifetimes
    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.world import World

STATUSES = (
    "started", "ringing", "answered", "machine", "completed", "busy", "cancelled", "failed", "rejected", "timeout",
    "unanswered",
)  # fmt: skip
DAY_MS = 24 * HOUR_MS
_ENDS = {"app": "user", "sip": "uri", "websocket": "uri", "vbc": "extension"}


class CallQuery(Query):
    """A query of the call list, refused as the Voice API was seen to refuse one."""

    def __init__(self, request: Request, *, quirks: bool) -> None:
        """Start without faults; with quirks the type of an error is a number."""
        super().__init__(request)
        self._quirks = quirks

    def check(self) -> None:
        """Refuse the request when anything was wrong."""
        if self._invalid:
            invalid = [{"name": name, "reason": reason} for name, reason in self._invalid.items()]
            kind: object = 400 if self._quirks else "https://developer.nexmo.com/api-errors#bad-request"
            body = {"type": kind, "title": "Bad Request", "invalid_parameters": invalid}
            raise ProblemError("bad-request", Reply(400, encode(body)))


class Calls:
    """Answers from all legs of a world, whether their conversations can still be read or not."""

    def __init__(
        self, world: World, lifetimes: Lifetimes, *, base_url: str, persistence_days: float | None = None,
        spans_regions: bool = True,
    ) -> None:  # fmt: skip
        """Keep legs for `persistence_days` after their end; list those of both data centres when it spans regions."""
        self._world, self._lifetimes, self._base = world, lifetimes, base_url
        self._keep_ms = None if persistence_days is None else round(persistence_days * DAY_MS)
        self._spans_regions = spans_regions
        self._legs: list[CallLeg] = []
        self._elsewhere: set[str] = set()
        self._by_id: dict[str, CallLeg] = {}

    def listing(self, request: Request) -> Reply:
        """List calls by when they were made; `date_start` is inclusive and `date_end` exclusive."""
        query = CallQuery(request, quirks=self._world.quirks)
        size = query.integer("page_size", 1, LARGEST_PAGE) or DEFAULT_PAGE
        index = query.integer("record_index", 0) or 0
        status, order = query.one_of("status", STATUSES), query.one_of("order", ("asc", "desc"))
        after, before = query.instant("date_start"), query.instant("date_end")
        query.check()
        conversation = request.query.get("conversation_uuid")
        now = self._lifetimes.clock.running()
        legs = self._index()
        low = 0 if after is None else bisect_left(legs, after, key=_began)
        high = len(legs) if before is None else bisect_left(legs, before, key=_began)
        matching = [
            leg
            for leg in legs[low:high]
            if self._listed(leg, now)
            and (self._spans_regions or leg.id not in self._elsewhere)
            and (conversation is None or leg.conversation_id == conversation)
            and (status is None or _status(leg, now) == status)
        ]
        if order == "desc":
            matching.reverse()
        shown = [self._render(leg, now) for leg in matching[index : index + size]]
        page: Json = {"count": len(matching), "page_size": size, "record_index": index, "_embedded": {"calls": shown}}
        page["_links"] = self._links(request, len(matching), size, index)
        return ok(page)

    def one(self, uuid: str, about: str) -> Reply:
        """Return one call; the other data centre's answer 404 here, as unknown ones do."""
        self._index()
        leg, now = self._by_id.get(plain_id(uuid)), self._lifetimes.clock.running()
        if leg is None or not self._listed(leg, now) or leg.id in self._elsewhere:
            return Reply(404, gateway("not-found", "Not Found", f"Call {about} does not exist, or you do not own it."))
        return ok(self._render(leg, now))

    # -- selection

    def _index(self) -> list[CallLeg]:
        if not self._legs:
            world = self._world
            ordinals = range(world.size)
            self._legs = sorted((leg for ordinal in ordinals for leg in world.legs(ordinal)), key=_began)
            self._by_id = {plain_id(leg.id): leg for leg in self._legs}
            elsewhere = filter(self._lifetimes.is_elsewhere, ordinals)
            self._elsewhere = {leg.id for ordinal in elsewhere for leg in world.legs(ordinal)}
        return self._legs

    def _listed(self, leg: CallLeg, now: int | None) -> bool:
        if now is not None and leg.began > now:
            return False
        return self._keep_ms is None or leg.over_at + self._keep_ms > self._lifetimes.clock.now()

    # -- rendering

    def _render(self, leg: CallLeg, now: int | None) -> Json:
        dice = Dice(self._world.seed, "call", leg.id)
        odd = self._world.quirks and dice.chance(SHARE)
        whole = call_json(leg, now, dice if odd else None)
        stem = "/calls" if odd and dice.chance(0.5) else "/v1/calls"
        return {"_links": {"self": {"href": f"{stem}/{whole['uuid']}"}}, **whole}

    def _links(self, request: Request, count: int, size: int, index: int) -> Json:
        filters = {name: text for name, text in request.query.items() if name not in {"page_size", "record_index"}}

        def link(at: int | None, page_size: int = size) -> Json:
            position = {} if at is None else {"record_index": at}
            return {"href": f"/v1/calls?{urlencode({**filters, 'page_size': page_size, **position})}"}

        links: Json = {"self": link(index), "first": link(None)}
        if count:
            links["last"] = link((count - 1) // size * size)
        if index + size < count:
            links["next"] = link(index + size)
        if index > 0:
            links["prev"] = link(max(0, index - size))
        if not self._world.quirks:
            return links
        dice = Dice(self._world.seed, "calls", sorted(request.query.items()))
        links["first"] = dice.pick((links["first"], link(None, 0)))
        for kind in ("next", "last", "prev"):
            if kind in links:
                href = links[kind]["href"]
                forms = (href, self._base + href, FOREIGN + href, href.removeprefix("/v1"))
                links[kind]["href"] = dice.pick(forms)
        return links


def plain_id(uuid: str) -> str:
    """Return a leg id as it is compared: without dashes, in lower case."""
    return uuid.replace("-", "").lower()


def spelled_id(leg: CallLeg) -> str:
    """Return a leg id as the Voice API spells it with quirks: inbound phone calls have 32 hex digits."""
    return plain_id(leg.id) if leg.kind == "phone" and leg.direction == "inbound" else leg.id


def address(end: Json) -> str:
    """Return the number, URI, extension or user of one end of a channel."""
    return str(end.get(_ENDS.get(end["type"], "number"), ""))


def end_json(end: Json) -> Json:
    """Write one end of a call; a channel's user name and password are not in the list."""
    kind = end["type"]
    made: Json = {"type": kind, _ENDS.get(kind, "number"): address(end)}
    if kind == "websocket":
        made["content-type"] = end["content_type"]
    return made


def money(units: int) -> str:
    """Write 1e-8 units of the account's currency as decimal text with eight places."""
    return f"{units // 10**8}.{units % 10**8:08d}"


def call_json(leg: CallLeg, now: int | None, odd: Dice | None) -> Json:
    """Write a call as it is at an instant [ms], or at its end; `odd` dice give it another spelling."""
    to = end_json(leg.to)
    whole: Json = {
        "uuid": leg.id if odd is None else spelled_id(leg),
        "status": _status(leg, now),
        "direction": leg.direction,
        "conversation_uuid": leg.conversation_id,
        "from": end_json(leg.from_),
        "to": to if odd is None else odd.pick((to, [to])),
    }
    if whole["status"] == "completed":
        began = (leg.answered_at or leg.over_at) // 1000 * 1000
        whole |= {
            "rate": money(leg.rate), "price": money(leg.price), "duration": str(leg.duration_s),
            "network": leg.network, "start_time": iso(began), "end_time": iso(began + leg.duration_s * 1000),
        }  # fmt: skip
        if odd is not None and odd.chance(0.5):
            for name in ("start_time", "end_time"):
                whole[name] = whole[name][:19].replace("T", " ")
        if odd is not None and odd.chance(0.3):
            whole |= {"duration": leg.duration_s, "rate": leg.rate / 10**8}
        if odd is not None and odd.chance(0.2):
            whole["x_unknown"] = {"since": "v2"}
    return whole


def call_truths(world: World, lifetimes: Lifetimes) -> tuple[CallTruth, ...]:
    """Describe every leg that was begun, in the order in which they began."""
    now = lifetimes.clock.running()
    truths = [
        _truth(
            leg,
            now,
            transient=world.is_transient(ordinal),
            expired=lifetimes.is_expired(ordinal),
            other_region=lifetimes.in_other_region(ordinal),
        )
        for ordinal in range(world.size)
        for leg in world.legs(ordinal)
        if now is None or leg.began <= now
    ]
    return tuple(sorted(truths, key=lambda call: call.began))


def _truth(leg: CallLeg, now: int | None, *, transient: bool, expired: bool, other_region: bool) -> CallTruth:
    status = _status(leg, now)
    completed = status == "completed"
    return CallTruth(
        leg_id=leg.id,
        conversation_id=leg.conversation_id,
        channel=leg.kind,
        direction=leg.direction,
        status=status,
        began=_instant(leg.began),
        ended=_instant(leg.over_at),
        price=Decimal(leg.price).scaleb(-8) if completed else None,
        duration_s=leg.duration_s if completed else None,
        transient=transient,
        expired=expired,
        other_region=other_region,
        running=now is not None and leg.over_at > now,
    )


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _began(leg: CallLeg) -> int:
    return leg.began


def _status(leg: CallLeg, now: int | None) -> str:
    return leg.voice_status if now is None else leg.status_at(now)


__all__ = ["CallQuery", "Calls", "address", "call_json", "call_truths", "end_json", "money", "plain_id", "spelled_id"]
