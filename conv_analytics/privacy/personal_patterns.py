"""Patterns of personal data in a text: numbers, SIP, mail, web and IP addresses, and ids that may hold a name.

Each pattern is anchored at a boundary and bounded in length, so that a long text takes linear time.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

from conv_analytics.privacy.identifiers import TOKEN
from conv_analytics.privacy.safe_patterns import API_ID, UUID

URL = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>]+", re.IGNORECASE)
_HOST = r"(?:\[[0-9a-fA-F:.]{2,45}\]|[\w.-]{1,253})(?::[0-9]{1,5})?"
MAIL = re.compile(rf"(?<![\w.+%-])(?:(?:sips?|mailto|tel|xmpp):)?[\w.+%-]{{1,64}}(?::[^\s@<>]{{0,64}})?@{_HOST}")
SCHEME = re.compile(r"(?<![\w.+%-])(?:sips?|tel|mailto):[^\s;,>\"']{1,300}", re.IGNORECASE)
#: A name and, between angle brackets, the address.
_NAMED = (
    r"(?:\"[^\"<>\n]{0,100}\"\s?|(?<!\w)\w[\w.'-]{0,40}\s(?:\w[\w.'-]{0,40}\s?){0,3})"
    rf"<(?:{SCHEME.pattern})[^<>\n]{{0,300}}>"
)
_INSTANT = (
    r"(?<![0-9])(?:19|2[01])[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?(?![0-9])"
)
_IP = r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?(?![\w.]|:[0-9])"
_IP6 = r"(?<![\w:.])\[?(?=[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{0,40}:)[0-9a-fA-F:.]{2,45}\]?(?![\w:])"
_NUMBER = r"(?<![0-9])\+?(?:\([0-9]{1,4}\)\s?)?[0-9](?:(?:\(0\)|[\s().\-/_]{0,2})[0-9]){6,40}(?![0-9])"
_BORN = rf"(?<![0-9A-Za-z])(?:{TOKEN.pattern}|{API_ID.pattern}|{UUID.pattern})(?![0-9A-Za-z])"
_ID = r"(?<![0-9A-Za-z])(?:CON|MEM|USR|SES|SESSION|NAM|LEG)-[0-9A-Za-z_.-]{1,128}(?<![.-])"

#: All of them in one pass, each part of a text once; ``lastgroup`` names the kind.
PEOPLE = re.compile(
    rf"(?P<stays>{_BORN}|{_INSTANT})|(?P<id>{_ID})|(?P<named>{_NAMED})|(?P<url>{URL.pattern})|(?P<mail>{MAIL.pattern})"
    rf"|(?P<scheme>{SCHEME.pattern})|(?P<ip>{_IP})|(?P<ip6>{_IP6})|(?P<number>{_NUMBER})",
    re.IGNORECASE,
)
#: Ids alone, with the prefix of the API.
IDS = re.compile(_ID)


def is_ip(text: str) -> bool:
    """Whether a text is an IP address, with or without a port.

    >>> is_ip("203.0.113.77:5060"), is_ip("[2001:db8::7]:5060"), is_ip("fe80::1"), is_ip("10:00:00")
    (True, True, True, False)
    """
    bracketed = text.startswith("[")
    host = text[1:].partition("]")[0] if bracketed else text.partition(":")[0] if text.count(":") == 1 else text
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def unquoted(user: str) -> str:
    """The user of an address, percent-decoded."""
    return unquote(user) if "%" in user else user


__all__ = ["IDS", "MAIL", "PEOPLE", "SCHEME", "URL", "is_ip", "unquoted"]
