"""The longest prefix of many numbers at once: one sorted search per length of prefix, no loop over numbers.

>>> index = PrefixIndex(pa.array(["44", "4420", "49"]))
>>> index.places(pa.array(["442079460000", "447700900000", "33140205050", "49x3f9a0c", "44x3f9a0c"])).tolist()
[1, 0, -1, 2, -2]
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.dimensions.numbers import E164, MASKED, matches

Ints = npt.NDArray[np.int64]

#: No prefix matches; or, for a masked number, several might, because only its calling code is known.
NO_ROW, UNDECIDED = -1, -2
#: Digits of the longest number.
_DIGITS = 15


class PrefixIndex:
    """Distinct prefixes, each with its position in the array."""

    def __init__(self, prefixes: pa.Array) -> None:
        padded, lengths = _padded(prefixes), _lengths(prefixes)
        self._texts = sorted(prefixes.to_pylist())
        self._place_of = {text: place for place, text in enumerate(prefixes.to_pylist())}
        self._by_length: list[tuple[int, Ints, Ints]] = []
        for length in sorted(set(lengths.tolist()), reverse=True):
            rows = np.flatnonzero(lengths == length)
            heads = padded[rows] // 10 ** (_DIGITS - length)
            order = np.argsort(heads, kind="stable")
            self._by_length.append((length, heads[order], rows[order]))

    @property
    def longest(self) -> int:
        """Number of digits of the longest prefix; later digits of a number do not matter."""
        return self._by_length[0][0] if self._by_length else 0

    def places(self, numbers: pa.Array) -> Ints:
        """Per number or masked number the position of its longest prefix, else `NO_ROW` or `UNDECIDED`."""
        places = np.full(len(numbers), NO_ROW, dtype=np.int64)
        rows = np.flatnonzero(matches(numbers, E164))
        if len(rows):
            places[rows] = self._of_digits(numbers.take(pa.array(rows)))
        rows = np.flatnonzero(matches(numbers, MASKED))
        if len(rows):
            codes = pc.replace_substring_regex(numbers.take(pa.array(rows)), "x.*", "").dictionary_encode()
            of_code = np.array([self._of_calling_code(code) for code in codes.dictionary.to_pylist()], dtype=np.int64)
            places[rows] = of_code[codes.indices.to_numpy()]
        return places

    def of_heads(self, heads: pa.Array) -> Ints:
        """The same for numbers cut to `longest` digits; shorter ones are allowed."""
        return self._of_digits(heads)

    def _of_digits(self, digits: pa.Array) -> Ints:
        padded, lengths = _padded(digits), _lengths(digits)
        places = np.full(len(digits), NO_ROW, dtype=np.int64)
        for length, heads, rows in self._by_length:
            unmatched = np.flatnonzero((places == NO_ROW) & (lengths >= length))
            head = padded[unmatched] // 10 ** (_DIGITS - length)
            at = np.minimum(np.searchsorted(heads, head), len(heads) - 1)
            equal = heads[at] == head
            places[unmatched[equal]] = rows[at[equal]]
        return places

    def _of_calling_code(self, code: str) -> int:
        """The position for all numbers of a calling code, if they share one."""
        after = bisect_left(self._texts, f"{code}0")
        if after < len(self._texts) and self._texts[after].startswith(code):
            return UNDECIDED
        return next((self._place_of[code[:end]] for end in range(len(code), 0, -1) if code[:end] in self._place_of), -1)


def _padded(digits: pa.Array) -> Ints:
    filled: Ints = pc.utf8_rpad(digits, _DIGITS, "0").cast(pa.int64()).to_numpy(zero_copy_only=False)
    return filled


def _lengths(digits: pa.Array) -> Any:
    return pc.utf8_length(digits).to_numpy(zero_copy_only=False)


__all__ = ["NO_ROW", "UNDECIDED", "PrefixIndex"]
