"""``message``: what people write to each other (contract 7.2).

`MessageBody` has room for every kind of content; the ten narrower classes only say which part is filled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from conv_analytics.resources.record import Json, Record, wire
from conv_analytics.resources.vocabulary import EventMessageType


class MessageMedia(Record):
    """A file that a message points to (contract 7.2)."""

    url: str | None = wire("Where the file is.")
    caption: str | None = wire("Text shown with it.")
    name: str | None = wire("Name of the file.")


class WhatsAppTemplate(Record):
    """How WhatsApp picks the language of a template (contract 7.2)."""

    policy: str | None = wire("Policy, such as `deterministic`.")
    locale: str | None = wire("Language, such as `en_GB`.")


class MessageTemplate(Record):
    """An approved text with blanks (contract 7.2)."""

    name: str | None = wire("Name of the template.")
    parameters: tuple[Json, ...] | None = wire("What fills the blanks, in order; mostly texts.")
    whatsapp: WhatsAppTemplate | None = wire("How WhatsApp picks the language.")


class MessageLocation(Record):
    """A place on the map (contract 7.2)."""

    longitude: float | None = wire("Degrees east of Greenwich; arrives as text or number.", unit="°")
    latitude: float | None = wire("Degrees north of the equator; arrives as text or number.", unit="°")
    name: str | None = wire("Name of the place.")
    address: str | None = wire("Its address.")

    def to_wire(self) -> dict[str, Any]:
        """The JSON object that the API takes: it documents the degrees as text."""
        wired = super().to_wire()
        return {key: str(value) if isinstance(value, float) else value for key, value in wired.items()}


class MessengerOptions(Record):
    """Facebook Messenger's own options (contract 7.2)."""

    category: str | None = wire("Category of the message.")
    tag: str | None = wire("Messenger's message tag.")


class ViberOptions(Record):
    """Viber's own options (contract 7.2)."""

    type: str | None = wire("Viber's message type.")
    tag: str | None = wire("Viber's message tag.")
    ttl: int | None = wire("How long to try to deliver; unit not documented.")


class MessageTimestamp(Record):
    """When a stored message was made, changed and emptied (contract 7.5)."""

    created: datetime | None = wire("When the message was written.")
    updated: datetime | None = wire("When it was last changed.")
    deleted: datetime | None = wire("When its content was deleted.")


class MessageContent(Record):
    """Content of a message, of any kind (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Kind of the content.")
    text: str | None = wire("Text; empty after deletion.")
    image: MessageMedia | None = wire("Picture, or the one beside a contact card.")
    audio: MessageMedia | None = wire("Sound file.")
    video: MessageMedia | None = wire("Video.")
    file: MessageMedia | None = wire("Any other file.")
    vcard: MessageMedia | None = wire("Contact card.")
    template: MessageTemplate | None = wire("Filled template.")
    whatsapp: WhatsAppTemplate | None = wire(
        "How WhatsApp picks a template's language.",
        also="template.whatsapp",
    )
    location: MessageLocation | None = wire("Place.")
    custom: Json = wire("The user's own content, verbatim.")


class MessageBody(MessageContent):
    """``message``: any kind of message (contract 7.2).

    >>> MessageBody.from_wire({"message_type": "image", "image": {"url": "https://a.example/label.jpg"}}).image
    MessageMedia(url='https://a.example/label.jpg')
    """

    messenger: MessengerOptions | None = wire("Messenger's options.")
    viber_service: ViberOptions | None = wire("Viber's options.")
    timestamp: MessageTimestamp | None = wire("When it was written, changed, deleted.")

    @property
    def is_deleted(self) -> bool:
        """Whether the content was deleted (contract 7.5)."""
        return self.timestamp is not None and self.timestamp.deleted is not None


class MessageTextBody(MessageBody):
    """A message of kind ``text``: `text` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `text`.", default=EventMessageType.TEXT)


class MessageImageBody(MessageBody):
    """A message of kind ``image``: `image` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `image`.", default=EventMessageType.IMAGE)


class MessageAudioBody(MessageBody):
    """A message of kind ``audio``: `audio` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `audio`.", default=EventMessageType.AUDIO)


class MessageVideoBody(MessageBody):
    """A message of kind ``video``: `video` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `video`.", default=EventMessageType.VIDEO)


class MessageFileBody(MessageBody):
    """A message of kind ``file``: `file` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `file`.", default=EventMessageType.FILE)


class MessageTemplateBody(MessageBody):
    """A message of kind ``template``: `template`, `whatsapp` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `template`.", default=EventMessageType.TEMPLATE)


class MessageCustomBody(MessageBody):
    """A message of kind ``custom``: `custom`, kept verbatim (contract 7.2, 9 no. 32)."""

    message_type: EventMessageType | str | None = wire("Always `custom`.", default=EventMessageType.CUSTOM)


class MessageVCardBody(MessageBody):
    """A message of kind ``vcard``: `vcard`, and a picture in `image` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `vcard`.", default=EventMessageType.VCARD)


class MessageLocationBody(MessageBody):
    """A message of kind ``location``: `location` (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `location`.", default=EventMessageType.LOCATION)


class MessageRandomBody(MessageBody):
    """A message of kind ``random``: nothing but its kind (contract 7.2)."""

    message_type: EventMessageType | str | None = wire("Always `random`.", default=EventMessageType.RANDOM)
