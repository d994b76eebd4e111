"""The Conversation API as a function: a request value in, a reply value out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from conv_analytics.sandbox.applications import Applications
from conv_analytics.sandbox.calls import Calls
from conv_analytics.sandbox.cursors import Cursors
from conv_analytics.sandbox.lifetimes import Lifetimes, WorldClock
from conv_analytics.sandbox.memberships import Memberships
from conv_analytics.sandbox.paging import Pager
from conv_analytics.sandbox.problems import ProblemError, problem
from conv_analytics.sandbox.reads import Reads
from conv_analytics.sandbox.world.quirks import Links, Shapes
from conv_analytics.sandbox.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Collection

    from conv_analytics.sandbox.tokens import Caller, Verifier
    from conv_analytics.sandbox.wire import Reply, Request
    from conv_analytics.sandbox.world.people import User
    from conv_analytics.sandbox.world.records import Conversation
    from conv_analytics.sandbox.world.world import World

EventsShape = Literal["object", "list"]
REAL_HOST = "https://api.nexmo.com"


class App:
    """Routes requests to reads and writes of a world. No sockets, no clock of its own."""

    def __init__(
        self, world: World, verifier: Verifier, *, events_shape: EventsShape = "object",
        base_url: str = REAL_HOST, gone: Collection[str] = (), lifetimes: Lifetimes | None = None,
        calls: Calls | None = None, applications: Applications | None = None,
    ) -> None:  # fmt: skip
        """Serve a world; conversations in `gone` are listed but answer 404 (retention, contract 4.2).

        `lifetimes` say what can be read when (everything, always, when missing); without `applications` there is
        no account.
        """
        self._world, self._verifier, self._gone = world, verifier, frozenset(gone)
        cursors = Cursors(world.seed)
        pager = Pager(cursors, base_url, Links(world.seed, on=world.quirks))
        shapes = Shapes(world.seed, on=world.quirks)
        self._lifetimes = lifetimes or Lifetimes(world, WorldClock(world))
        self._applications = applications
        self._calls = calls or Calls(world, self._lifetimes, base_url=base_url)
        self._reads = Reads(
            world, cursors, pager, shapes, events_as_list=events_shape == "list", lifetimes=self._lifetimes
        )
        self._writes, self._memberships = Writes(world), Memberships(world)

    def answer(self, request: Request) -> Reply:
        """Answer a request; every error becomes the error body of contract 4.3."""
        if self._applications is not None and request.path.startswith("/v2/applications"):
            return self._applications.answer(request)
        try:
            caller = self._verifier.check(request.authorization)
            with self._world.lock:
                return self._route(request, caller)
        except ProblemError as stop:
            return stop.reply

    def _route(self, request: Request, caller: Caller) -> Reply:  # noqa: PLR0911 - one return per route
        parts = request.path.split("/")
        match parts:
            case ["", "v1", "conversations"]:
                return self._conversations(request)
            case ["", "v1", "conversations", conversation_id, *rest] if conversation_id and all(rest):
                return self._in_conversation(request, caller, conversation_id, rest)
            case ["", "v1", "users"] if request.method == "GET":
                return self._reads.users(request)
            case ["", "v1", "users", user_id, *rest] if user_id and all(rest) and request.method == "GET":
                return self._in_user(request, user_id, rest)
            case ["", "v1", "calls"] if request.method == "GET":
                return self._calls.listing(request)
            case ["", "v1", "calls", uuid] if uuid and request.method == "GET":
                return self._calls.one(uuid, request.path)
        return problem("http:error:not-found", about=request.path)

    def _conversations(self, request: Request) -> Reply:
        if request.method == "GET":
            return self._reads.conversations(request)
        if request.method == "POST":
            return self._writes.create_conversation(request)
        return problem("http:error:method-not-allowed", about=request.path)

    def _in_user(self, request: Request, user_id: str, rest: list[str]) -> Reply:
        known: dict[tuple[str, ...], object] = {(): None, ("conversations",): None, ("sessions",): None}
        if tuple(rest) not in known:
            return problem("http:error:not-found", about=request.path)
        user: User | None = self._world.user_by_id(user_id)
        if user is None:
            return problem("user:error:not-found", about=user_id)
        if rest == ["conversations"]:
            return self._reads.user_conversations(request, user)
        return self._reads.sessions(request, user) if rest else self._reads.user(user)

    def _in_conversation(self, request: Request, caller: Caller, conversation_id: str, rest: list[str]) -> Reply:
        ordinal = None if conversation_id in self._gone else self._lifetimes.find(conversation_id)
        if ordinal is None:
            return problem("conversation:error:not-found", about=conversation_id)
        conversation = self._world.conversation(ordinal)
        if conversation.state == "INACTIVE" and request.method not in {"GET", "DELETE"}:
            return problem("conversation:error:not-allowed", about=conversation_id)
        return (
            self._read(request, caller, self._lifetimes.at_present(conversation), rest)
            if request.method == "GET"
            else self._write(request, conversation, rest)
        )

    def _read(  # noqa: PLR0911 - one return per route
        self, request: Request, caller: Caller, conversation: Conversation, rest: list[str]
    ) -> Reply:
        match rest:
            case ["events"]:
                return self._reads.events(request, conversation)
            case []:
                return self._reads.conversation(conversation)
            case ["members"]:
                return self._reads.members(request, conversation)
            case ["events", event_id]:
                return self._reads.event(conversation, event_id)
            case ["members", "me"]:
                return self._reads.me(conversation, caller)
            case ["members", member_id]:
                return self._reads.member(conversation, member_id)
        return problem("http:error:not-found", about=request.path)

    def _write(  # noqa: PLR0911 - one return per route
        self, request: Request, conversation: Conversation, rest: list[str]
    ) -> Reply:
        match [request.method, *rest]:
            case ["PUT"]:
                return self._writes.update_conversation(request, conversation)
            case ["DELETE"]:
                return self._writes.delete_conversation(conversation)
            case ["POST", "members"]:
                return self._memberships.create(request, conversation)
            case ["PATCH", "members", member_id]:
                return self._memberships.update(request, conversation, member_id)
            case ["POST", "events"]:
                return self._writes.create_event(request, conversation)
            case ["DELETE", "events", event_id]:
                return self._writes.delete_event(conversation, event_id)
            case [_] | [_, "members" | "events"] | [_, "members" | "events", _]:
                return problem("http:error:method-not-allowed", about=request.path)
        return problem("http:error:not-found", about=request.path)
