"""The ends of a leg: kinds of addresses, and the countries of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import metadata
from typing import Any, NamedTuple

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.expressions import CaseWhen
from conv_analytics.analysis.entities.regions import CALLING, SHARED, calling_code, network_country

#: A masked number: calling code, x, hexadecimal digits.
_MASKED = r"^\+?[0-9]{1,3}x[0-9a-f]{6,}$"
_DIGITS = r"^\+?[0-9]{7,15}$"
_HIDDEN = ("anonymous", "unknown", "restricted", "private", "unavailable", "withheld", "")

#: The kinds of addresses.
KINDS = ("e164", "sip", "user", "websocket", "vbc", "anonymous", "masked", "other")


class Party(NamedTuple):
    """The kind and the country of an address.

    Attributes
    ----------
    kind
        One of `KINDS`.
    country
        ISO 3166 alpha-2 code of a number's country, or None.
    country_source
        ``number`` (its range is assigned), ``calling_code`` (only its first digits say so) or ``none``.
    """

    kind: str
    country: str | None
    country_source: str


def party(address: str | None, type: str | None = None) -> Party:  # noqa: A002  the API's word
    """The kind of an address, and the country of a number.

    Parameters
    ----------
    address
        Number (E.164 digits, with or without a plus sign), URI, name of a user, extension, or masked token.
    type
        Kind of the channel's end, such as ``phone`` or ``app``, where it is known.

    Notes
    -----
    Countries of numbers need `phonenumbers` (``pip install 'conv-analytics[phone]'``). Without it the calling code
    decides, unless large countries share it (1, 7). Numbers outside assigned ranges, such as those reserved for
    fiction, have the main country of their calling code.

    Examples
    --------
    >>> party("442079460000", "phone")
    Party(kind='e164', country='GB', country_source='number')
    >>> party("447700900000").country_source
    'calling_code'
    >>> party("44x3f9a0c1b2d4e")
    Party(kind='masked', country='GB', country_source='calling_code')
    >>> party("Anonymous").kind, party("sip:100@pbx.example.org").kind
    ('anonymous', 'sip')
    """
    kind = _kind(address, type)
    if kind not in {"e164", "masked"} or address is None:
        return Party(kind, None, "none")
    country, source = country_of(address.strip())
    return Party(kind, country, source)


def _kind(address: str | None, end: str | None) -> str:
    text, end = (address or "").strip().lower(), (end or "").lower()
    if re.match(_MASKED, text):
        return "masked"
    if end in {"app", "websocket", "vbc", "sip"} and text:
        return "user" if end == "app" else end
    if text in _HIDDEN:
        return "anonymous"
    if re.match(_DIGITS, text):
        return "e164"
    if text.startswith(("sip:", "sips:")):
        return "sip"
    return "websocket" if text.startswith(("ws:", "wss:")) else "other"


def plain_expr(name: str) -> nw.Expr:
    """A column of texts as `kind_of` compares them: lower case, and empty for null."""
    return nw.col(name).fill_null("").str.strip_chars().str.to_lowercase()


def kind_of(text: nw.Expr, end: nw.Expr) -> CaseWhen:
    """The kind of an address from `plain_expr` texts; decides as `party` does."""
    filled = text != ""
    branches = [
        (text.str.contains(_MASKED), "masked"),
        ((end == "app") & filled, "user"),
        *((((end == kind) & filled), kind) for kind in ("websocket", "vbc", "sip")),
        (text.is_in(_HIDDEN), "anonymous"),
        (text.str.contains(_DIGITS), "e164"),
        (text.str.contains(r"^sips?:"), "sip"),
        (text.str.contains(r"^wss?:"), "websocket"),
    ]
    return CaseWhen(branches, "other")


# Consecutive questions are often about the same numbers, and the parser of numbers is slow.
@lru_cache(maxsize=65_536)
def country_of(number: str) -> tuple[str | None, str]:
    """The country of a number or masked token, and its source: ``number``, ``calling_code`` or ``none``."""
    digits, _, hidden = number.lstrip("+").partition("x")
    if hidden:
        return _main(digits if digits in CALLING else None, sure=False)
    parser = _parser()
    if parser is None:
        return _main(calling_code(digits), sure=False)
    try:
        parsed = parser.parse(f"+{digits}", None)
    except parser.NumberParseException:
        return None, "none"
    region = parser.region_code_for_number(parsed)
    return (region, "number") if region else _main(str(parsed.country_code), sure=True)


def _main(code: str | None, *, sure: bool) -> tuple[str | None, str]:
    """The main country of a calling code; for a shared code only if the number is complete."""
    if code is None or code not in CALLING or (code in SHARED and not sure):
        return None, "none"
    return CALLING[code], "calling_code"


@cache
def _parser() -> Any:
    try:
        import phonenumbers  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        return None
    return phonenumbers


def countries(addresses: Iterable[str], networks: Iterable[str] = ()) -> pd.DataFrame:
    """The countries of distinct addresses and networks, to be joined: each is looked up once.

    Returns
    -------
    pandas.DataFrame
        ``of`` (``address`` or ``network``), ``text``, ``country``, ``source``.
    """
    rows = [("address", address, *country_of(address.strip())) for address in addresses]
    rows += [("network", code, network_country(code), "network") for code in networks]
    return pd.DataFrame(rows, columns=["of", "text", "country", "source"]).astype("str")


def phonenumbers_version() -> str | None:
    """The version of the library that determines the countries of numbers; None where it is missing."""
    try:
        return metadata.version("phonenumbers")
    except metadata.PackageNotFoundError:
        return None


__all__ = ["KINDS", "Party", "countries", "country_of", "kind_of", "party", "phonenumbers_version", "plain_expr"]
