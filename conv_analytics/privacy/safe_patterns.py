"""Patterns of harmless values: an id, a word of a vocabulary, an instant, a number.

A known key is not enough to let its value pass. The value must also look as the key says; anything else is masked like
the value of an unknown key.
"""

from __future__ import annotations

import re

from conv_analytics.resources import ReasonCode

#: An id as the platform makes them: a prefix and a uuid.
API_ID = re.compile(r"(?:CON|MEM|USR|SES|SESSION|NAM|LEG)-[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}")
#: An id without its prefix, with or without dashes: legs, recordings, requests.
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{32}")
#: An id of a member or user, where a name or number could stand as well: only the prefix is certain (contract 6).
REFERENCE = re.compile(r"(?:CON|MEM|USR|SES|SESSION|NAM)-[0-9A-Za-z_-]{1,128}|knocker:[0-9A-Za-z_-]{1,128}")

#: The number of an event, written as text.
SERIAL = re.compile(r"[0-9]{1,9}")
#: A network: mobile country and network code, or a country and what the network is, as ``US-VIRTUAL-LEVEL3``.
NETWORK = re.compile(r"[0-9]{3,6}|[A-Z]{2}(?:-[A-Z]{1,20}[0-9]?){0,2}|WEBSOCKET")
WORD = re.compile(
    r"(?!(?:CON|MEM|USR|SES|SESSION|NAM)-)(?!.*(?:[0-9][-_.:/+,;=]{0,2}){7})(?!.*//)[A-Za-z][0-9A-Za-z_:./,;=+\-]{0,99}"
)
#: The type of a problem: a word, or the page of the platform that explains it.
PROBLEM = re.compile(
    WORD.pattern + r"|(?!.*[0-9]{7})https:/{2}developer\.(?:vonage|nexmo)\.com/[0-9A-Za-z/#._-]{0,200}"
)
TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{1,2}(?::?[0-9]{1,2}){0,2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
COUNT = re.compile(r"\s*[+-]?[0-9]*\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?\s*|true|false", re.IGNORECASE)
#: One of more digits before the point is no price, share or length, but may be a phone number; an exponent that moves
#: the point to the right goes with few digits only.
NUMBER = re.compile(
    r"\s*[+-]?(?:(?:[0-9]{1,9}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:e(?:-[0-9]{1,3}|\+?0{1,3}))?"
    r"|(?:[0-9]{1,3}(?:\.[0-9]{0,3})?|\.[0-9]{1,6})e\+?[0-9]{1,3})\s*|true|false",
    re.IGNORECASE,
)
#: A line written by the platform, such as the title of a problem, of words that describe problems.
LABEL = re.compile(
    r"(?:(?:a|access|action|already|an|api|application|are|authorized|bad|be|been|body|call|callback|cannot|content"
    r"|conflict|conversation|could|credentials|denied|does|duplicate|error|event|exceeded|exist|exists|expired|failed"
    r"|failure|field|forbidden|format|found|gateway|has|id|in|input|internal|invalid|is|it|json|leg|length|limit|many"
    r"|media|member|message|method|missing|name|no|not|number|of|on|or|page|parameter|parameters|payload|permission"
    r"|playing|provided|rate|reached|recording|request|requests|required|resource|server|service|session|size|state"
    r"|supported|temporarily|the|this|timeout|timed|to|token|too|type|unable|unauthorized|unavailable|unexpected"
    r"|unknown|unprocessable|unsupported|url|user|valid|value|was|with|you)(?:[ ,:'-]{1,2}|\.?$)){1,16}",
    re.IGNORECASE,
)
_PARAMETER = "cursor|page_size|order|start_id|end_id|date_start|date_end|exclude_deleted_events"
#: A link of a page: nouns, ids, cursors and sizes; never a filter by name.
LINK = re.compile(
    r"(?:https?://[0-9A-Za-z.:\-]+)?"
    r"(?:/v[0-9.]+(?:/(?:conversations|members|events|users|sessions|[A-Z]{3,7}-[0-9A-Za-z-]+|[0-9]{1,9}))*)?"
    rf"(?:\?(?:(?:{_PARAMETER})=[^&\s]*(?:&(?:{_PARAMETER})=[^&\s]*)*&?)?)?"
)
#: A key that a programmer named, and that is not the name of a person.
KEY = re.compile(r"(?!.*[0-9]{5})[A-Za-z_][0-9A-Za-z_\-]{0,39}")

#: Texts that stand for nobody (contract 9, no. 26, and how carriers write a withheld number).
NOBODY = frozenset({"", "<null>", "anonymous", "unknown", "unavailable", "restricted", "private"})

#: The reasons for the end of a call in SIP (RFC 3261), on the platform's media servers and in Voice events.
PHRASES = frozenset(
    """ok|trying|ringing|session progress|accepted|moved permanently|moved temporarily|bad request|unauthorized
    |payment required|forbidden|not found|method not allowed|not acceptable|proxy authentication required
    |request timeout|gone|request entity too large|unsupported media type|bad extension|temporarily unavailable
    |call/transaction does not exist|loop detected|too many hops|address incomplete|ambiguous|busy here
    |request terminated|not acceptable here|request pending|undecipherable|server internal error|not implemented
    |bad gateway|service unavailable|server time-out|version not supported|message too large|busy everywhere|decline
    |declined|does not exist anywhere|normal clearing|normal call clearing|call ended|user busy|no answer
    |no user response|transferred|unallocated number|call rejected|originator cancel|allotted timeout|media timeout
    |normal unspecified|hangup|unavailable|carrier_timeout|invalid_number|restricted|cannot_route
    |number_out_of_service|internal_error|recovery on timer expire|network out of order|normal temporary failure
    """.replace("\n", "").split("|")
)
PHRASES = frozenset(" ".join(phrase.split()) for phrase in PHRASES) | frozenset(code.value for code in ReasonCode)
