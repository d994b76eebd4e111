"""Every type, field and word of the Node SDK's documentation is here (contract, Appendix A)."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import typing
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import resources
from conv_analytics.resources import BODIES, AnyMessageBody, EventType, Record
from conv_analytics.resources.record import fields
from conv_analytics.resources.seed import METHODS, SEED, seed_names

LINKS = "links"

# Fields as the SDK writes them; dots go into objects, `_embedded` levels are left out.
TYPES = {
    "AppChannel": "type user",
    "ASRResult": "confidence word",
    "AudioSettings": "earmuffed enabled muted",
    "AudioSettingsRequest": "audio earmuffed enabled muted",
    "AudioSettingsResponse": "audio earmuffed enabled muted",
    "Conversation": "callback displayName id imageUrl name numbers properties.customData "
    "properties.customSortKey "
    "properties.ttl properties.type sequenceNumber state status timestamp.created "
    "timestamp.destroyed timestamp.updated",
    "ConversationCallback": "eventMask method params.applicationId params.nccoUrl url",
    "ConversationCallbackRequest": "event_mask method params.applicationId params.ncco_url url",
    "ConversationPage": "conversations links pageSize",
    "ConversationPageResponse": "conversations page_size links",
    "ConversationResponse": "callback id name numbers state status timestamp.created display_name image_url "
    "properties.custom_data properties.custom_sort_key properties.ttl properties.type sequence_number links",
    "CreateConversationRequest": "callback display_name image_url name numbers properties.custom_data "
    "properties.custom_sort_key properties.ttl properties.type",
    "CreateEventRequest": "body type from",
    "CreateMemberRequest": "channel from knocking_id media.audio media.audio_settings.muted "
    "member_id_inviting state "
    ""
    "user.id user.name",
    "Event": "body from fromMember.id fromUser.id id timestamp type",
    "EventPage": "events links pageSize",
    "EventPageResponse": "events page_size links",
    "EventResponse": "body from from_member.id from_user.display_name id timestamp type links",
    "EventUser": "customData displayName id imageUrl name",
    "EventUserResponse": "customData display_name id imageUrl name",
    "InitiatorInvited": "invited.isSystem",
    "InitiatorInvitedResponse": "invited.is_system",
    "InitiatorJoined": "joined.isSystem joined.memberId joined.userId",
    "InitiatorJoinedResponse": "joined.is_system joined.member_id joined.user_id",
    "LegState": "reason status succssful",
    "ListConversationsParameters": "byUser cursor dateEnd dateStart includeCustomData order pageSize",
    "ListEventParameters": "cursor endId eventType excludeDeletedEvents order pageSize startId",
    "ListMemberParameters": "cursor order pageSize",
    "ListMemberResponse": "user.display_name user.id user.name id state links",
    "ListSessionParameters": "cursor order pageSize",
    "Member": "channel conversationId id initiator.joined.isSystem initiator.invited.isSystem invitedBy "
    "knockingId "
    "media.audio media.audioSettings state timestamp.invited timestamp.joined timestamp.left user",
    "MemberPage": "links members pageSize",
    "MemberPageResponse": "members page_size links",
    "MemberResponse": "user channel id initiator.joined.is_system invited_by knocking_id media.audio "
    "media.audio_settings.audio state timestamp.invited timestamp.joined timestamp.left links",
    "MemberUserResponse": "display_name id name links",
    "MessageASRBody": "asr.asrId asr.callId asr.endTime asr.error asr.format asr.mediaServiceUUID asr.result "
    "asr.size "
    "asr.startTime asr.timeoutReason channel",
    "MessageAudioBody": "audio.url messageType",
    "MessageChannelBody": "channel.from channel.to headers id type",
    "MessageConversationBody": "displayName id imageUrl name state timestamp.created timestamp.destroyed "
    "timestamp.updated",
    "MessageCustomBody": "custom messageType",
    "MessageEventBody": "eventId",
    "MessageFileBody": "file.url messageType",
    "MessageImageBody": "image.url messageType",
    "MessageLegBody": "direction legId state status statusHistory.conversationId statusHistory.knockerId "
    "statusHistory.memberId statusHistory.state statusHistory.status type",
    "MessageLocationBody": "location.address location.latitude location.longitude location.name messageType",
    "MessageMemberBody": "channel initiator invitedBy knockingId media state timestamp user "
    "reason.code reason.text "
    ""
    "audio memberId",
    "MessagePlayDTMFBody": "channel.from.from.type channel.from.to.type channel.from.to.user "
    "channel.from.type "
    ""
    "channel.headers channel.id channel.to.from.type channel.to.to.type channel.to.to.user "
    "channel.to.type channel.type "
    "digits dtmfSeq duration method",
    "MessageRandomBody": "messageType",
    "MessageRecordBody": "beepEnd beepStart channels detectSpeach format multiTrack recordId split streamed "
    "transcription.language transcription.sentimentAnalysis validity",
    "MessageRecordIdBody": "recordId",
    "MessageRTCAnswerBody": "answer isFromMb sessionDestination rtcId",
    "MessageRTCIdBody": "rtcId",
    "MessageSayBody": "language level loop premium queue ssml style text voiceName",
    "MessageSayIdBody": "sayId",
    "MessageSIPBody": "channel",
    "MessageSIPDirectionBody": "direction channel",
    "MessageSIPHangupBody": "bandwidth.byteIn bandwidth.byteOut quality.flawTotal quality.jitterBurstRate "
    "quality.jitterLossRate quality.jitterMaxVar quality.jitterMinVar quality.mosScore quality.packetCnt "
    "quality.packetLossPerc quality.qualityPercentage reason.code reason.sipCode reason.text "
    "direction channel",
    "MessageSIPMachineBody": "confidence type channel",
    "MessageSIPStatusBody": "direction duration endTime from networkCode price rate requestTime "
    "startTime state.status "
    ""
    "status to channel",
    "MessageStatusBody": "audio.url channelType custom error file.url from image.url location.address "
    "location.latitude location.longitude location.name messageType messageUUID "
    "originalEventId template.name "
    "template.parameters text to vcard.url video.url whatsapp.locale whatsapp.policy",
    "MessageTemplateBody": "messageType template.name template.parameters template.whatsapp.locale "
    "template.whatsapp.policy",
    "MessageTextBody": "messageType text",
    "MessageVCardBody": "image.url messageType vcard.url",
    "MessageVideoBody": "messageType video.url",
    "PhoneNumberChannel": "number type",
    "Session": "apiKey id properties.ttl user.id user.name",
    "SessionPage": "links pageSize sessions",
    "SessionPageResponse": "sessions page_size links",
    "SessionResponse": "api_key user id properties.ttl links",
    "SessionUser": "id name",
    "SipChannel": "password type uri username",
    "UpdateMemberParameters": "from reason.code reason.text state",
    "VbcChannel": "extension type",
    "WebSocketChannel": "contentType type uri",
    "APILink": "href",
    "APILinks": "self first next prev last",
}

ENUMS = {
    "ChannelType": "APP=app PHONE=phone SIP=sip VBC=vbc WEBSOCKET=websocket",
    "ConversationState": "ACTIVE=ACTIVE INACTIVE=INACTIVE DELETED=DELETED",
    "EventMessageType": "TEXT=text IMAGE=image AUDIO=audio VIDEO=video FILE=file "
    "TEMPLATE=template CUSTOM=custom "
    ""
    "VCARD=vcard LOCATION=location RANDOM=random",
    "EventType": "MESSAGE=message MESSAGE_SUBMITTED=message:submitted MESSAGE_DELIVERED=message:delivered "
    "MESSAGE_SEEN=message:seen MESSAGE_REJECTED=message:rejected MESSAGE_UNDELIVERABLE=message:undeliverable "
    "CUSTOM=custom EPHEMERAL=ephemeral AUDIO_PLAY=audio:play AUDIO_PLAY_STOP=audio:play:stop "
    "AUDIO_SAY=audio:say "
    "AUDIO_SAY_STOP=audio:say:stop AUDIO_DTMF=audio:dtmf AUDIO_RECORD=audio:record "
    "AUDIO_RECORD_STOP=audio:record:stop AUDIO_MUTE_ON=audio:mute:on AUDIO_MUTE_OFF=audio:mute:off "
    "AUDIO_EAR_MUFF_ON=audio:earmuff:on AUDIO_EAR_MUFF_OFF=audio:earmuff:off "
    "AUDIO_SPEAKING_ON=audio:speaking:on "
    "AUDIO_SPEAKING_OFF=audio:speaking:off",
    "LegStatus": "STARTED=started RINGING=ringing ANSWERED=answered",
    "MemberState": "INVITED=INVITED JOINED=JOINED LEFT=LEFT UNKNOWN=UNKNOWN",
    "ReasonCode": "FAILED=failed BUSY=busy TIMEOUT=timeout CANCELLED=cancelled REJECTED=rejected OK=ok "
    "NOT_FOUND=not_found REQUEST_TERMINATED=request_terminated BAD_EXTENSION=bad_extension "
    "BUSY_HERE=busy_here "
    "REQUEST_TIMEOUT=request_timeout TEMPORARILY_UNAVAILABLE=temporarily_unavailable "
    "FORBIDDEN=forbidden GONE=gone "
    "BAD_GATEWAY=bad_gateway ADDRESS_INCOMPLETE=address_incomplete "
    "SERVER_INTERNAL_ERROR=server_internal_error "
    "NOT_IMPLEMENTED=not_implemented SERVER_TIMEOUT=server_timeout "
    "VERSION_NOT_SUPPORTED=version_not_supported "
    "SERVICE_UNAVAILABLE=service_unavailable PAYMENT_REQUIRED=payment_required "
    "BANNED_CALL_ENDED=banned_call_ended "
    "FLOW_FAILED=flow_failed",
    "CallDirection": "INBOUND=inbound OUTBOUND=outbound",
    "CallStatus": "STARTED=started RINGING=ringing ANSWERED=answered COMPLETED=completed MACHINE=machine "
    "FAILED=failed "
    "BUSY=busy TIMEOUT=timeout CANCELLED=cancelled REJECTED=rejected UNANSWERED=unanswered",
}

UNIONS = {
    "AnyChannel": "PhoneNumberChannel SipChannel AppChannel WebSocketChannel VbcChannel",
    "AnyMessageBody": "MessageASRBody MessageChannelBody MessageConversationBody MessageCustomBody "
    "MessageEventBody "
    "MessageFileBody MessageImageBody MessageLegBody MessageLocationBody MessageMemberBody "
    "MessageRTCAnswerBody "
    "MessageRTCIdBody MessageRecordBody MessageRecordIdBody MessageSIPDirectionBody MessageSIPHangupBody "
    "MessageSIPMachineBody MessageSIPStatusBody MessageSayBody MessageSayIdBody "
    "MessageStatusBody MessageTemplateBody "
    "MessageTextBody MessageVCardBody MessageVideoBody MessageAudioBody",
    "AnyMessageBodyResponse": "MessageTextBody",
}

OTHERS = {"Channels", "UserType"}


def snake(name: str) -> str:
    """Give the Python name of a field of the SDK."""
    name = re.sub(r"(?<=[a-z])(UUID|[A-Z])", lambda match: "_" + match.group().lower(), name)
    return {"from": "from_", "self": "self_"}.get(name, name)


def holds(cls: Any, path: list[str]) -> bool:
    """Whether a class has an attribute, and its record the next one."""
    if not isinstance(cls, type):
        return False
    if typing.is_typeddict(cls):
        return path[0] in getattr(cls, "__optional_keys__")  # noqa: B009 - mypy does not know it
    if isinstance(getattr(cls, path[0], None), property):
        return len(path) == 1
    kinds = {field.name: field.kind for field in fields(cls)}
    return path[0] in kinds and (len(path) == 1 or holds(kinds[path[0]], path[1:]))


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, listed in TYPES.items() for field in listed.split()]
)
def test_every_field_of_the_seed_is_here(name: str, field: str) -> None:
    assert holds(SEED[name], [snake(part) for part in field.split(".")])


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, listed in ENUMS.items() for word in listed.split()])
def test_every_word_of_the_seed_is_here(name: str, word: str) -> None:
    member, _, value = word.partition("=")
    vocabulary = SEED[name]
    assert isinstance(vocabulary, type)
    assert issubclass(vocabulary, StrEnum)
    assert vocabulary[member] == value


@pytest.mark.parametrize("name", UNIONS)
def test_a_union_holds_what_the_seed_joins(name: str) -> None:
    members = {member.__name__ for member in typing.get_args(SEED[name])}
    assert set(UNIONS[name].split()) <= members


def test_the_inventory_is_complete() -> None:
    assert set(SEED) == set(TYPES) | set(ENUMS) | set(UNIONS) | OTHERS


def test_every_name_of_the_seed_can_be_imported() -> None:
    assert [name for name in SEED if getattr(resources, name, None) is not SEED[name]] == []
    assert set(SEED) <= set(resources.__all__)


def test_all_is_sorted_and_real() -> None:
    def rank(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert resources.__all__ == sorted(set(resources.__all__), key=rank)
    assert [name for name in resources.__all__ if not hasattr(resources, name)] == []


def test_the_table_of_names_is_current() -> None:
    written = Path(__file__).parents[2] / "notebooks" / "reference" / "seed-names.md"
    assert written.read_text(encoding="utf-8") == seed_names(), "run python -m conv_analytics.resources.seed"


def test_every_method_of_the_seed_is_named() -> None:
    listed = (
        "getConversationPage listAllConversations listAllUserConversations createConversation "
        "getConversation "
        "updateConversation deleteConversation getMemberPage listAllMembers createMember getMe "
        "getMember updateMember "
        "getEventPage listAllEvents createEvent getEvent deleteEvent getUserSessionsPage "
        "listAllUserSessions getConfig "
        "auth authType config addAuthenticationToRequest addBasicAuthToRequest addJWTToRequest "
        "addQueryKeySecretToRequest addQueryKeySecretToRequestBody parseResponse prepareBody prepareRequest "
        "sendDeleteRequest sendFormSubmitRequest sendGetRequest sendPatchRequest sendPostRequest "
        "sendPutRequest "
        "sendRequest sendRequestWithData transformers.camelCaseObjectKeys transformers.kebabCaseObjectKeys "
        "transformers.omit transformers.snakeCaseObjectKeys"
    )
    assert set(listed.split()) <= set(METHODS)


def test_every_type_has_a_body_unless_it_is_the_users_own() -> None:
    assert {kind for kind in EventType if kind not in BODIES} == {EventType.CUSTOM, EventType.EPHEMERAL}
    assert set(BODIES.values()) <= set(typing.get_args(AnyMessageBody))


def records() -> list[type[Record]]:
    """Every record class of the package."""
    found = [getattr(resources, name) for name in resources.__all__]
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, Record)]


@pytest.mark.parametrize("cls", records(), ids=lambda cls: cls.__name__)
def test_every_record_says_what_it_and_its_fields_mean(cls: type[Record]) -> None:
    assert cls is Record or "contract" in (cls.__doc__ or "")
    declared = {field.name for field in fields(cls)}
    assert declared == {field.name for field in dataclasses.fields(cls)} - {"extra"}
    assert [field.name for field in fields(cls) if not re.fullmatch(r"\S.*[.]", field.doc)] == []


@pytest.mark.slow
def test_importing_the_package_stays_light() -> None:
    heavy = "{'pandas', 'pyarrow', 'numpy', 'httpx', 'msgspec', 'orjson'}"
    code = f"import sys, conv_analytics.resources; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
