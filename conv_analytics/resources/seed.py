"""The Node SDK's names and ours.

`SEED` maps every type that the Node SDK's documentation lists to the Python object of that meaning. Field
names are the wire's own here, so the SDK's two views of a type, with camelCase and with wire names, are one
class: its ``ConversationResponse`` is our `Conversation`.

``python -m conv_analytics.resources.seed`` prints both tables as Markdown.

>>> SEED["ConversationResponse"].__name__
'Conversation'
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from conv_analytics import resources as r

#: Name in the Node SDK -> class, vocabulary or union here.
SEED: Mapping[str, object] = {
    "AnyChannel": r.AnyChannel,
    "AnyMessageBody": r.AnyMessageBody,
    "AnyMessageBodyResponse": r.AnyMessageBodyResponse,
    "APILink": r.APILink,
    "APILinks": r.APILinks,
    "AppChannel": r.AppChannel,
    "ASRResult": r.ASRResult,
    "AudioSettings": r.AudioSettings,
    "AudioSettingsRequest": r.AudioSettingsRequest,
    "AudioSettingsResponse": r.AudioSettingsResponse,
    "CallDirection": r.CallDirection,
    "CallStatus": r.CallStatus,
    "Channels": r.Channels,
    "ChannelType": r.ChannelType,
    "Conversation": r.Conversation,
    "ConversationCallback": r.ConversationCallback,
    "ConversationCallbackRequest": r.ConversationCallbackRequest,
    "ConversationPage": r.ConversationPage,
    "ConversationPageResponse": r.ConversationPageResponse,
    "ConversationResponse": r.ConversationResponse,
    "ConversationState": r.ConversationState,
    "CreateConversationRequest": r.CreateConversationRequest,
    "CreateEventRequest": r.CreateEventRequest,
    "CreateMemberRequest": r.CreateMemberRequest,
    "Event": r.Event,
    "EventMessageType": r.EventMessageType,
    "EventPage": r.EventPage,
    "EventPageResponse": r.EventPageResponse,
    "EventResponse": r.EventResponse,
    "EventType": r.EventType,
    "EventUser": r.EventUser,
    "EventUserResponse": r.EventUserResponse,
    "InitiatorInvited": r.InitiatorInvited,
    "InitiatorInvitedResponse": r.InitiatorInvitedResponse,
    "InitiatorJoined": r.InitiatorJoined,
    "InitiatorJoinedResponse": r.InitiatorJoinedResponse,
    "LegState": r.LegState,
    "LegStatus": r.LegStatus,
    "ListConversationsParameters": r.ListConversationsParameters,
    "ListEventParameters": r.ListEventParameters,
    "ListMemberParameters": r.ListMemberParameters,
    "ListMemberResponse": r.ListMemberResponse,
    "ListSessionParameters": r.ListSessionParameters,
    "Member": r.Member,
    "MemberPage": r.MemberPage,
    "MemberPageResponse": r.MemberPageResponse,
    "MemberResponse": r.MemberResponse,
    "MemberState": r.MemberState,
    "MemberUserResponse": r.MemberUserResponse,
    "MessageASRBody": r.MessageASRBody,
    "MessageAudioBody": r.MessageAudioBody,
    "MessageChannelBody": r.MessageChannelBody,
    "MessageConversationBody": r.MessageConversationBody,
    "MessageCustomBody": r.MessageCustomBody,
    "MessageEventBody": r.MessageEventBody,
    "MessageFileBody": r.MessageFileBody,
    "MessageImageBody": r.MessageImageBody,
    "MessageLegBody": r.MessageLegBody,
    "MessageLocationBody": r.MessageLocationBody,
    "MessageMemberBody": r.MessageMemberBody,
    "MessagePlayDTMFBody": r.MessagePlayDTMFBody,
    "MessageRandomBody": r.MessageRandomBody,
    "MessageRecordBody": r.MessageRecordBody,
    "MessageRecordIdBody": r.MessageRecordIdBody,
    "MessageRTCAnswerBody": r.MessageRTCAnswerBody,
    "MessageRTCIdBody": r.MessageRTCIdBody,
    "MessageSayBody": r.MessageSayBody,
    "MessageSayIdBody": r.MessageSayIdBody,
    "MessageSIPBody": r.MessageSIPBody,
    "MessageSIPDirectionBody": r.MessageSIPDirectionBody,
    "MessageSIPHangupBody": r.MessageSIPHangupBody,
    "MessageSIPMachineBody": r.MessageSIPMachineBody,
    "MessageSIPStatusBody": r.MessageSIPStatusBody,
    "MessageStatusBody": r.MessageStatusBody,
    "MessageTemplateBody": r.MessageTemplateBody,
    "MessageTextBody": r.MessageTextBody,
    "MessageVCardBody": r.MessageVCardBody,
    "MessageVideoBody": r.MessageVideoBody,
    "PhoneNumberChannel": r.PhoneNumberChannel,
    "ReasonCode": r.ReasonCode,
    "Session": r.Session,
    "SessionPage": r.SessionPage,
    "SessionPageResponse": r.SessionPageResponse,
    "SessionResponse": r.SessionResponse,
    "SessionUser": r.SessionUser,
    "SipChannel": r.SipChannel,
    "UpdateMemberParameters": r.UpdateMemberParameters,
    "UserType": r.UserType,
    "VbcChannel": r.VbcChannel,
    "WebSocketChannel": r.WebSocketChannel,
}

_LISTING = "an iterator over every page"
_SENDS = "`client.request(method, path, params=..., json=...)`"
_PREPARES = "done by every call; see `conv_analytics.api`"

#: Method or property in the Node SDK -> what to use here, and a remark.
METHODS: Mapping[str, tuple[str, str]] = {
    "new Conversations(credentials, options)": (
        "`Conversations(...)`, `AsyncConversations(...)`",
        "same methods",
    ),
    "getConversationPage": ("`client.get_conversation_page`", "one page"),
    "listAllConversations": ("`client.list_all_conversations`", _LISTING),
    "listAllUserConversations": ("`client.list_all_user_conversations`", _LISTING),
    "createConversation": (
        "`client.create_conversation`",
        "takes a `CreateConversationRequest` or a mapping",
    ),
    "getConversation": ("`client.get_conversation`", ""),
    "updateConversation": ("`client.update_conversation`", "takes the id from the conversation"),
    "deleteConversation": ("`client.delete_conversation`", ""),
    "getMemberPage": ("`client.get_member_page`", "one page"),
    "listAllMembers": ("`client.list_all_members`", _LISTING),
    "createMember": ("`client.create_member`", "takes a `CreateMemberRequest` or a mapping"),
    "getMe": ("`client.get_me`", "needs a token with a user's name in `sub`"),
    "getMember": ("`client.get_member`", ""),
    "updateMember": ("`client.update_member`", "takes `UpdateMemberParameters` or a mapping"),
    "getEventPage": ("`client.get_event_page`", "one page"),
    "listAllEvents": ("`client.list_all_events`", _LISTING),
    "createEvent": ("`client.create_event`", "takes a `CreateEventRequest` or a mapping"),
    "getEvent": ("`client.get_event`", ""),
    "deleteEvent": ("`client.delete_event`", ""),
    "getUserSessionsPage": ("`client.get_user_sessions_page`", "one page"),
    "listAllUserSessions": ("`client.list_all_user_sessions`", _LISTING),
    "getConfig": ("`client.config`", "without secrets"),
    "config": ("`client.config`", "without secrets"),
    "auth": ("`JWTAuth`", "held by the client"),
    "authType": ("`JWTAuth`", "the API takes nothing else"),
    "addAuthenticationToRequest": ("`JWTAuth`", "an httpx auth: signs once, renews early"),
    "addJWTToRequest": ("`JWTAuth`", "an httpx auth"),
    "addBasicAuthToRequest": ("`BasicAuth`", "an httpx auth, for other Vonage APIs"),
    "addQueryKeySecretToRequest": ("`QueryKeySecretAuth`", "an httpx auth, for other Vonage APIs"),
    "addQueryKeySecretToRequestBody": ("`BodyKeySecretAuth`", "an httpx auth, for other Vonage APIs"),
    "sendRequest": (_SENDS, "any method"),
    "sendRequestWithData": (_SENDS, "with `json=`"),
    "sendGetRequest": (_SENDS, "`GET`"),
    "sendPostRequest": (_SENDS, "`POST`"),
    "sendPutRequest": (_SENDS, "`PUT`"),
    "sendPatchRequest": (_SENDS, "`PATCH`"),
    "sendDeleteRequest": (_SENDS, "`DELETE`"),
    "sendFormSubmitRequest": (_SENDS, "the API takes JSON only, no forms"),
    "parseResponse": (_PREPARES, "JSON or an error"),
    "prepareBody": (_PREPARES, "`Record.to_wire`"),
    "prepareRequest": (_PREPARES, ""),
    "transformers.snakeCaseObjectKeys": (
        "`conv_analytics.api.transform.snake_case_keys`",
        "leaves user data alone",
    ),
    "transformers.camelCaseObjectKeys": (
        "`conv_analytics.api.transform.camel_case_keys`",
        "leaves user data alone",
    ),
    "transformers.kebabCaseObjectKeys": (
        "`conv_analytics.api.transform.kebab_case_keys`",
        "leaves user data alone",
    ),
    "transformers.omit": ("`conv_analytics.api.transform.omit`", ""),
}


def seed_names() -> str:
    """Both tables as Markdown: the text of ``notebooks/reference/seed-names.md``."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The Node SDK's names and ours"
    yield ""
    yield "Written by `python -m conv_analytics.resources.seed`; do not edit by hand."
    yield ""
    yield "## Types"
    yield ""
    yield "All of them are in `conv_analytics.resources`. Fields carry the names of the wire: `displayName`"
    yield "is `display_name`, and `from` is `from_`."
    yield ""
    yield "| Node SDK | here | what it is |"
    yield "|---|---|---|"
    for name, target in SEED.items():
        yield f"| `{name}` | `{_python_name(name, target)}` | {_summary(name, target)} |"
    yield ""
    yield "## Methods"
    yield ""
    yield "| Node SDK | here | remark |"
    yield "|---|---|---|"
    for name, (target, remark) in METHODS.items():
        yield f"| `{name}` | {target} | {remark} |"


def _python_name(name: str, target: object) -> str:
    return target.__name__ if isinstance(target, type) else name


def _summary(name: str, target: object) -> str:
    # A union has no docstring of its own.
    doc = target.__doc__ if isinstance(target, type) else _UNIONS[name]
    return (doc or "").strip().partition("\n")[0].replace("|", "\\|")


_UNIONS = {
    "AnyChannel": "One of the five voice endpoints.",
    "AnyMessageBody": "One of the typed bodies of an event.",
    "AnyMessageBodyResponse": "The same as `AnyMessageBody`.",
}

if __name__ == "__main__":
    sys.stdout.write(seed_names())
