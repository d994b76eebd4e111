"""A search index of a text column: each distinct text is searched once, whatever its case and its composition."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.notebook.explorer.facet import Rows
from conv_analytics.privacy.phones import digits_of

#: What is around the user of a URI.
_AROUND = re.compile(r"^\s*<?(?:sips?|tel):|[@;?].*$", re.IGNORECASE | re.DOTALL)


def fold(text: str) -> str:
    r"""A text in the form in which texts are compared: without case, letters and their accents composed.

    The Turkish dotted capital I is compared like any other I.

    >>> fold("Stra\u00dfe"), fold("Jose\u0301") == fold("JOS\u00c9"), fold("\u0130zmir")
    ('strasse', True, 'izmir')
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold().replace("i\u0307", "i"))


def number_in(text: str) -> str | None:
    """The digits of a number, or of a URI of one; None of another text.

    >>> number_in("+44 7700 900123"), number_in("tel:+44-7700-900123"), number_in("Bob")
    ('447700900123', '447700900123', None)
    """
    # Most numbers are in the API's spelling.
    if text.isascii() and text.isdecimal() and text[0] != "0":
        return text
    return digits_of(_AROUND.sub("", text))


class SearchIndex:
    """The displayed texts of a column, as `fold` compares them.

    Parameters
    ----------
    column
        Texts, numbers or nulls.
    display
        Formats its distinct values; they are shown unchanged when absent. Other spellings by which a value is found
        may follow, each on a line.

    Examples
    --------
    >>> words = SearchIndex(pd.Series(["447700900123", None, "Anonymous"], dtype="str"))
    >>> words.containing("anon").tolist(), words.containing("0012").tolist()
    ([False, False, True], [True, False, False])
    """

    def __init__(self, column: pd.Series, display: Callable[[Iterable[str]], list[str]] | None = None) -> None:
        self._places, values = pd.factorize(column.astype("str"))
        texts = values if display is None else display(values.tolist())
        self._texts = pa.array(list(map(fold, texts)), type=pa.large_string())

    def containing(self, part: str) -> Rows:
        """The rows whose text contains a part."""
        hits = pc.match_substring(self._texts, fold(part)).to_numpy(zero_copy_only=False)
        # A null has the position -1: the last.
        rows: Rows = np.append(hits, False)[self._places].astype(bool)
        return rows


__all__ = ["SearchIndex", "fold", "number_in"]
