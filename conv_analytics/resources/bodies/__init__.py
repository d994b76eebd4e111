"""The body of an event, one file per family, and the lists that say which type has which (contract 7).

A type that is not listed (``custom:*``, ``ephemeral``, whatever the API adds) keeps its body verbatim.

>>> BODIES["rtc:hangup"].__name__
'MessageSIPHangupBody'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from conv_analytics.resources.bodies.asr import ASR, ASRResult, AudioASRRecordDoneBody, MessageASRBody
from conv_analytics.resources.bodies.audio import (
    AudioBody,
    AudioPlayBody,
    AudioPlayIdBody,
    MessageChannelBody,
    MessagePlayDTMFBody,
    MessageSayBody,
    MessageSayIdBody,
)
from conv_analytics.resources.bodies.conversation import MessageConversationBody
from conv_analytics.resources.bodies.leg import LegState, MessageLegBody, StatusHistoryEntry
from conv_analytics.resources.bodies.legacy import (
    AppKnockingBody,
    ImageBody,
    RTCOfferBody,
    TextBody,
    TextTypingBody,
    TextUpdateBody,
)
from conv_analytics.resources.bodies.member import (
    EventMemberConversation,
    EventMemberProperties,
    EventMemberUser,
    InvitingMember,
    MemberMediaBody,
    MemberReason,
    MessageMemberBody,
)
from conv_analytics.resources.bodies.message import (
    MessageAudioBody,
    MessageBody,
    MessageContent,
    MessageCustomBody,
    MessageFileBody,
    MessageImageBody,
    MessageLocation,
    MessageLocationBody,
    MessageMedia,
    MessageRandomBody,
    MessageTemplate,
    MessageTemplateBody,
    MessageTextBody,
    MessageTimestamp,
    MessageVCardBody,
    MessageVideoBody,
    MessengerOptions,
    ViberOptions,
    WhatsAppTemplate,
)
from conv_analytics.resources.bodies.message_status import (
    EventDeleteBody,
    MessageError,
    MessageEventBody,
    MessageStatusBody,
)
from conv_analytics.resources.bodies.recording import (
    AudioRecordDoneBody,
    AudioTranscribeDoneBody,
    MessageRecordBody,
    MessageRecordIdBody,
    Transcription,
)
from conv_analytics.resources.bodies.rtc import (
    MessageRTCAnswerBody,
    MessageRTCIdBody,
    RTCTerminateBody,
    RTCTransferBody,
)
from conv_analytics.resources.bodies.sip import (
    Bandwidth,
    CallState,
    HangupReasonText,
    MessageSIPBody,
    MessageSIPDirectionBody,
    MessageSIPHangupBody,
    MessageSIPMachineBody,
    MessageSIPStatusBody,
    Quality,
)
from conv_analytics.resources.record import Json, Record, dig
from conv_analytics.resources.vocabulary import EventMessageType

#: Event type -> class of its body. ``message`` is refined by `MESSAGE_BODIES`.
BODIES: Mapping[str, type[Record]] = {
    "message": MessageBody,
    "message:submitted": MessageEventBody,
    "message:delivered": MessageEventBody,
    "message:seen": MessageEventBody,
    "message:rejected": MessageEventBody,
    "message:undeliverable": MessageEventBody,
    "member:message:status": MessageStatusBody,
    "audio:play": AudioPlayBody,
    "audio:play:stop": AudioPlayIdBody,
    "audio:play:done": AudioPlayIdBody,
    "audio:say": MessageSayBody,
    "audio:say:stop": MessageSayIdBody,
    "audio:say:done": MessageSayIdBody,
    "audio:dtmf": MessagePlayDTMFBody,
    "audio:record": MessageRecordBody,
    "audio:record:stop": MessageRecordIdBody,
    "audio:record:done": AudioRecordDoneBody,
    "audio:transcribe:done": AudioTranscribeDoneBody,
    "audio:mute:on": MessageRTCIdBody,
    "audio:mute:off": MessageRTCIdBody,
    "audio:earmuff:on": MessageRTCIdBody,
    "audio:earmuff:off": MessageRTCIdBody,
    "audio:speaking:on": MessageChannelBody,
    "audio:speaking:off": MessageChannelBody,
    "audio:asr:done": MessageASRBody,
    "audio:asr:record:done": AudioASRRecordDoneBody,
    "member:invited": MessageMemberBody,
    "member:joined": MessageMemberBody,
    "member:left": MessageMemberBody,
    "member:media": MemberMediaBody,
    "conversation:created": MessageConversationBody,
    "conversation:updated": MessageConversationBody,
    "conversation:deleted": MessageConversationBody,
    "event:delete": EventDeleteBody,
    "leg:status:update": MessageLegBody,
    "sip:status": MessageSIPStatusBody,
    "sip:ringing": MessageSIPDirectionBody,
    "sip:answered": MessageSIPDirectionBody,
    "sip:hangup": MessageSIPHangupBody,
    "sip:machine": MessageSIPMachineBody,
    "sip:amd_machine": MessageSIPMachineBody,
    "rtc:status": MessageSIPStatusBody,
    "rtc:ringing": MessageSIPDirectionBody,
    "rtc:answered": MessageSIPDirectionBody,
    "rtc:hangup": MessageSIPHangupBody,
    "rtc:transfer": RTCTransferBody,
    "rtc:answer": MessageRTCAnswerBody,
    "rtc:terminate": RTCTerminateBody,
    "rtc:new": RTCOfferBody,
    "rtc:offer": RTCOfferBody,
    "rtc:ice": MessageRTCIdBody,
    "app:knocking": AppKnockingBody,
    "app:knocking:cancel": AppKnockingBody,
    "text": TextBody,
    "text:update": TextUpdateBody,
    "text:delivered": MessageEventBody,
    "text:seen": MessageEventBody,
    "text:typing:on": TextTypingBody,
    "text:typing:off": TextTypingBody,
    "image": ImageBody,
    "image:delivered": MessageEventBody,
    "image:seen": MessageEventBody,
    "audio:ringing:start": AudioBody,
    "audio:ringing:stop": AudioBody,
    "mixer:publisher:created": AudioBody,
    "mixer:publisher:destroyed": AudioBody,
    "mixer:subscriber:created": AudioBody,
    "mixer:subscriber:destroyed": AudioBody,
}

#: Kind of a message -> class of its body; any other kind is read as `MessageBody`.
MESSAGE_BODIES: Mapping[str, type[MessageBody]] = {
    EventMessageType.TEXT: MessageTextBody,
    EventMessageType.IMAGE: MessageImageBody,
    EventMessageType.AUDIO: MessageAudioBody,
    EventMessageType.VIDEO: MessageVideoBody,
    EventMessageType.FILE: MessageFileBody,
    EventMessageType.TEMPLATE: MessageTemplateBody,
    EventMessageType.CUSTOM: MessageCustomBody,
    EventMessageType.VCARD: MessageVCardBody,
    EventMessageType.LOCATION: MessageLocationBody,
    EventMessageType.RANDOM: MessageRandomBody,
}

#: Every typed body of an event.
AnyMessageBody: TypeAlias = (
    AppKnockingBody
    | AudioASRRecordDoneBody
    | AudioBody
    | AudioPlayBody
    | AudioPlayIdBody
    | AudioRecordDoneBody
    | AudioTranscribeDoneBody
    | EventDeleteBody
    | ImageBody
    | MemberMediaBody
    | MessageASRBody
    | MessageAudioBody
    | MessageBody
    | MessageChannelBody
    | MessageConversationBody
    | MessageCustomBody
    | MessageEventBody
    | MessageFileBody
    | MessageImageBody
    | MessageLegBody
    | MessageLocationBody
    | MessageMemberBody
    | MessagePlayDTMFBody
    | MessageRandomBody
    | MessageRecordBody
    | MessageRecordIdBody
    | MessageRTCAnswerBody
    | MessageRTCIdBody
    | MessageSayBody
    | MessageSayIdBody
    | MessageSIPDirectionBody
    | MessageSIPHangupBody
    | MessageSIPMachineBody
    | MessageSIPStatusBody
    | MessageStatusBody
    | MessageTemplateBody
    | MessageTextBody
    | MessageVCardBody
    | MessageVideoBody
    | RTCOfferBody
    | RTCTerminateBody
    | RTCTransferBody
    | TextBody
    | TextTypingBody
    | TextUpdateBody
)

#: The Node SDK's name for the bodies with wire names; ours have no others.
AnyMessageBodyResponse: TypeAlias = AnyMessageBody


def body_class(event_type: str | None, body: Json) -> type[Record] | None:
    """The class that reads an event's body, or None when it is kept verbatim."""
    kind = BODIES.get(str(event_type))
    if kind is not MessageBody:
        return kind
    written = dig(body, ("message_type",))
    return MESSAGE_BODIES.get(written.strip().lower(), MessageBody) if isinstance(written, str) else MessageBody


__all__ = [
    "ASR",
    "BODIES",
    "MESSAGE_BODIES",
    "ASRResult",
    "AnyMessageBody",
    "AnyMessageBodyResponse",
    "AppKnockingBody",
    "AudioASRRecordDoneBody",
    "AudioBody",
    "AudioPlayBody",
    "AudioPlayIdBody",
    "AudioRecordDoneBody",
    "AudioTranscribeDoneBody",
    "Bandwidth",
    "CallState",
    "EventDeleteBody",
    "EventMemberConversation",
    "EventMemberProperties",
    "EventMemberUser",
    "HangupReasonText",
    "ImageBody",
    "InvitingMember",
    "LegState",
    "MemberMediaBody",
    "MemberReason",
    "MessageASRBody",
    "MessageAudioBody",
    "MessageBody",
    "MessageChannelBody",
    "MessageContent",
    "MessageConversationBody",
    "MessageCustomBody",
    "MessageError",
    "MessageEventBody",
    "MessageFileBody",
    "MessageImageBody",
    "MessageLegBody",
    "MessageLocation",
    "MessageLocationBody",
    "MessageMedia",
    "MessageMemberBody",
    "MessagePlayDTMFBody",
    "MessageRTCAnswerBody",
    "MessageRTCIdBody",
    "MessageRandomBody",
    "MessageRecordBody",
    "MessageRecordIdBody",
    "MessageSIPBody",
    "MessageSIPDirectionBody",
    "MessageSIPHangupBody",
    "MessageSIPMachineBody",
    "MessageSIPStatusBody",
    "MessageSayBody",
    "MessageSayIdBody",
    "MessageStatusBody",
    "MessageTemplate",
    "MessageTemplateBody",
    "MessageTextBody",
    "MessageTimestamp",
    "MessageVCardBody",
    "MessageVideoBody",
    "MessengerOptions",
    "Quality",
    "RTCOfferBody",
    "RTCTerminateBody",
    "RTCTransferBody",
    "StatusHistoryEntry",
    "TextBody",
    "TextTypingBody",
    "TextUpdateBody",
    "Transcription",
    "ViberOptions",
    "WhatsAppTemplate",
    "body_class",
]
