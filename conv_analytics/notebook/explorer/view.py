"""The state of the explorer without its widget: calls, filters, order, page and selection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.errors import ConfigError
from conv_analytics.glossary import term
from conv_analytics.notebook.clock import on_clock_column
from conv_analytics.notebook.explorer.facet import Facet, Rows
from conv_analytics.notebook.explorer.filters import KNOWN, LISTS, NONE, Filters, require_known
from conv_analytics.notebook.explorer.search_index import SearchIndex, number_in
from conv_analytics.notebook.html import clean
from conv_analytics.notebook.palette import QUALITY
from conv_analytics.notebook.report.period import period_of
from conv_analytics.notebook.timeline.axis import duration
from conv_analytics.privacy.display import Display
from conv_analytics.privacy.safe_patterns import API_ID, UUID
from conv_analytics.time_zones import on_clock, zone_info

#: Rows of a page: what is sent to the browser at once.
PAGE = 100
#: The columns of calls that are shown, and their headings.
COLUMNS = {
    "started_at": "started",
    "direction": "direction",
    "from_address": "from",
    "to_address": "to",
    "country": "country",
    "network_code": "network",
    "outcome": "outcome",
    "talk_s": "talk time",
    "verdict": "audio",
    "rule": "why",
    "conversation_id": "conversation",
}
#: Tooltips of headings.
TOOLTIPS = {
    "outcome": "what became of the call; `explain` tells what its SIP code means",
    "talk_s": term("talk").tooltip,
    "verdict": "the verdict on the leg with the worst audio: good, fair, poor or unmeasured",
    "rule": "the rule of the profile that decided the verdict, or what was missing to judge it",
}
NOT_ANSWERED = "not answered"
#: The classes of calls in numbers and pictures: answered ones by their verdict, and the others.
CLASSES = (*QUALITY, NOT_ANSWERED)
_PEOPLE = ("from_address", "to_address")
_SEARCHED = ("conversation_id", "worst_leg_id", "network_code", "country", "outcome", "sip_code", "rule")
#: Words of ours with underscores, which are shown with spaces.
_OF_WORDS = frozenset({"outcome", "rule"})
#: Ids by UUIDs, which identify nobody, and ids that number parts of such.
_UUID_ID = re.compile(rf"(?:{API_ID.pattern}|{UUID.pattern})(?:-[0-9]{{1,6}})?")
Places = npt.NDArray[np.intp]


class View:
    """The calls that pass the filters, sorted, one page at a time.

    Parameters
    ----------
    frame
        Calls as `judged_calls` returns them.
    tz
        IANA name of the time zone.
    mask
        False shows numbers and names unmasked.
    filters
        The first filters, which may be those of a view of other data.

    Attributes
    ----------
    chosen
        Positions in `frame` of the selected calls, in the order they were selected.
    typed
        The text to search for that was typed in the browser last.
    """

    def __init__(
        self, frame: pd.DataFrame, *, tz: str = "UTC", mask: bool = True, filters: Filters | None = None
    ) -> None:
        self.frame, self.tz, self._zone = frame.reset_index(drop=True), tz, zone_info(tz)
        self.display = Display(on=mask)
        self.chosen: list[int] = []
        self.typed = ""
        self.sort, self.descending, self.first = "started_at", True, 0
        self._facets = {name: Facet(self._masked_column(column)) for name, column in LISTS.items()}
        self._ranks: dict[str, Places] = {}
        self._filters = filters or Filters()
        self._apply()

    @property
    def filters(self) -> Filters:
        """The filters; setting them shows the first page of the calls that pass."""
        return self._filters

    @filters.setter
    def filters(self, filters: Filters) -> None:
        period_of(filters.since, filters.until, self.tz)
        for name, facet in self._facets.items():
            # A value that is set already stays allowed: other data may have been read since.
            known = dict.fromkeys((*KNOWN.get(name, ()), *facet.texts, *self._chosen(name)))
            for value, shown in zip(filters.listed(name), self._chosen(name, filters), strict=True):
                if name in KNOWN and shown not in known:
                    require_known(name, value, known)
        self._filters, self.first = filters, 0
        self._apply()

    @property
    def shown_filters(self) -> Filters:
        """The filters as the browser gets them, masked like the calls: they still pass the same calls."""
        lists: dict[str, Any] = {name: tuple(self._chosen(name)) for name in LISTS}
        return replace(self._filters, **lists, text=self._shown_text(self._filters.text))

    @property
    def calls(self) -> pd.DataFrame:
        """The calls that pass the filters, sorted."""
        return self.frame.iloc[self.places]

    @property
    def selected(self) -> pd.DataFrame:
        """The selected calls, whether they pass the filters or not."""
        return self.frame.iloc[self.chosen]

    def order(self, column: str, *, descending: bool) -> None:
        """Sort by a column; missing values come last."""
        if column not in COLUMNS:
            raise ConfigError(f"{column!r} is not a column: use one of {', '.join(COLUMNS)}.")
        self.sort, self.descending, self.first = column, descending, 0
        self._sort_places()

    def go_to(self, first: int) -> None:
        """Show the page with this row, counted from 0."""
        last = max(len(self.places) - 1, 0)
        self.first = min(max(first, 0), last) // PAGE * PAGE

    def choose(self, places: Iterable[int]) -> None:
        """Select calls by their positions in `frame`."""
        self.chosen = [place for place in dict.fromkeys(places) if 0 <= place < len(self.frame)]

    def same_calls(self, other: View, places: Iterable[int]) -> list[int]:
        """The positions of calls of another view, those that are here, in the same order."""
        wanted, keys = other.keys.iloc[list(places)], self.keys
        found = np.flatnonzero(keys.isin(wanted))
        by_key = dict(zip(keys.iloc[found], found.tolist(), strict=True))
        return [by_key[key] for key in wanted if key in by_key]

    @cached_property
    def keys(self) -> pd.Series:
        """What a call of `frame` is known by in other data: its conversation and number or, without one, its leg."""
        ids = self.frame["conversation_id"].astype("str").fillna("")
        number = self.frame["call"].astype("str").where(ids != "", self.frame["worst_leg_id"].astype("str").fillna(""))
        return ids + "\n" + number

    def page(self) -> Iterator[tuple[int, list[str]]]:
        """The rows of the page: position in `frame`, and the texts of `COLUMNS`, masked."""
        places = self.places[self.first : self.first + PAGE]
        rows = self.frame[list(COLUMNS)].iloc[places]
        texts = [[self._cell(name, value) for value in rows[name].array] for name in COLUMNS]
        yield from zip(map(int, places), map(list, zip(*texts, strict=True)), strict=True)

    def options(self) -> dict[str, dict[str, int]]:
        """The values of each list filter, with the number of calls shown if only that filter changed."""
        options = {}
        for name, facet in self._facets.items():
            others = self._period & self._text
            for other, rows in self._lists.items():
                if other != name:
                    others = others & rows
            counts = facet.counts(others)
            filters = self._chosen(name)
            options[name] = {**counts, **{value: 0 for value in filters if value not in counts}}
        return options

    def _cell(self, name: str, value: Any) -> str:
        if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124 - NaN
            return ""
        if name == "started_at":
            return on_clock(value.to_pydatetime(), self._zone).replace(tzinfo=None).isoformat(" ", "seconds")
        if name == "talk_s":
            return duration(round(value * 1_000_000))
        text = self._shown(name, str(value))
        return text.replace("_", " ") if name in _OF_WORDS else text

    def _shown(self, name: str, value: str) -> str:
        """A value as it is shown, masked; of `_OF_WORDS` with underscores."""
        # The display shows such ids as they are, too, but it takes longer, and half of the searched values are some.
        if _UUID_ID.fullmatch(value):
            return value
        return _clean(self.display.column(name, value))

    def _masked_column(self, name: str) -> pd.Series:
        """A column as it is shown, masked."""
        column = self.frame[name].astype("str")
        return column.map({value: self.display.column(name, value) for value in column.dropna().unique()}).astype("str")

    def _chosen(self, name: str, filters: Filters | None = None) -> list[str]:
        """The chosen values of a list, as they are shown."""
        values = (self._filters if filters is None else filters).listed(name)
        return [each if each == NONE else self.display.column(LISTS[name], each) or NONE for each in values]

    @cached_property
    def kinds(self) -> npt.NDArray[np.int8]:
        """The index in `CLASSES` of each call of `frame`."""
        up = (self.frame["outcome"] == "answered").fillna(value=False)
        named = self.frame["verdict"].where(up, NOT_ANSWERED)
        return np.asarray(pd.Categorical(named, categories=CLASSES).codes, dtype=np.int8)

    @cached_property
    def clock(self) -> pd.Series:
        """When each call of `frame` started, on the clock of the zone."""
        return on_clock_column(self.frame["started_at"], self._zone)

    def _apply(self) -> None:
        filters = self._filters
        self._period = self._within(filters)
        self._text = self._matching(filters.text)
        self._lists = {name: facet.rows_with(self._chosen(name)) for name, facet in self._facets.items()}
        self._passed = np.logical_and.reduce([self._period, self._text, *self._lists.values()])
        self._sort_places()

    def _sort_places(self) -> None:
        if self.sort not in self._ranks:
            codes, _ = pd.factorize(self.frame[self.sort], sort=True)
            self._ranks[self.sort] = codes
        places = np.flatnonzero(self._passed)
        ranks = self._ranks[self.sort][places]
        unknown = ranks < 0
        by = np.argsort(np.where(unknown, len(self.frame), -ranks if self.descending else ranks), kind="stable")
        self.places: Places = places[by]

    def _within(self, filters: Filters) -> Rows:
        at = self.frame["started_at"]
        rows = np.ones(len(at), dtype=bool)
        period = period_of(filters.since, filters.until, self.tz)
        if period.since is not None:
            rows &= (at >= period.since).to_numpy(dtype=bool)
        if period.until is not None:
            rows &= (at < period.until).to_numpy(dtype=bool)
        return rows

    def _matching(self, text: str) -> Rows:
        self._found: dict[str, bool] = {}
        rows = np.zeros(len(self.frame), dtype=bool)
        for form in self._forms(text.strip()):
            found: Rows = np.logical_or.reduce([index.containing(form) for index in self._indexes])
            self._found[form] = bool(found.any())
            rows |= found
        return rows if self._found else ~rows

    def _forms(self, text: str) -> list[str]:
        """What is searched for: the text; and for a whole number or name its masked form, or its digits."""
        if not text:
            return []
        # A part of a text matches only as displayed.
        spelled = (text, self.display.party(text.lstrip("+") or text), None if self.display.on else number_in(text))
        return list(dict.fromkeys(clean(form) for form in spelled if form))

    def _shown_text(self, text: str) -> str:
        """The searched text as the browser may have it: unmasked only if it has it anyway."""
        forms = self._forms(text.strip())
        if not self.display.on or not forms or self._found[forms[0]]:
            return text
        if self._found[forms[-1]] or text != self.typed:
            return forms[-1]
        return self.display.text(text)

    @cached_property
    def _indexes(self) -> list[SearchIndex]:
        """The searched columns, indexed on the first search."""
        return [SearchIndex(self.frame[name], partial(self._spellings, name)) for name in (*_SEARCHED, *_PEOPLE)]

    def _spellings(self, name: str, values: Iterable[str]) -> list[str]:
        """The texts by which values of a column are found: as they are shown, and in other spellings."""
        if name in _PEOPLE:
            people = list(map(_clean, self.display.parties(values)))
            if self.display.on:
                return people
            digits = map(number_in, people)
            return [
                text if found in {None, text} else f"{text}\n{found}"
                for text, found in zip(people, digits, strict=True)
            ]
        shown = [self._shown(name, value) for value in values]
        return [f"{text}\n{text.replace('_', ' ')}" for text in shown] if name in _OF_WORDS else shown


def _clean(text: str) -> str:
    return text if text.isascii() and text.isprintable() else clean(text)


__all__ = ["CLASSES", "COLUMNS", "NONE", "NOT_ANSWERED", "PAGE", "TOOLTIPS", "View"]
