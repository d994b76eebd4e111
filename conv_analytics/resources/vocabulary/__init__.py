"""The words the API uses where it means one of a few things.

Every vocabulary is open: a word that is not listed here is kept as text, since the API adds words without
notice (`conv_analytics.resources.cells.choice`). Members carry the names of the Node SDK's enumerations
(contract 5).

>>> EventType("sip:hangup").family
'sip'
>>> ChannelType.PHONE == "phone"
True
"""

from __future__ import annotations

from conv_analytics.resources.vocabulary.calls import (
    CallDirection,
    CallStatus,
    ChannelType,
    HangupReason,
    LegStatus,
    MessageStatusChannel,
    ReasonCode,
)
from conv_analytics.resources.vocabulary.conversations import (
    CallbackMethod,
    ConversationState,
    MemberState,
    Order,
    OrderBy,
)
from conv_analytics.resources.vocabulary.events import (
    ASRTimeoutReason,
    DTMFMethod,
    EventMessageType,
    EventType,
    RecordingFormat,
)

__all__ = [
    "ASRTimeoutReason",
    "CallDirection",
    "CallStatus",
    "CallbackMethod",
    "ChannelType",
    "ConversationState",
    "DTMFMethod",
    "EventMessageType",
    "EventType",
    "HangupReason",
    "LegStatus",
    "MemberState",
    "MessageStatusChannel",
    "Order",
    "OrderBy",
    "ReasonCode",
    "RecordingFormat",
]
