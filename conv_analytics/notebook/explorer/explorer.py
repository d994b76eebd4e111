"""`explore`: browse the calls of a dataset in a notebook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import anywidget
import ipywidgets
import pandas as pd
import traitlets

from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.dataset import open_dataset
from conv_analytics.errors import ConfigError, ConvAnalyticsError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook.explorer.calls import kept_calls
from conv_analytics.notebook.explorer.filters import Filters
from conv_analytics.notebook.explorer.page import fragment, style
from conv_analytics.notebook.explorer.panel import ExportPanel, export_panel
from conv_analytics.notebook.explorer.summary import bins, summary
from conv_analytics.notebook.explorer.updatable_output import UpdatableOutput
from conv_analytics.notebook.explorer.view import CLASSES, COLUMNS, PAGE, TOOLTIPS, View
from conv_analytics.notebook.html import escape, module
from conv_analytics.notebook.timeline.timeline import show_timeline
from conv_analytics.notebook.timeline.widget import TimelineWidget

_WORST_FIRST = [verdict.value for verdict in Verdict]


def explore(
    data: Data | None = None,
    *,
    tz: str = "UTC",
    mask: bool = True,
    profile: str | Profile = "recommended",
    client: Conversations | AsyncConversations | None = None,
    panel: ExportPanel | None = None,
) -> Explorer:
    """Browse calls: filter them, select some, open the timeline of one; and export them first if need be.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame; when absent the dataset in the panel's folder.
    tz
        IANA name of the time zone that is shown, and of the days that calls are filtered by.
    mask
        False shows numbers, names and texts as they are, and says UNMASKED. Otherwise they reach neither the browser
        nor the saved notebook.
    profile
        The rulebook of the verdicts on audio.
    client
        Adds a panel above that exports this client's application to the dataset's folder (``exports`` without one);
        after each run, what is in the folder is shown.
    panel
        The same with a panel that you configure: ``explore(panel=export_panel(client, "exports", rate=30))``.

    Returns
    -------
    Explorer
        Shows itself in a notebook. Its ``calls``, ``selected``, ``filters`` and ``timeline`` follow what is done
        there, and setting the filters changes what is shown.

    Raises
    ------
    ConfigError
        If the zone or the profile is unknown.

    Examples
    --------
    >>> at = pd.to_datetime(["2026-05-04 09:00", "2026-05-04 10:00"], utc=True)
    >>> hangups = pd.DataFrame({
    ...     "conversation_id": ["CON-1", "CON-2"], "event_id": [7, 9], "leg_id": ["a", "b"], "at": at,
    ...     "direction": "outbound", "to_number": ["447700900001", "447700900002"], "sip_code": [486, 480],
    ... })
    >>> x = explore({"hangups": hangups})
    >>> x
    <Explorer: 2 calls; 0 (0.0%) answered; 0 with poor audio, of 0 measured; \
0 of the answered calls unmeasured; people masked>
    >>> x.filter(outcomes="busy").calls["conversation_id"].to_list()
    ['CON-1']
    >>> x.filters
    Filters(since=None, until=None, networks=(), countries=(), directions=(), outcomes=('busy',), verdicts=(), text='')
    """
    zone_info(tz)
    if client is not None:
        if panel is not None:
            raise ConfigError("Give a client or a panel: a panel has its client.")
        panel = export_panel(client, getattr(data, "path", "exports"), tz=tz)
    if data is None:
        data = {} if panel is None else _dataset(Path(panel.fields.folder))
    return Explorer(data, tz=tz, mask=mask, profile=profile, panel=panel)


class Explorer:
    """Browses calls; made by `explore`.

    Attributes
    ----------
    widget
        What is shown: a table of calls with its filters, and below it a timeline.
    panel
        The panel of the export; None without a client.
    """

    def __init__(
        self, data: Any, *, tz: str, mask: bool, profile: str | Profile, panel: ExportPanel | None = None
    ) -> None:
        self._tz, self._mask, self._profile = tz, mask, profile
        self._error = ""
        # A front end may handle messages of the browser in another thread than the cells.
        self._lock = threading.RLock()
        self._opened: int | None = None
        self._timeline: TimelineWidget | None = None
        self._below = ipywidgets.VBox()
        self._read(data)
        self._table = CallTable(self._on_message, shown=self._state())
        self._output = UpdatableOutput(self._repr_mimebundle_)
        self.panel = panel
        above = []
        if panel is not None:
            panel.ends.append(self._on_export)
            above = [panel.widget]
        self.widget = ipywidgets.VBox([*above, self._table, self._below])

    def _read(self, data: Any) -> None:
        self._data = data
        frame, self._verdicts = kept_calls(data, profile_of(self._profile))
        self._view = View(frame, tz=self._tz, mask=self._mask)

    @property
    def filters(self) -> Filters:
        """The filters; can be set.

        Examples
        --------
        >>> x = explore({})
        >>> x.filters = Filters(since="2026-05-04", verdicts=["poor", "fair"])
        >>> print(x.filters)
        since 2026-05-04; verdicts: poor, fair
        """
        return self._view.filters

    @filters.setter
    def filters(self, wanted: Filters) -> None:
        with self._lock:
            self._view.filters = wanted
            self._error = ""
            self._show()

    def filter(self, **changes: Any) -> Self:
        """Change some of the `Filters` and keep the others.

        Examples
        --------
        >>> x = explore({}).filter(outcomes="busy").filter(countries=["GB", "IE"])
        >>> print(x.filters)
        countries: GB, IE; outcomes: busy
        """
        self.filters = replace(self.filters, **changes)
        return self

    @property
    def calls(self) -> pd.DataFrame:
        """The calls that pass the filters, in the order shown, with the columns of `judged_calls`; not masked."""
        return self._view.calls

    @property
    def selected(self) -> pd.DataFrame:
        """The selected calls, whether they pass the filters or not; not masked."""
        return self._view.selected

    @property
    def timeline(self) -> TimelineWidget | None:
        """The open timeline: its ``selected`` is the frame of the events selected in it."""
        return self._timeline

    def select(self, conversation_ids: str | list[str]) -> Self:
        """Select the calls of some conversations; of a single one, the timeline is opened.

        Raises
        ------
        ConfigError
            If the data has no call of one of them.
        """
        wanted = [conversation_ids] if isinstance(conversation_ids, str) else list(conversation_ids)
        ids = self._view.frame["conversation_id"]
        for conversation_id in wanted:
            if not bool((ids == conversation_id).any()):
                raise ConfigError(f"There is no call of the conversation {conversation_id!r}.")
        places = [place for place, selected in enumerate(ids.isin(wanted)) if selected]
        with self._lock:
            self._view.choose(places)
            if len(wanted) == 1:
                self._open(places[0])
            self._show()
        return self

    def reload(self, data: Any) -> None:
        """Show other data with the same filters, such as a folder after an export."""
        with self._lock:
            filters, sort, descending = self._view.filters, self._view.sort, self._view.descending
            self._read(data)
            self._view.filters = filters
            self._view.order(sort, descending=descending)
            self._opened = None
            self._show()

    def _on_export(self, folder: Path) -> None:
        """Show what an export has written; called in its thread."""
        try:
            self.reload(_dataset(folder))
        except ConvAnalyticsError as error:
            self._error = self._view.display.text(str(error))
            self._show()
        self._output.update()

    def _on_message(self, message: Any) -> None:
        """Do what the reader asks for; if that is impossible, show why, and change nothing."""
        with self._lock:
            self._error = ""
            try:
                self._do(message)
            except ConvAnalyticsError as error:
                self._error = self._view.display.text(str(error))
            self._show()

    def _do(self, message: Any) -> None:
        view = self._view
        match message["do"]:
            case "filter":
                view.filters = Filters.of(message["filters"])
            case "sort":
                view.order(message["column"], descending=bool(message["descending"]))
            case "turn":
                view.turn(int(message["first"]))
            case "all":
                view.choose(view.places.tolist())
            case "toggle":
                self._toggle(int(message["place"]))
            case "choose":
                view.choose(map(int, message["places"]))
                if message.get("open") is not None:
                    self._open(int(message["open"]))

    def _toggle(self, place: int) -> None:
        chosen = self._view.chosen
        self._view.choose([each for each in chosen if each != place] if place in chosen else [*chosen, place])

    def _open(self, place: int) -> None:
        conversation_id = str(self._view.frame["conversation_id"].iloc[place])
        self._opened = place
        try:
            drawn = show_timeline(self._data, conversation_id, tz=self._tz, mask=self._mask, quality=self._verdicts)
        except ConvAnalyticsError as error:
            self._below.children = [ipywidgets.HTML(f"<p>{escape(self._view.display.text(str(error)))}</p>")]
            return
        if self._timeline is None:
            self._timeline = drawn.widget()
        else:
            self._timeline.show(drawn)
        self._below.children = [self._timeline]

    def _state(self) -> str:
        view, numbers = self._view, summary(self._view)
        page = list(view.page())
        chosen = set(view.chosen)
        return json.dumps({
            "columns": [(name, shown, TOOLTIPS.get(name, "")) for name, shown in COLUMNS.items()],
            "rows": page, "first": view.first, "page": PAGE,
            "matching": len(view.places), "total": len(view.frame), "sort": view.sort, "descending": view.descending,
            "filters": view.filters.plain(), "options": view.options(), "verdicts": _WORST_FIRST, "kinds": CLASSES,
            "numbers": numbers.parts(), "masked": numbers.masked, "error": self._error, "opened": self._opened,
            "selected": len(chosen), "chosen": [place for place, _ in page if place in chosen],
            "bins": [[each.at, each.counts] for each in bins(view)],
        })  # fmt: skip

    def _show(self) -> None:
        self._table.shown = self._state()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = self.widget._repr_mimebundle_(**options)
        above = "" if self.panel is None else self.panel.html()
        return {**bundle, "text/html": above + fragment(self._view), "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        self._output.show()

    @safe_repr
    def __repr__(self) -> str:
        return f"<Explorer: {summary(self._view)}>"


def _dataset(folder: Path) -> Any:
    """The dataset in a folder; no tables before the first export."""
    return open_dataset(folder) if any((folder / "_commits").glob("*.json")) else {}


def script() -> str:
    """The module that draws the table."""
    return module("dom.js", "explorer/widget.js", "explorer/explorer.js")


class CallTable(anywidget.AnyWidget):
    """The table of calls and its filters in the browser: it shows the state in `shown`, and sends messages."""

    _esm = script()
    _css = style()
    shown = traitlets.Unicode().tag(sync=True)

    def __init__(self, on_message: Callable[[Any], None], **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(lambda _widget, message, _buffers: on_message(message))


__all__ = ["CallTable", "Explorer", "explore", "script"]
