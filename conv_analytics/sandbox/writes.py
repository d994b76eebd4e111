"""The endpoints that change the world: conversations and events (contract 1.1 rows 2, 4, 5, 12, 14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from conv_analytics.sandbox.problems import not_valid, refusal
from conv_analytics.sandbox.reads import event_index, find_member
from conv_analytics.sandbox.wire import NO_CONTENT, Json, Reply, Request, as_object, encode, ok
from conv_analytics.sandbox.world.builder import emptied
from conv_analytics.sandbox.world.clock import iso
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.records import Conversation, Event, Member
from conv_analytics.sandbox.world.render import envelope, to_bytes

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.world import World

CREATED_TYPES = frozenset({
    "message", "message:submitted", "message:delivered", "message:seen", "message:rejected",
    "message:undeliverable", "custom", "ephemeral", "audio:play", "audio:play:stop", "audio:say",
    "audio:say:stop", "audio:dtmf", "audio:record", "audio:record:stop", "audio:mute:on", "audio:mute:off",
    "audio:earmuff:on", "audio:earmuff:off",
})  # fmt: skip
CUSTOM = re.compile(r"^custom:[\w\-:]+$", re.ASCII)
LIMITS = {"name": 100, "display_name": 50, "image_url": 2048}
LONGEST_TTL_S = 2147483648
LONGEST_PROPERTY = 200
DEEPEST = 100


def read_object(request: Request) -> Json:
    """Read the body as a JSON object, or answer 400; also for one that could not be returned as JSON."""
    reason = '"body" must be a JSON object'
    try:
        body = msgspec.json.decode(request.body or b"{}")
        if isinstance(body, dict) and not _is_deep(body):
            encode(body)
            return body
        reason = '"body" is nested too deeply' if isinstance(body, dict) else reason
    except RecursionError:
        reason = '"body" is nested too deeply'
    except (ValueError, OverflowError):
        # Not JSON; or half of a surrogate pair, which can be read but not written.
        pass
    raise not_valid({"body": reason}, request.path)


def _is_deep(body: Json) -> bool:
    level: list[object] = [body]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
        if not level:
            return False
    return True


def refuse(invalid: dict[str, str], request: Request) -> None:
    """Answer 400 when something is invalid."""
    if invalid:
        raise not_valid(invalid, request.path)


class Changes:
    """Base of all writes: the world, its clock, and how an event is added."""

    def __init__(self, world: World) -> None:
        """Write to this world."""
        self.world = world
        self.dice = Dice(world.seed, type(self).__name__)

    def now(self) -> int:
        """Return the present [ms]."""
        return self.world.tick()

    def add_event(
        self, conversation: Conversation, kind: str, member: Member | None, body: Json, **facts: object
    ) -> bytes:
        """Add an event with the next id; return its JSON."""
        event = Event(conversation.sequence_number + 1, kind, member, body, self.now(), facts)
        return self.world.append_event(conversation.ordinal, event)


class Writes(Changes):
    """Answers writes to conversations and events."""

    def __init__(self, world: World) -> None:
        """Write to this world."""
        super().__init__(world)
        self._names: set[str] | None = None

    def create_conversation(self, request: Request) -> Reply:
        """Create a conversation: 201, or 409 when the name is taken."""
        body = read_object(request)
        self._validate(body, request)
        name = body.get("name") or f"NAM-{self.dice.uuid()}"
        self._claim(name, None)
        now = self.now()
        made = Conversation(self.world.next_ordinal(), f"CON-{self.dice.uuid()}", name, now, updated=now)
        self._describe(made, body)
        self.world.add(made)
        return ok(made.full(), 201)

    def update_conversation(self, request: Request, conversation: Conversation) -> Reply:
        """Replace a conversation's description; conversation:updated reports it."""
        body = read_object(request)
        self._validate(body, request)
        name = body.get("name") or conversation.name
        self._claim(name, conversation.name)
        conversation = self.world.touch(conversation.ordinal)
        conversation.name = name
        self._describe(conversation, body)
        conversation.updated = self.now()
        self.add_event(conversation, "conversation:updated", None, {
            "id": conversation.id, "name": conversation.name, "display_name": conversation.display_name,
            "image_url": conversation.image_url, "state": conversation.state, "timestamp": conversation.timestamps(),
        })  # fmt: skip
        return ok(conversation.full())

    def delete_conversation(self, conversation: Conversation) -> Reply:
        """Delete a conversation: from now on it answers 404."""
        self._all_names().discard(conversation.name)
        self.world.remove(conversation.ordinal)
        return NO_CONTENT

    def create_event(self, request: Request, conversation: Conversation) -> Reply:
        """Add an event; an ephemeral one only uses up an id."""
        body = read_object(request)
        kind, content, sender = body.get("type"), body.get("body", {}), body.get("from")
        invalid = {}
        if not isinstance(kind, str) or not (kind in CREATED_TYPES or CUSTOM.match(kind)):
            invalid["type"] = '"type" is not an event type that can be created'
        if not isinstance(content, dict):
            invalid["body"] = '"body" must be an object'
        refuse(invalid, request)
        assert isinstance(kind, str)
        conversation = self.world.touch(conversation.ordinal)
        member = None if sender in (None, conversation.id) else find_member(conversation, str(sender))
        if kind == "ephemeral":
            conversation.sequence_number += 1
            event = Event(conversation.sequence_number, kind, member, content, self.now(), {})
            return Reply(201, to_bytes(envelope(event, conversation.id)))
        message_type = content.get("message_type")
        facts = {"message_type": message_type} if kind == "message" and isinstance(message_type, str) else {}
        return Reply(201, self.add_event(conversation, kind, member, content, **facts))

    def delete_event(self, conversation: Conversation, event_id: str) -> Reply:
        """Empty a message or custom event and add event:delete (contract 7.5)."""
        index = event_index(conversation, event_id)
        kind = conversation.event_types[index]
        if not (kind == "message" or kind.startswith("custom")):
            raise refusal(code="event:error:delete-not-allowed", about=event_id)
        conversation = self.world.touch(conversation.ordinal)
        number = conversation.event_ids[index]
        if number not in conversation.deleted:
            whole = msgspec.json.decode(conversation.rendered[index])
            whole["body"] = emptied(kind, as_object(whole.get("body")), iso(self.now()))
            conversation.rendered[index] = to_bytes(whole)
            conversation.deleted.add(number)
            self.world.count_deleted(conversation.ordinal)
            self.add_event(conversation, "event:delete", None, {"event_id": str(number)})
        return NO_CONTENT

    # -- conversations' fields

    def _validate(self, body: Json, request: Request) -> None:
        invalid = {}
        for name, most in LIMITS.items():
            value = body.get(name)
            if value is not None and not isinstance(value, str):
                invalid[name] = f'"{name}" must be a string'
            elif value is not None and len(value) > most:
                invalid[name] = f'"{name}" length must be less than or equal to {most} characters long'
        properties = as_object(body.get("properties"))
        ttl = properties.get("ttl")
        if ttl is not None and not (isinstance(ttl, int) and 0 <= ttl <= LONGEST_TTL_S):
            invalid["properties.ttl"] = '"ttl" must be a number between 0 and 2147483648'
        for name in ("type", "custom_sort_key"):
            if len(str(properties.get(name, ""))) > LONGEST_PROPERTY:
                invalid[f"properties.{name}"] = f'"{name}" is too long'
        refuse(invalid, request)

    @staticmethod
    def _describe(conversation: Conversation, body: Json) -> None:
        conversation.minimal = False
        conversation.display_name, conversation.image_url = body.get("display_name"), body.get("image_url")
        conversation.properties = as_object(body.get("properties"))

    def _all_names(self) -> set[str]:
        if self._names is None:
            self._names = {self.world.head(ordinal).name for ordinal in self.world.ordinals}
        return self._names

    def _claim(self, name: str, instead_of: str | None) -> None:
        names = self._all_names()
        if name != instead_of and name in names:
            raise refusal(code="conversation:error:duplicate-name", about=name)
        names.discard(instead_of or "")
        names.add(name)
