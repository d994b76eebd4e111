"""Tables of conversations and their participants (contract 6)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources import Conversation, Member, MessageMemberBody, Session, User
from conv_analytics.resources.record import Json
from conv_analytics.tables.column import Column, Fallback, Table, pick
from conv_analytics.tables.envelope import CONVERSATION_ID, channel, event_table

_EXPORTED_AT = Column("exported_at", datetime, "When the run that read the row began.")
_EXTRA = Column("extra", Json, "Whatever else the record held, at any depth, as JSON.")

CONVERSATIONS = Table(
    "conversations",
    "A conversation, as last seen by a run.",
    ("conversation_id",),
    (
        pick(Conversation, "id", "conversation_id"),
        pick(Conversation, "name"),
        pick(Conversation, "display_name"),
        pick(Conversation, "image_url"),
        pick(Conversation, "state"),
        pick(Conversation, "sequence_number"),
        pick(Conversation, "timestamp.created", "created_at"),
        pick(Conversation, "timestamp.updated", "updated_at"),
        pick(Conversation, "timestamp.destroyed", "destroyed_at"),
        pick(Conversation, "properties.ttl", "ttl_s"),
        pick(Conversation, "properties.type", "conversation_type"),
        pick(Conversation, "properties.custom_sort_key"),
        pick(Conversation, "properties.custom_data"),
        pick(Conversation, "media_state"),
        pick(Conversation, "numbers"),
        Column(
            "gone",
            bool,
            "Listed, but no longer there when it was read (404): only the data in the list is known.",
        ),
        _EXTRA,
        _EXPORTED_AT,
    ),
    day="exported_at",
    latest="exported_at",
    notes=("A run adds a row per conversation it read: take the latest exported_at, as open_dataset() does.",),
)

MEMBERS = Table(
    "members",
    "A member, as last seen by a run. Lists of members are short: when and how a member joined is in member_events.",
    ("member_id",),
    (
        CONVERSATION_ID,
        pick(Member, "id", "member_id"),
        pick(Member, "state"),
        pick(Member, "user.id", "user_id", also=("user_id",)),
        pick(Member, "user.name", "user_name", also=("name",)),
        pick(Member, "user.display_name", "user_display_name", also=("display_name",)),
        pick(Member, "timestamp.invited", "invited_at"),
        pick(Member, "timestamp.joined", "joined_at"),
        pick(Member, "timestamp.left", "left_at"),
        *channel(Member),
        pick(Member, "media.audio", "audio"),
        pick(Member, "media.audio_settings.enabled", "audio_enabled"),
        pick(Member, "media.audio_settings.earmuffed", "earmuffed"),
        pick(Member, "media.audio_settings.muted", "muted"),
        pick(Member, "initiator", "initiator"),
        pick(Member, "knocking_id"),
        pick(Member, "invited_by"),
        _EXTRA,
        _EXPORTED_AT,
    ),
    day="exported_at",
    latest="exported_at",
)

MEMBER_EVENTS = event_table(
    "member_events",
    "A member was invited, joined, left, or changed media.",
    ("member:invited", "member:joined", "member:left", "member:media"),
    pick(
        MessageMemberBody,
        "member_id",
        doc="Id of the member; if the body does not say, the event's own sender, who is the one that joined.",
        fallback=Fallback("from_member_id", ("member:joined",)),
    ),
    pick(MessageMemberBody, "user.id", "user_id"),
    pick(MessageMemberBody, "user.name", "user_name"),
    pick(MessageMemberBody, "user.display_name", "user_display_name"),
    pick(MessageMemberBody, "user.image_url", "user_image_url"),
    pick(MessageMemberBody, "user.properties.custom_data", "user_custom_data"),
    pick(MessageMemberBody, "state"),
    pick(MessageMemberBody, "timestamp.invited", "invited_at"),
    pick(MessageMemberBody, "timestamp.joined", "joined_at"),
    pick(MessageMemberBody, "timestamp.left", "left_at"),
    pick(MessageMemberBody, "initiator.invited.is_system", "invited_by_system"),
    pick(MessageMemberBody, "initiator.invited.user_id", "invited_by_user_id"),
    pick(MessageMemberBody, "initiator.invited.member_id", "invited_by_member_id"),
    pick(MessageMemberBody, "initiator.joined.is_system", "joined_by_system"),
    pick(MessageMemberBody, "initiator.joined.user_id", "joined_by_user_id"),
    pick(MessageMemberBody, "initiator.joined.member_id", "joined_by_member_id"),
    pick(MessageMemberBody, "initiator.left.is_system", "left_by_system"),
    pick(MessageMemberBody, "initiator.left.user_id", "left_by_user_id"),
    pick(MessageMemberBody, "initiator.left.member_id", "left_by_member_id"),
    pick(MessageMemberBody, "reason.code", "reason_code"),
    pick(MessageMemberBody, "reason.text", "reason_text"),
    pick(MessageMemberBody, "invited_by"),
    pick(MessageMemberBody, "cname"),
    pick(MessageMemberBody, "audio", "audio_connected"),
    pick(MessageMemberBody, "media.audio", "audio"),
    pick(MessageMemberBody, "media.audio_settings.enabled", "audio_enabled"),
    pick(MessageMemberBody, "media.audio_settings.earmuffed", "earmuffed"),
    pick(MessageMemberBody, "media.audio_settings.muted", "muted"),
    pick(MessageMemberBody, "channel.legs", "legs"),
    *channel(MessageMemberBody),
)

USERS = Table(
    "users",
    "A user of the application, as last seen by a run.",
    ("user_id",),
    (
        pick(User, "id", "user_id"),
        pick(User, "name"),
        pick(User, "display_name"),
        pick(User, "image_url"),
        pick(User, "properties.custom_data"),
        pick(User, "properties.ttl", "ttl_s"),
        pick(User, "timestamp.created", "created_at"),
        pick(User, "timestamp.updated", "updated_at"),
        pick(User, "timestamp.destroyed", "destroyed_at"),
        pick(User, "channels"),
        _EXTRA,
        _EXPORTED_AT,
    ),
    day="exported_at",
    latest="exported_at",
)

SESSIONS = Table(
    "sessions",
    "An open session of a user, as last seen by a run.",
    ("session_id",),
    (
        pick(Session, "id", "session_id"),
        pick(Session, "user.id", "user_id"),
        pick(Session, "user.name", "user_name"),
        pick(Session, "properties.ttl", "ttl_s"),
        _EXTRA,
        _EXPORTED_AT,
    ),
    day="exported_at",
    latest="exported_at",
)
