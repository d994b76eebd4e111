"""Bodies of the events about members (contract 7.6)."""

from __future__ import annotations

from conv_analytics.resources.channel import Channel
from conv_analytics.resources.member import Initiator, MemberMedia, MemberTimestamp
from conv_analytics.resources.record import Json, Record, wire
from conv_analytics.resources.vocabulary import MemberState


class EventMemberProperties(Record):
    """Properties that its owner set on the user of a member event (contract 7.6)."""

    custom_data: Json = wire("The owner's data, verbatim.")


class EventMemberUser(Record):
    """The user that a member event is about (contract 7.6)."""

    id: str | None = wire("Id of the user; `user_id` in newer events.", also="user_id")
    member_id: str | None = wire("Id of the member.")
    name: str | None = wire("Unique name.")
    display_name: str | None = wire("Name shown to others.")
    image_url: str | None = wire("Address of the picture.")
    properties: EventMemberProperties | None = wire("What its owner set.")
    media: MemberMedia | None = wire("The user's audio.")


class EventMemberConversation(Record):
    """The conversation that someone is invited to (contract 7.6)."""

    conversation_id: str | None = wire("Id of the conversation.")
    name: str | None = wire("Its internal name.")
    display_name: str | None = wire("Its public name.")
    image_url: str | None = wire("Its picture.")


class InvitingMember(Record):
    """The member who invited (contract 7.6)."""

    member_id: str | None = wire("Id of the member.")
    user_id: str | None = wire("Id of the user.")
    name: str | None = wire("Name of the user.")
    state: MemberState | str | None = wire("State of the membership.")
    channel: Channel | None = wire("How the member is connected.")
    media: MemberMedia | None = wire("The member's audio.")
    timestamp: MemberTimestamp | None = wire("When the member was invited, joined, left.")


class MemberReason(Record):
    """Why a member left (contract 7.6); free text."""

    code: str | None = wire("Code of the reason.", absent="")
    text: str | None = wire("The reason in words.")


class MessageMemberBody(Record):
    """``member:invited``, ``member:joined``, ``member:left`` (contract 7.6).

    `initiator` knows the latest change by `Initiator.kind`, `is_system`, `user_id` and `member_id`.

    >>> body = MessageMemberBody.from_wire({"user": {"user_id": "USR-1"}, "invited_by": "<null>"})
    >>> body.user.id, body.invited_by
    ('USR-1', None)
    """

    member_id: str | None = wire("Id of the member.", also="user.member_id")
    user: EventMemberUser | None = wire("The user.")
    state: MemberState | str | None = wire("State of the membership; in some sources only.")
    channel: Channel | None = wire("How the member is connected.")
    media: MemberMedia | None = wire("The member's audio.")
    audio: bool | None = wire("Whether the leg's audio is connected; in `member:media`.")
    timestamp: MemberTimestamp | None = wire("When the member was invited, joined, left.")
    initiator: Initiator | None = wire("Who brought it about.")
    reason: MemberReason | None = wire("Why the member left.")
    cname: str | None = wire("Name of the conversation.")
    conversation: EventMemberConversation | None = wire("The conversation.")
    invited_by: str | None = wire(
        "Who invited: a user id, or a member id in some sources; see its prefix.",
        also="invied_by",
        absent="<null>",
    )
    invited_by_member: InvitingMember | None = wire("The member who invited.")
    knocking_id: str | None = wire("Id under which the member knocked.")
    sdp: str | None = wire("Session description of the inviting leg.", secret=True)

    @property
    def inviting_user_id(self) -> str | None:
        """The user who invited, as far as the event says (contract 9, no. 26)."""
        named = self.invited_by if (self.invited_by or "").startswith("USR-") else None
        return named or (self.invited_by_member.user_id if self.invited_by_member else None)

    @property
    def inviting_member_id(self) -> str | None:
        """The member who invited, as far as the event says (contract 9, no. 26)."""
        named = self.invited_by if (self.invited_by or "").startswith("MEM-") else None
        return named or (self.invited_by_member.member_id if self.invited_by_member else None)


class MemberMediaBody(MessageMemberBody):
    """``member:media``: a member's audio was connected or changed (contract 7.6).

    Filled are `audio`, `media` and `channel`.
    """
