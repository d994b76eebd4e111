"""One spelling for numbers in maps and on legs: E.164 digits, whether written with +, 00 or spaces."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.errors import ConfigError
from conv_analytics.privacy.phones import digits_of

#: E.164 digits as the API writes them; most numbers are, and need nothing else.
E164 = "[1-9][0-9]{6,14}"
#: A number masked by `conv_analytics.privacy.Mask`: its calling code, x, hexadecimal digits.
MASKED = "[1-9][0-9]{0,2}x[0-9a-f]{6,}"
#: Long numbers as spreadsheets rewrite them.
_SCIENTIFIC = r"^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$"
_INTERNATIONAL = r"^(\+00|\+|00)"
_BETWEEN = r"[\s().\-/]"


def matches(texts: pa.Array, pattern: str) -> pa.Array:
    """Whether the whole of each text matches; not where it is null."""
    return pc.fill_null(pc.match_substring_regex(texts, f"^(?:{pattern})$"), False)  # noqa: FBT003


def spelled_alike(texts: pa.Array) -> pa.Array:
    """Each number as its digits, every other text without the spaces around it; "" becomes null.

    >>> spelled_alike(pa.array(["442079460000", "+44 20 7946 0000", "00442079460000", " sip:100@pbx ", ""])).to_pylist()
    ['442079460000', '442079460000', '442079460000', 'sip:100@pbx', None]
    """
    plain = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    digits = pc.replace_substring_regex(plain, _INTERNATIONAL, "")
    usual = matches(digits, E164)
    done = pc.if_else(usual, digits, plain)
    odd = pc.and_(pc.invert(usual), pc.invert(matches(plain, MASKED)))
    # The others have brackets, digits of another script, or are not numbers: there are few distinct ones.
    different = pc.unique(pc.drop_null(done.filter(odd)))
    if len(different):
        same = pa.array([digits_of(text) or text for text in different.to_pylist()], pa.string())
        places = pc.index_in(done, value_set=different)
        done = pc.if_else(pc.and_(odd, pc.is_valid(places)), same.take(places), done)
    return pc.if_else(pc.equal(done, ""), pa.scalar(None, pa.string()), done)


def prefixes_of(texts: pa.Array, what: str) -> pa.Array:
    """The digits of prefixes of international numbers; raises for anything else.

    >>> prefixes_of(pa.array(["44", "+44 20", "0049(30)"]), "Column 'prefix'").to_pylist()
    ['44', '4420', '4930']
    """
    check_not_scientific(texts, what)
    digits = pc.replace_substring_regex(pc.replace_substring_regex(texts, _BETWEEN, ""), _INTERNATIONAL, "")
    wrong = pc.invert(matches(digits, "[1-9][0-9]{0,14}"))
    if wrong.true_count:
        raise ConfigError(
            f"{what} has {examples(texts.filter(wrong))}: these are not prefixes of international numbers. Write the "
            "country's code first and digits only, such as 4420, +4420 or 004420."
        )
    return digits


def check_not_scientific(texts: pa.Array, what: str) -> None:
    """Raise if a spreadsheet rounded numbers to scientific notation."""
    rounded = pc.fill_null(pc.match_substring_regex(texts, _SCIENTIFIC), False)  # noqa: FBT003
    if rounded.true_count:
        raise ConfigError(
            f"{what} has {examples(texts.filter(rounded))}: a spreadsheet has rounded these numbers, and their digits "
            "are lost. Format the column as text there, enter the numbers again, and save the file once more."
        )


def examples(texts: pa.Array | Iterable[str]) -> str:
    """Up to three distinct texts, and how many there are."""
    different = list(dict.fromkeys(texts.to_pylist() if isinstance(texts, pa.Array) else texts))
    more = f" and {len(different) - 3:,} more" if len(different) > 3 else ""  # noqa: PLR2004
    return ", ".join(repr(text) for text in different[:3]) + more


__all__ = ["E164", "MASKED", "check_not_scientific", "examples", "matches", "prefixes_of", "spelled_alike"]
