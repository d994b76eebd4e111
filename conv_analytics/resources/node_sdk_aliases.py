"""The Node SDK's second names for types that are one class here.

The SDK declares many types twice, once as its own camelCase view and once as the API writes them
(``...Response``). Our fields carry the names of the wire, so one class serves both.
"""

from __future__ import annotations

from typing import TypeAlias

from conv_analytics.resources.conversation import Conversation
from conv_analytics.resources.event import Event, EventUser
from conv_analytics.resources.member import (
    AudioSettings,
    InitiatorInvited,
    InitiatorJoined,
    Member,
    MemberUser,
)
from conv_analytics.resources.page import ConversationPage, EventPage, MemberPage, SessionPage
from conv_analytics.resources.session import Session
from conv_analytics.resources.user import User
from conv_analytics.resources.vocabulary import ChannelType

AudioSettingsResponse: TypeAlias = AudioSettings
Channels: TypeAlias = ChannelType
ConversationPageResponse: TypeAlias = ConversationPage
ConversationResponse: TypeAlias = Conversation
EventPageResponse: TypeAlias = EventPage
EventResponse: TypeAlias = Event
EventUserResponse: TypeAlias = EventUser
InitiatorInvitedResponse: TypeAlias = InitiatorInvited
InitiatorJoinedResponse: TypeAlias = InitiatorJoined
ListMemberResponse: TypeAlias = Member
MemberPageResponse: TypeAlias = MemberPage
MemberResponse: TypeAlias = Member
MemberUserResponse: TypeAlias = MemberUser
SessionPageResponse: TypeAlias = SessionPage
SessionResponse: TypeAlias = Session
UserType: TypeAlias = User
