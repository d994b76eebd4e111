"""The seeded world: conversations made one by one when touched, and changed by writes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from conv_analytics.sandbox.tally import Tally
from conv_analytics.sandbox.truth import Truth, add_up
from conv_analytics.sandbox.world import broken as breaking
from conv_analytics.sandbox.world.active_causes import ActiveCauses
from conv_analytics.sandbox.world.builder import ConversationBuilder
from conv_analytics.sandbox.world.causes import Cause, built_in, parse, planted
from conv_analytics.sandbox.world.clock import HOUR_MS, Arrivals, to_ms
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.odd_events import odd_event
from conv_analytics.sandbox.world.people import People, User
from conv_analytics.sandbox.world.quirks import SHARE
from conv_analytics.sandbox.world.records import Conversation, Event
from conv_analytics.sandbox.world.render import envelope, to_bytes
from conv_analytics.sandbox.world.scenarios import DECK, TRANSIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from conv_analytics.sandbox.world.call_legs import CallLeg

DISPLAY_NAMES = ("Intake line", "Café ☕ orders", "محادثة", "שיחה", "A & B <support>", "e\u0301quipe", "")
CACHED_EVENTS = 600_000


class World:
    """An application's conversations, members, events, users and sessions, all drawn from one seed.

    The same arguments give the same bytes. `quirks` adds the irregularities of contract section 9 to a share
    of the records without changing what they mean; `broken` is the share [0..1] of events with one cell that
    cannot be read. `causes` plants problems with labels (see `world/causes.py`), and `clean` leaves out the bad
    routes that are built in. A conversation is generated when it is first read; of those only a limited number is
    kept, and the others are generated again. Changed ones are kept for good.
    """

    def __init__(
        self,
        seed: int = 7,
        conversations: int = 500,
        end: datetime = datetime(2026, 11, 20, tzinfo=UTC),
        days: int = 7,
        *,
        quirks: bool = False,
        broken: float = 0.0,
        causes: str | Iterable[str] = (),
        clean: bool = False,
        transient: float = 0.0,
    ) -> None:
        """Describe the world; nothing is generated yet."""
        self.seed, self.size, self.end_ms, self.days = seed, conversations, to_ms(end), days
        self.quirks, self.broken, self.transient = quirks, broken, transient
        self.start_ms = self.end_ms - days * 24 * HOUR_MS
        self.people = People(seed, conversations, self.start_ms)
        self.clean = clean
        self.causes: tuple[Cause, ...] = self._label(parse(causes))
        """The deliberate problems of this world: the planted ones, then the built-in ones."""
        self._planted = {cause.kind: cause for cause in self.causes if not cause.built_in}
        self.lock = threading.RLock()
        self.on_change: Callable[[str, Conversation, int, bytes | None], None] | None = None
        """Called with each event that is written through the API: type, conversation, instant [ms], JSON.
        Events that begin or end a conversation have no JSON."""
        self.ordinals: list[int] = list(range(conversations))
        """Ordinals of the conversations that exist, growing with their creation time."""
        self._last_ms = self.end_ms
        self._arrivals = Arrivals(conversations, end, days)
        self._heads: dict[int, Conversation] = {}
        self._cached: OrderedDict[int, Conversation] = OrderedDict()
        self._cached_events = 0
        self._changed: dict[int, Conversation] = {}
        self._tallies: dict[int, Tally] = {}
        self._legs: dict[int, list[CallLeg]] = {}
        self._transient: dict[int, bool] = {}
        self._by_id: dict[str, int] = {}
        self._memberships: dict[str, list[tuple[int, str]]] | None = None
        self._users_by_id: dict[str, User] | None = None
        self._deck: Callable[[int], list[Callable[[ConversationBuilder], None]]] = lru_cache(maxsize=1024)(self._deal)

    # -- reading

    def head(self, ordinal: int) -> Conversation:
        """Return a conversation without its members and events: all that a list shows."""
        changed = self._changed.get(ordinal)
        if changed is not None:
            return changed
        conversation = self._heads.get(ordinal)
        if conversation is None:
            conversation = self._heads[ordinal] = self._make_head(ordinal)
        return conversation

    def conversation(self, ordinal: int) -> Conversation:
        """Return a conversation with everything in it."""
        with self.lock:
            changed = self._changed.get(ordinal)
            if changed is not None:
                return changed
            kept = self._cached.get(ordinal)
            if kept is not None:
                self._cached.move_to_end(ordinal)
                return kept
            made = self._cached[ordinal] = self._fill(self.head(ordinal))
            self._cached_events += len(made.rendered)
            while self._cached_events > CACHED_EVENTS and len(self._cached) > 1:
                _, dropped = self._cached.popitem(last=False)
                self._cached_events -= len(dropped.rendered)
            return made

    def ordinal_of(self, conversation_id: str) -> int | None:
        """Find a conversation by id; None when there is none."""
        if not self._by_id:
            with self.lock:
                self._by_id = {self.head(ordinal).id: ordinal for ordinal in self.ordinals}
        return self._by_id.get(conversation_id)

    def user_by_id(self, user_id: str) -> User | None:
        """Find a user by id."""
        if self._users_by_id is None:
            with self.lock:
                users = (self.people.user(index) for index in range(self.people.count))
                self._users_by_id = {user.id: user for user in users}
        return self._users_by_id.get(user_id)

    def memberships(self, user_id: str) -> list[tuple[int, str]]:
        """Return (conversation ordinal, member id) of a user, in the order of the conversations' creation."""
        with self.lock:
            if self._memberships is None:
                self._memberships = {}
                for ordinal in self.ordinals:
                    self._index_members(ordinal)
            alive = set(self.ordinals)
            return [pair for pair in self._memberships.get(user_id, ()) if pair[0] in alive]

    def truth(self, gone: Collection[str] = (), ordinals: Iterable[int] | None = None) -> Truth:
        """Add up what a complete folder holds of these conversations (all), without those that are `gone`."""
        with self.lock:
            tallies = []
            for ordinal in self.ordinals if ordinals is None else ordinals:
                conversation_id = self.head(ordinal).id
                if conversation_id not in gone:
                    tallies.append((conversation_id, self.tally(ordinal)))
            users = [self.people.user(index) for index in range(self.people.count)]
            sessions = sum(len(self.people.sessions(user)) for user in users)
            return add_up(tallies, users=len(users), sessions=sessions, gone=len(gone), causes=self.causes)

    def tally(self, ordinal: int) -> Tally:
        """Return what a conversation adds to the truth."""
        if ordinal not in self._tallies:
            self.conversation(ordinal)
        return self._tallies[ordinal]

    def legs(self, ordinal: int) -> list[CallLeg]:
        """Return the legs of a conversation's call, in the order in which they were made."""
        if ordinal not in self._legs:
            self.conversation(ordinal)
        return self._legs.get(ordinal, [])

    def is_transient(self, ordinal: int) -> bool:
        """Whether a conversation exists only while its call lasts (contract 1.1)."""
        if not self.transient or ordinal >= self.size:
            return False
        known = self._transient.get(ordinal)
        if known is None:
            drawn = Dice(self.seed, "transient", ordinal).chance(self.transient)
            known = self._transient[ordinal] = drawn and self._scenario(ordinal) in TRANSIENT
        return known

    def is_changed(self, ordinal: int) -> bool:
        """Whether a conversation was made or changed through the API."""
        return ordinal in self._changed

    # -- changing (used by the server's POST, PUT, PATCH and DELETE)

    def touch(self, ordinal: int) -> Conversation:
        """Return a conversation that is about to change, and keep it from now on."""
        with self.lock:
            conversation = self.conversation(ordinal)
            if ordinal not in self._changed:
                self._changed[ordinal] = conversation
                if self._cached.pop(ordinal, None) is not None:
                    self._cached_events -= len(conversation.rendered)
            return conversation

    def add(self, conversation: Conversation) -> None:
        """Add a new conversation as the latest one; its ordinal must come from `next_ordinal`."""
        with self.lock:
            self.ordinal_of(conversation.id)
            self._by_id[conversation.id] = conversation.ordinal
            self._changed[conversation.ordinal] = conversation
            self._tallies[conversation.ordinal] = Tally()
            self.ordinals.append(conversation.ordinal)
            self._changed_by_api("conversation:created", conversation, conversation.created)

    def tick(self) -> int:
        """Return the present [ms]: never before the world's end, and always later than the time before."""
        self._last_ms = max(self._last_ms + 1, round(time.time() * 1000))
        return self._last_ms

    def next_ordinal(self) -> int:
        """Return an ordinal that was never used."""
        return max(self.size, max(self._changed, default=0) + 1)

    def remove(self, ordinal: int) -> None:
        """Delete a conversation."""
        with self.lock:
            self.touch(ordinal)
            self._by_id.pop(self._changed[ordinal].id, None)
            self.ordinals.remove(ordinal)
            self._changed_by_api("conversation:deleted", self._changed[ordinal], self.tick())

    def _changed_by_api(self, kind: str, conversation: Conversation, at: int, rendered: bytes | None = None) -> None:
        if self.on_change is not None:
            self.on_change(kind, conversation, at, rendered)

    def index_member(self, user_id: str, ordinal: int, member_id: str) -> None:
        """Note a new membership."""
        self._tallies[ordinal].members += 1
        if self._memberships is not None:
            self._memberships.setdefault(user_id, []).append((ordinal, member_id))

    # -- making

    def _label(self, kinds: tuple[str, ...]) -> tuple[Cause, ...]:
        start = datetime.fromtimestamp(self.start_ms / 1000, UTC)
        always = () if self.clean else built_in(start, self.days)
        if not kinds:
            return always
        agents = [self.people.user(index) for index in range(self.people.agents)]
        names = [(agent.id, agent.name) for agent in agents]
        return (*planted(kinds, self.seed, self.start_ms, self.days, names), *always)

    def _deal(self, block: int) -> list[Callable[[ConversationBuilder], None]]:
        return Dice(self.seed, "deck", block).shuffled(DECK)

    def _scenario(self, ordinal: int) -> Callable[[ConversationBuilder], None]:
        block, card = divmod(ordinal, len(DECK))
        return self._deck(block)[card]

    def _make_head(self, ordinal: int) -> Conversation:
        dice = Dice(self.seed, "head", ordinal)
        conversation = Conversation(ordinal, f"CON-{dice.uuid()}", "", self._arrivals.at(ordinal, dice.uniform()))
        conversation.minimal = dice.chance(0.06)
        named = dice.chance(0.4) and not conversation.minimal
        conversation.name = f"intake-{ordinal:05d}" if named else f"NAM-{dice.uuid()}"
        if not conversation.minimal:
            conversation.display_name = dice.pick(DISPLAY_NAMES) if dice.chance(0.6) else None
            conversation.image_url = f"https://static.example.net/c/{ordinal}.png" if dice.chance(0.2) else None
            conversation.updated = conversation.created + dice.between(1, 900_000) if dice.chance(0.7) else None
        if self.is_transient(ordinal):
            conversation.name = f"NAM-{Dice(self.seed, 'transient name', ordinal).uuid()}"
        return conversation

    def _fill(self, head: Conversation) -> Conversation:
        dice = Dice(self.seed, "conversation", head.ordinal)
        builder = ConversationBuilder(dice, self.people, head.id, head.name, head.created + dice.between(5, 900))
        builder.day = (head.created - self.start_ms) // (24 * HOUR_MS)
        builder.display_name = head.display_name
        if self._planted or self.clean:
            builder.causes = ActiveCauses(
                Dice(self.seed, "plot", head.ordinal), self._planted, self.clean, head.created
            )
            builder.people = builder.causes.people(self.people)
        self._scenario(head.ordinal)(builder)
        conversation = replace(head, members=builder.members, state=builder.state, sequence_number=builder.last_id)
        conversation.event_ids, conversation.event_types, conversation.rendered, conversation.deleted = (
            [],
            [],
            [],
            set(),
        )
        conversation.event_times, conversation.before_deletion, conversation.legs = [], {}, builder.legs
        if not conversation.minimal:
            conversation.properties = {"ttl": 172800, "custom_data": {"ticketNo": f"T-{head.ordinal}"}}
            if dice.chance(0.3):
                conversation.properties |= {"type": "quick_chat", "custom_sort_key": f"#{head.ordinal:06d}"}
                conversation.properties["custom_data"] |= {"Region Code": "emea", "retry-count": "2"}
            flags = ("earmuff", "mute", "play_stream", "recording", "transcribing", "tts")
            conversation.media_state = {flag: dice.chance(0.1) for flag in flags} if dice.chance(0.5) else None
        tally = Tally(members=len(conversation.members), sequence_number=conversation.sequence_number)
        odd = Dice(self.seed, "odd", head.ordinal)
        for event in builder.events:
            self._append(conversation, event, tally, odd)
        self._tallies[head.ordinal], self._legs[head.ordinal] = tally, conversation.legs
        return conversation

    def _append(self, conversation: Conversation, event: Event, tally: Tally, odd: Dice) -> None:
        kind = breaking.break_cell(event, odd) if self.broken and odd.chance(self.broken) else None
        whole = envelope(event, conversation.id)
        if kind is not None:
            tally.broken[kind] += 1
            whole = breaking.finish(whole, kind)
        elif self.quirks and odd.chance(SHARE):
            whole = odd_event(whole, odd)
        if kind != "without_id":
            tally.add(event)
        conversation.event_ids.append(event.id)
        conversation.event_types.append(event.type)
        conversation.event_times.append(event.at)
        conversation.rendered.append(to_bytes(whole))
        if event.deleted:
            conversation.deleted.add(event.id)
            whole = envelope(replace(event, body=event.body_before or {}), conversation.id)
            conversation.before_deletion[event.id] = to_bytes(whole)
            tally.deleted += 1

    def append_event(self, ordinal: int, event: Event) -> bytes:
        """Append an event caused by a write; return its JSON."""
        conversation = self.touch(ordinal)
        conversation.sequence_number = event.id
        conversation.updated = event.at
        tally = self._tallies[ordinal]
        tally.sequence_number = event.id
        tally.add(event)
        conversation.event_ids.append(event.id)
        conversation.event_types.append(event.type)
        conversation.event_times.append(event.at)
        conversation.rendered.append(to_bytes(envelope(event, conversation.id)))
        self._changed_by_api(event.type, conversation, event.at, conversation.rendered[-1])
        return conversation.rendered[-1]

    def count_deleted(self, ordinal: int) -> None:
        """Note that an event was emptied."""
        self._tallies[ordinal].deleted += 1

    def _index_members(self, ordinal: int) -> None:
        assert self._memberships is not None
        for member in self.conversation(ordinal).members:
            self._memberships.setdefault(member.user.id, []).append((ordinal, member.id))
