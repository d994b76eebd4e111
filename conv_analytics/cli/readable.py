"""Numbers for people: percentages with intervals, no exponents, only significant digits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Columns that hold shares, 0..1.
_SHARES = frozenset({"rate", "rest_rate", "shrunk", "share", "rate0", "rate1", "share0", "share1", "baseline"})
_PROBABILITIES = frozenset({"p", "q", "smallest_q"})
_DIGITS = 4
#: Smaller probabilities are all the same to a reader.
_SMALLEST_P = 0.001
#: Marks a rate of few cases.
FEW = "*"


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose numbers are texts; a rate and its interval, ``lo`` and ``hi``, become one column.

    Other columns, their order and the order of rows stay as they are.

    >>> import pandas as pd
    >>> readable(pd.DataFrame({"k": [5], "n": [15], "rate": [1/3], "lo": [0.152], "hi": [0.583], "p": [7.17e-11]}))
       k   n                rate       p
    0  5  15  33.3 % (15.2-58.3)  <0.001
    """
    import pandas as pd

    columns = list(frame.columns)
    of_interval = next((name for name in ("rate", "value") if name in columns), None)
    if of_interval is None or not {"lo", "hi"} <= set(columns):
        of_interval = None
    result = frame.copy(deep=False)
    for position, name in enumerate(columns):
        column = frame.iloc[:, position]
        if name == of_interval:
            rows = zip(column, frame["lo"], frame["hi"], strict=True)
            shares = name in _SHARES
            result.isetitem(position, [_with_interval(*row, share=shares) for row in rows])
        elif column.dtype.kind == "f":
            result.isetitem(position, [number(value, str(name)) for value in column])
        elif column.dtype.kind == "b":
            result.isetitem(position, [_flag(value) for value in column])
        elif column.dtype.kind in "iu" and column.hasnans:
            result.isetitem(position, ["-" if value is pd.NA else str(value) for value in column])
    return result.drop(columns=["lo", "hi"]) if of_interval else result


def _flag(value: Any) -> str:
    """A flag as yes or no; unknown is neither."""
    # pandas' own null has no truth value.
    return "-" if value is None or str(value) == "<NA>" or value != value else "yes" if value else "no"  # noqa: PLR0124


def _with_interval(value: Any, lo: Any, hi: Any, *, share: bool) -> str:
    # A limit may be on a rate or on seconds: only rates have an interval.
    known = _is_number(lo) and _is_number(hi)
    if known and _is_number(value):
        return percentage(value, lo, hi)
    return number(value, "rate" if share else "")


def percentage(value: float, lo: float, hi: float) -> str:
    """A rate and its interval.

    >>> percentage(1/3, 0.198, 0.504), percentage(0.00031, 0.0001, 0.0009)
    ('33.3 % (19.8-50.4)', '0.031 % (0.010-0.090)')
    """
    digits = _decimals(max(value, hi))
    return f"{100 * value:.{digits}f} % ({100 * lo:.{digits}f}-{100 * hi:.{digits}f})"


def number(value: Any, name: str = "") -> str:
    """A number as text; the column's name decides whether it is a share or a probability.

    >>> number(7.17e-11, "q"), number(0.0415, "p"), number(0.05, "rest_rate"), number(12345.678), number(0.00012346)
    ('<0.001', '0.042', '5.0 %', '12,346', '0.0001235')
    """
    if not _is_number(value):
        return "-"
    if name in _PROBABILITIES:
        return f"<{_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.3f}"
    if name in _SHARES or name.endswith(("_rate", "_share")):
        return f"{100 * value:.{_decimals(value)}f} %"
    if math.isinf(value):
        return str(value)
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if whole >= _DIGITS:
        return f"{value:,.0f}"
    leading = -math.floor(math.log10(abs(value))) - 1 if 0 < abs(value) < 1 else 0
    text = f"{value:.{_DIGITS - whole + leading}f}"
    return text.rstrip("0").rstrip(".") or "0"


def metrics_in_columns(rates: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The rates of `kpi` with a row per group and a column per metric; rates of few cases are marked.

    >>> import pandas as pd
    >>> rates = pd.DataFrame({"country": ["GB", "GB"], "metric": ["asr", "ner"], "n": [173, 12], "rate": [0.855, 1.0],
    ...                       "lo": [0.795, 0.757], "hi": [0.9, 1.0], "enough": [True, False]})
    >>> metrics_in_columns(rates, ["country"])
      country                 asr                     ner
    0      GB  85.5 % (79.5-90.0)  100.0 % (75.7-100.0) *
    """
    import pandas as pd

    groups: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rates.to_dict("records"):
        cells = groups.setdefault(tuple(row[name] for name in by), {})
        cells[str(row["metric"])] = rate_of(row)
    metrics = list(dict.fromkeys(str(name) for name in rates["metric"]))
    rows = [[*keys, *(cells.get(name, "-") for name in metrics)] for keys, cells in groups.items()]
    return pd.DataFrame(rows, columns=[*by, *metrics])


def rate_of(row: dict[Any, Any]) -> str:
    """A rate of `kpi`, marked when there are few cases."""
    if not _is_number(row["rate"]):
        return "-"
    return percentage(row["rate"], row["lo"], row["hi"]) + ("" if row["enough"] else f" {FEW}")


def _decimals(share: float) -> int:
    """Decimals that show two digits of a percentage, at least one."""
    return 1 if share >= 0.001 or share <= 0 else min(1 - math.floor(math.log10(100 * share)), 6)  # noqa: PLR2004


def _is_number(value: Any) -> bool:
    try:
        return not math.isnan(value)
    except TypeError:
        return False


__all__ = ["FEW", "metrics_in_columns", "number", "percentage", "rate_of", "readable"]
