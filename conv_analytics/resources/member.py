"""A member: one user's presence in one conversation, over one channel (contract 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from conv_analytics.resources.channel import Channel
from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Problem, Record, wire
from conv_analytics.resources.user import UserChannels, UserProperties
from conv_analytics.resources.vocabulary import MemberState


class MemberUser(Record):
    """The user behind a member (contract 6.2). Lists have the id and the names; the Node SDK declares the rest, too."""

    id: str | None = wire("Id, `USR-` and a uuid.", also="user_id")
    name: str | None = wire("Unique name, the `sub` of the user's tokens.")
    display_name: str | None = wire("Name shown to others.")
    image_url: str | None = wire("Address of the picture.")
    properties: UserProperties | None = wire("What its owner set.")
    channels: UserChannels | None = wire("How the user can be reached.")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)


class MemberTimestamp(Record):
    """When a member was invited, joined and left (contract 6.2); only what happened is there."""

    invited: datetime | None = wire("When the member was invited.")
    joined: datetime | None = wire("When the member joined.")
    left: datetime | None = wire("When the member left.")


class AudioSettings(Record):
    """How a member's audio is set (contract 6.2)."""

    enabled: bool | None = wire("Whether the member has audio.")
    earmuffed: bool | None = wire("Whether the member cannot hear.")
    muted: bool | None = wire("Whether the member cannot be heard.")
    audio: bool | None = wire("Whether audio is possible; declared by the Node SDK, not by the API.")


class MemberMedia(Record):
    """A member's media (contract 6.2). ``audio`` arrives as a flag or as the settings (contract 9, no. 22).

    >>> MemberMedia.from_wire({"audio": {"enabled": True, "muted": False}})
    MemberMedia(audio=True, audio_settings=AudioSettings(enabled=True, muted=False))
    """

    audio: bool | None = wire("Whether audio is possible.", also="audio.enabled")
    audio_settings: AudioSettings | None = wire("How it is set.", also="audio", loose=True)


class InitiatorParty(Record):
    """Who brought a change about (contract 6.2, 9 no. 8)."""

    is_system: bool | None = wire("Whether an admin token did it rather than a user.", also="isSystem")
    user_id: str | None = wire("The user who did it; absent for the system.")
    member_id: str | None = wire("The member who did it; absent for the system.")


class InitiatorInvited(Record):
    """Who invited a member (contract 6.2)."""

    invited: InitiatorParty | None = wire("Who invited the member.")


class InitiatorJoined(Record):
    """Who made a member join (contract 6.2)."""

    joined: InitiatorParty | None = wire("Who made the member join.")


class Initiator(InitiatorInvited, InitiatorJoined):
    """Who caused a member's state: one of its parties, or `joined` together with `left` (contract 9, no. 9).

    >>> by_user = {"is_system": "false", "user_id": "USR-1"}
    >>> initiator = Initiator.from_wire({"joined": {"isSystem": True}, "left": by_user})
    >>> initiator.kind, initiator.is_system, initiator.user_id
    ('left', False, 'USR-1')
    """

    left: InitiatorParty | None = wire("Who made the member leave.")

    @property
    def kind(self) -> Literal["left", "joined", "invited"] | None:
        """The latest change known."""
        return "left" if self.left else "joined" if self.joined else "invited" if self.invited else None

    @property
    def is_system(self) -> bool | None:
        """Whether an admin token brought the latest change about."""
        return self._party.is_system

    @property
    def user_id(self) -> str | None:
        """The user who brought the latest change about."""
        return self._party.user_id

    @property
    def member_id(self) -> str | None:
        """The member who brought the latest change about."""
        return self._party.member_id

    @property
    def _party(self) -> InitiatorParty:
        return self.left or self.joined or self.invited or InitiatorParty()


class Member(Record):
    """A member (contract 6.2). Lists hold a short form: id, state and user.

    >>> member = Member.from_wire({"state": "joined", "_embedded": {"user": {"name": "orla.finch"}}})
    >>> member.state, member.user.name
    (<MemberState.JOINED: 'JOINED'>, 'orla.finch')
    """

    id: str | None = wire("Id, `MEM-` and a uuid.", also="member_id")
    state: MemberState | str | None = wire("Where the membership stands.")
    user: MemberUser | None = wire("The user.", key="_embedded.user", also="user")
    conversation_id: str | None = wire("Conversation of the member; not in lists.")
    timestamp: MemberTimestamp | None = wire("When the member was invited, joined, left.")
    initiator: Initiator | None = wire("Who brought the state about.")
    channel: Channel | None = wire("How the member is connected.")
    media: MemberMedia | None = wire("The member's audio.")
    knocking_id: str | None = wire("Id under which the member knocked.")
    invited_by: str | None = wire("Member (or, in events, user) who invited.", absent="<null>")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read a member; version 0.2 has its user's fields among its own."""
        if "user_id" in payload and not ("_embedded" in payload or "user" in payload):
            flat = {key: payload[key] for key in _FLAT_USER if key in payload}
            rest = {key: value for key, value in payload.items() if key not in _FLAT_USER}
            payload = {**rest, "user": flat}
        return super().from_wire(payload, problems, at)


_FLAT_USER = ("user_id", "name", "display_name")
