"""Tables of messages and their delivery (contract 7.2, 7.3)."""

from __future__ import annotations

from conv_analytics.resources import MessageBody, MessageEventBody, MessageStatusBody
from conv_analytics.resources.record import Record
from conv_analytics.tables.column import Column, pick
from conv_analytics.tables.envelope import event_table


def _content(record: type[Record]) -> tuple[Column, ...]:
    """The columns of a message's content, whatever its kind."""
    return (
        pick(record, "text"),
        pick(
            record,
            "image.url",
            "image_url",
            doc="Where the picture is; for a contact card, its picture.",
            also=("representations.original.url",),
        ),
        pick(record, "image.caption", "image_caption"),
        pick(record, "audio.url", "audio_url"),
        pick(record, "video.url", "video_url"),
        pick(record, "video.caption", "video_caption"),
        pick(record, "file.url", "file_url"),
        pick(record, "file.name", "file_name"),
        pick(record, "file.caption", "file_caption"),
        pick(record, "vcard.url", "vcard_url"),
        pick(record, "template.name", "template_name"),
        pick(record, "template.parameters", "template_parameters"),
        pick(record, "whatsapp.policy", "whatsapp_policy"),
        pick(record, "whatsapp.locale", "whatsapp_locale"),
        pick(record, "location.longitude", "longitude"),
        pick(record, "location.latitude", "latitude"),
        pick(record, "location.name", "location_name"),
        pick(record, "location.address", "location_address"),
        pick(record, "custom"),
    )


MESSAGES = event_table(
    "messages",
    "A message, with its kind and its content.",
    ("message", "text", "image"),
    pick(MessageBody, "message_type"),
    *_content(MessageBody),
    pick(MessageBody, "messenger.category", "messenger_category"),
    pick(MessageBody, "messenger.tag", "messenger_tag"),
    pick(MessageBody, "viber_service.type", "viber_type"),
    pick(MessageBody, "viber_service.tag", "viber_tag"),
    pick(MessageBody, "viber_service.ttl", "viber_ttl"),
    pick(MessageBody, "timestamp.created", "created_at"),
    pick(MessageBody, "timestamp.updated", "updated_at"),
    pick(MessageBody, "timestamp.deleted", "deleted_at"),
    notes=(
        "A deleted message stays, its content emptied, with the instant in deleted_at; the event:delete is in events.",
        "What an earlier run read of a message that was deleted later stays as it was: look for its event:delete.",
        "Older applications wrote text and image events, which have no message_type.",
    ),
)

MESSAGE_STATUSES = event_table(
    "message_statuses",
    "What became of a message, per recipient.",
    (
        "message:submitted",
        "message:delivered",
        "message:seen",
        "message:rejected",
        "message:undeliverable",
        "member:message:status",
        "text:seen",
        "text:delivered",
        "text:update",
        "image:seen",
        "image:delivered",
    ),
    pick(
        MessageEventBody,
        "event_id",
        "message_event_id",
        doc="The message meant: its event_id in the same conversation.",
        also=("original_event_id",),
    ),
    pick(MessageStatusBody, "message_type"),
    pick(MessageStatusBody, "channel_type"),
    pick(MessageStatusBody, "from_", "sender"),
    pick(MessageStatusBody, "to", "recipient"),
    pick(MessageStatusBody, "message_uuid"),
    pick(MessageStatusBody, "error.type", "error_type"),
    pick(MessageStatusBody, "error.title", "error_title"),
    pick(MessageStatusBody, "error.detail", "error_detail"),
    pick(MessageStatusBody, "error.instance", "error_instance"),
    *_content(MessageStatusBody),
)
