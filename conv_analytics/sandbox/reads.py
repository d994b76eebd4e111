"""The GET endpoints (contract 1.1 rows 1, 3, 6, 8, 9, 11, 13, 15, 16, 20)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from conv_analytics.sandbox.paging import Pager, page_slice
from conv_analytics.sandbox.problems import not_valid, refusal
from conv_analytics.sandbox.queries import LONGEST_NUMBER, Query
from conv_analytics.sandbox.wire import Json, Reply, Request, encode, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conv_analytics.sandbox.cursors import Cursors
    from conv_analytics.sandbox.lifetimes import Lifetimes
    from conv_analytics.sandbox.queries import Window
    from conv_analytics.sandbox.tokens import Caller
    from conv_analytics.sandbox.world.people import User
    from conv_analytics.sandbox.world.quirks import Shapes
    from conv_analytics.sandbox.world.records import Conversation, Member
    from conv_analytics.sandbox.world.world import World


class Reads:
    """Answers reads from a world; `shapes` writes resources, `pager` writes pages."""

    def __init__(
        self, world: World, cursors: Cursors, pager: Pager, shapes: Shapes, *, events_as_list: bool,
        lifetimes: Lifetimes,
    ) -> None:  # fmt: skip
        """Serve this world; events pages as a bare list when `events_as_list` (contract 2.3)."""
        self._world, self._cursors, self._pager = world, cursors, pager
        self._shapes, self._events_as_list, self._lifetimes = shapes, events_as_list, lifetimes

    # -- conversations

    def conversations(self, request: Request) -> Reply:
        """List all conversations, lite, by creation; date bounds are exclusive ("after", "before")."""
        query = Query(request)
        after, before = query.instant("date_start"), query.instant("date_end")
        window = query.window(self._cursors)
        keys: Sequence[int] = self._lifetimes.ordinals()
        if after is not None:
            keys = keys[bisect_right(keys, after, key=self._created) :]
        if before is not None:
            keys = keys[: bisect_left(keys, before, key=self._created)]
        lite = self._shapes.lite_conversation
        return self._page(request, window, keys, lambda key: lite(self._world.head(key)), "conversations")

    def conversation(self, conversation: Conversation) -> Reply:
        """Return one conversation."""
        return ok(self._shapes.conversation(conversation))

    def user_conversations(self, request: Request, user: User) -> Reply:
        """List a user's conversations with the latest membership in each (contract 6.1)."""
        query = Query(request)
        after, before = query.instant("date_start"), query.instant("date_end")
        state = query.one_of("state", ("INVITED", "JOINED", "LEFT"))
        query.one_of("order_by", ("created", "custom_sort_key"))
        custom = query.flag("include_custom_data")
        window = query.window(self._cursors)
        latest: dict[int, Member] = {}
        for ordinal, member_id in self._world.memberships(user.id):
            if self._lifetimes.readable(ordinal):
                latest[ordinal] = find_member(self._world.conversation(ordinal), member_id)
        keys = [
            ordinal
            for ordinal, member in latest.items()
            if (state is None or member.state == state)
            and (after is None or self._created(ordinal) > after)
            and (before is None or self._created(ordinal) < before)
        ]

        def render(key: int) -> Json:
            return self._user_conversation(self._world.conversation(key), latest[key], custom=custom)

        return self._page(request, window, keys, render, "conversations")

    def _user_conversation(self, conversation: Conversation, member: Member, *, custom: bool) -> Json:
        item = self._shapes.conversation(conversation)
        item.pop("media_state", None)
        if not custom and "properties" in item:
            item["properties"] = {k: v for k, v in item["properties"].items() if k != "custom_data"}
        item["_embedded"] = {"id": member.id, "state": member.state}
        return item

    # -- members

    def members(self, request: Request, conversation: Conversation) -> Reply:
        """List members, lite."""
        window = Query(request).window(self._cursors)
        keys = range(len(conversation.members))
        lite = self._shapes.lite_member
        return self._page(
            request, window, keys, lambda key: lite(conversation.members[key], conversation.id), "members"
        )

    def member(self, conversation: Conversation, member_id: str) -> Reply:
        """Return one member."""
        return ok(self._shapes.member(find_member(conversation, member_id), conversation.id))

    def me(self, conversation: Conversation, caller: Caller) -> Reply:
        """Return the latest membership of the token's user (contract 1.1 row 8)."""
        mine = [member for member in conversation.members if member.user.name == caller.sub]
        if caller.sub is None or not mine:
            raise refusal(code="conversation:error:member-not-found", about=conversation.id)
        return ok(self._shapes.member(mine[-1], conversation.id))

    # -- events

    def events(self, request: Request, conversation: Conversation) -> Reply:
        """List events by id; start_id and end_id are inclusive, deleted ones are shown unless excluded."""
        query = Query(request)
        first, last = query.integer("start_id"), query.integer("end_id")
        kinds, exclude = query.event_types(), query.flag("exclude_deleted_events")
        window = query.window(self._cursors)
        keys, rendered = conversation.event_ids, conversation.rendered
        if first is not None or last is not None or kinds is not None or exclude:
            low = 0 if first is None else bisect_left(keys, first)
            high = len(keys) if last is None else bisect_right(keys, last)
            kept = [
                index
                for index in range(low, high)
                if (kinds is None or conversation.event_types[index] in kinds)
                and not (exclude and keys[index] in conversation.deleted)
            ]
            keys, rendered = [keys[index] for index in kept], [rendered[index] for index in kept]
        start, stop = page_slice(keys, window)
        items = rendered[start:stop]
        if window.descending:
            items.reverse()
        return self._pager.page(request, window, keys, items, "events", as_list=self._events_as_list)

    def event(self, conversation: Conversation, event_id: str) -> Reply:
        """Return one event."""
        return Reply(200, conversation.rendered[event_index(conversation, event_id)])

    # -- users

    def users(self, request: Request) -> Reply:
        """List users, or the one with a name."""
        name = request.query.get("name")
        window = Query(request).window(self._cursors)
        people = self._world.people
        keys: Sequence[int] = range(people.count)
        if name is not None:
            keys = [key for key in keys if people.user(key).name == name]
        return self._page(request, window, keys, lambda key: people.user(key).lite(), "users")

    def user(self, user: User) -> Reply:
        """Return one user."""
        return ok(user.full())

    def sessions(self, request: Request, user: User) -> Reply:
        """List a user's open sessions."""
        window = Query(request).window(self._cursors)
        sessions = self._world.people.sessions(user)
        return self._page(request, window, range(len(sessions)), sessions.__getitem__, "sessions")

    # -- shared

    def _created(self, ordinal: int) -> int:
        return self._world.head(ordinal).created

    def _page(
        self, request: Request, window: Window, keys: Sequence[int], render: Callable[[int], Json], name: str
    ) -> Reply:
        start, stop = page_slice(keys, window)
        shown = keys[start:stop]
        items = [encode(render(key)) for key in (reversed(shown) if window.descending else shown)]
        items = self._shapes.with_empty_items(request, items, name)
        return self._pager.page(request, window, keys, items, name)


def find_member(conversation: Conversation, member_id: str) -> Member:
    """Find a member of a conversation, or answer 404."""
    for member in conversation.members:
        if member.id == member_id:
            return member
    raise refusal(code="conversation:error:member-not-found", about=member_id)


def event_index(conversation: Conversation, event_id: str) -> int:
    """Find the place of an event of a conversation, or answer 404."""
    if event_id.isascii() and event_id.isdigit():
        if len(event_id) > LONGEST_NUMBER:
            raise not_valid({"event_id": '"event_id" must be a safe number'}, f"{conversation.id}/events")
        wanted = int(event_id)
        index = bisect_left(conversation.event_ids, wanted)
        if index < len(conversation.event_ids) and conversation.event_ids[index] == wanted:
            return index
    raise refusal(code="event:error:not-found", about=f"{conversation.id}/{event_id}")
