"""The endpoints that change members, with the events they cause (contract 1.1 rows 7 and 10, 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.problems import refusal
from conv_analytics.sandbox.reads import find_member
from conv_analytics.sandbox.wire import Json, Reply, Request, as_object, ok
from conv_analytics.sandbox.world.builder import audio
from conv_analytics.sandbox.world.records import Conversation, Member
from conv_analytics.sandbox.writes import Changes, read_object, refuse

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.people import User

MOST_MEMBERS = 100


class Memberships(Changes):
    """Answers writes to members."""

    def create(self, request: Request, conversation: Conversation) -> Reply:
        """Invite or join a user: 201 with the member."""
        body = read_object(request)
        state, who = _state(body), as_object(body.get("user"))
        invalid = {}
        if state not in {"invited", "joined"}:
            invalid["state"] = '"state" must be one of [invited, joined]'
        if not (who.get("id") or who.get("name")):
            invalid["user"] = '"user" must contain at least one of [id, name]'
        if not isinstance(as_object(body.get("channel")).get("type"), str):
            invalid["channel"] = '"channel" is required'
        refuse(invalid, request)
        user = self._user(who)
        conversation = self.world.touch(conversation.ordinal)
        present = [member for member in conversation.members if member.state != "LEFT"]
        if any(member.user.id == user.id and member.state == "JOINED" for member in present):
            raise refusal(code="conversation:error:member-already-joined", about=user.id)
        if len(present) >= MOST_MEMBERS:
            raise refusal(code="conversation:error:maximum-number-of-members", about=conversation.id)
        return ok(self._make(conversation, user, body).full(conversation.id), 201)

    def update(self, request: Request, conversation: Conversation, member_id: str) -> Reply:
        """Let a member join or leave."""
        body = read_object(request)
        state = _state(body)
        conversation = self.world.touch(conversation.ordinal)
        member = find_member(conversation, member_id)
        if state not in {"joined", "left"}:
            refuse({"state": '"state" must be one of [joined, left]'}, request)
        if member.state == "LEFT":
            raise refusal(code="conversation:error:invalid-member-state", about=member_id)
        if state == "joined":
            if member.state == "JOINED":
                raise refusal(code="conversation:error:member-already-joined", about=member_id)
            self._join(conversation, member)
        else:
            self._leave(conversation, member, as_object(body.get("reason")))
        return ok(member.full(conversation.id))

    def _user(self, who: Json) -> User:
        if who.get("id"):
            user = self.world.user_by_id(str(who["id"]))
        else:
            people = self.world.people
            users = (people.user(index) for index in range(people.count))
            user = next((user for user in users if user.name == who["name"]), None)
        if user is None:
            raise refusal(code="user:error:not-found", about=str(who))
        return user

    def _make(self, conversation: Conversation, user: User, body: Json) -> Member:
        initiator = {"invited": {"is_system": True}}
        member = Member(f"MEM-{self.dice.uuid()}", user, "INVITED", body["channel"], initiator)
        member.invited = self.now()
        media = body.get("media")
        member.media = media if isinstance(media, dict) else audio(enabled=False)
        for name in ("knocking_id", "member_id_inviting"):
            value = body.get(name)
            if isinstance(value, str):
                setattr(member, "invited_by" if name == "member_id_inviting" else name, value)
        conversation.members.append(member)
        self.world.index_member(user.id, conversation.ordinal, member.id)
        self.add_event(conversation, "member:invited", member, {
            **self._content(member), "cname": conversation.name, "invited_by": None, "media": member.media,
            "initiator": {"invited": {"isSystem": True}},
            "conversation": {"conversation_id": conversation.id, "name": conversation.name,
                             "display_name": conversation.display_name, "image_url": conversation.image_url},
        })  # fmt: skip
        if _state(body) == "joined":
            self._join(conversation, member)
        return member

    @staticmethod
    def _content(member: Member) -> Json:
        user = member.user
        return {
            "member_id": member.id,
            "user": {"user_id": user.id, "name": user.name, "display_name": user.display_name},
            "channel": member.channel,
            "timestamp": member.timestamps(),
        }

    def _join(self, conversation: Conversation, member: Member) -> None:
        member.state, member.joined = "JOINED", self.now()
        member.initiator = {"joined": {"is_system": True}}
        body = {**self._content(member), "initiator": {"joined": {"isSystem": True}}}
        self.add_event(conversation, "member:joined", member, body)

    def _leave(self, conversation: Conversation, member: Member, reason: Json) -> None:
        member.state, member.left = "LEFT", self.now()
        initiator = {"joined": {"isSystem": True}, "left": {"isSystem": True}}
        body = {**self._content(member), "initiator": initiator, "reason": reason}
        self.add_event(conversation, "member:left", member, body)


def _state(body: Json) -> object:
    """The requested state. The reference writes it in lower case; the Node SDK's enum sends `JOINED`."""
    state = body.get("state")
    return state.lower() if isinstance(state, str) else state
