"""The values of a query, as in webhooks by GET."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

#: A value that begins like JSON of the API: an object, a list, a text, null or a flag. Numbers stay texts.
_JSON = re.compile(r'\s*[\[{"]|null$|true$|false$')
_NUMBER = re.compile(r"\+[0-9]")


def query_texts(query: str) -> dict[str, str]:
    """The parameters of a query, in their order, as texts.

    A ``+`` is a space, unless the value has an encoded one too, or is a phone number. Of a repeated parameter, the last
    value counts.

    >>> query_texts("from=+447700900101&detail=no%20answer&x=a+b&speech={%22results%22:[]}")
    {'from': '+447700900101', 'detail': 'no answer', 'x': 'a b', 'speech': '{"results":[]}'}
    """
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {_text(name): _text(value) for name, _, value in pairs}


def query_values(query: str) -> dict[str, Any]:
    """The parameters, with objects, lists, null and flags decoded if the text is JSON; an empty value is null.

    >>> query_values("uuid=aaaa&duration=12&dtmf={%22digits%22:null}&network=")
    {'uuid': 'aaaa', 'duration': '12', 'dtmf': {'digits': None}, 'network': None}
    """
    return {name: _value(text) for name, text in query_texts(query).items()}


def query_objects(query: str) -> dict[str, Any]:
    """The texts, with only objects and lists decoded.

    >>> query_objects("uuid=aaaa&dtmf={%22digits%22:null}&network=&timed_out=false")
    {'uuid': 'aaaa', 'dtmf': {'digits': None}, 'network': '', 'timed_out': 'false'}
    """
    return {name: _value(text) if text[:1] in {"{", "["} else text for name, text in query_texts(query).items()}


def _text(written: str) -> str:
    if "%20" not in written and not _NUMBER.match(written):
        written = written.replace("+", " ")
    return unquote(written, errors="surrogateescape")


def _value(text: str) -> Any:
    if not text:
        return None
    if _JSON.match(text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
