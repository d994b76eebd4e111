"""The explorer: a widget that shows calls and answers the reader's requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pandas as pd
import traitlets

from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook.explorer import browser_state
from conv_analytics.notebook.explorer.calls import cached_calls
from conv_analytics.notebook.explorer.filters import Filters
from conv_analytics.notebook.explorer.folder import dataset_in
from conv_analytics.notebook.explorer.open_timeline import OpenTimeline
from conv_analytics.notebook.explorer.page import fragment, style
from conv_analytics.notebook.explorer.panel import ExportPanel
from conv_analytics.notebook.explorer.request_widget import RequestWidget, reason_of
from conv_analytics.notebook.explorer.summary import summary
from conv_analytics.notebook.explorer.view import View
from conv_analytics.notebook.html import module
from conv_analytics.notebook.timeline.page import PARTS
from conv_analytics.notebook.timeline.page import style as timeline_style
from conv_analytics.notebook.timeline.timeline import show_timeline


class Explorer(RequestWidget):
    """Browses calls; made by `explore`. One widget: the panel of an export, the calls, and the timeline of one.

    Attributes
    ----------
    panel
        The panel of the export; None without a client.
    headings, filtering, table, selection, conversation, export, error
        The state of the browser, masked; each part is sent when it changes. ``selection["count"]`` is the number of
        selected calls.
    picked
        Written by the browser: the selection in the timeline.
    """

    _esm = module(
        *PARTS, *(f"explorer/{name}.js" for name in ("widget", "explorer", "open_timeline", "panel", "explorer_widget"))
    )
    _css = f"{style()}{timeline_style()}"
    headings = traitlets.Dict(browser_state.HEADINGS).tag(sync=True)
    filtering = traitlets.Dict().tag(sync=True)
    table = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    conversation = traitlets.Dict().tag(sync=True)
    export = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    picked = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(
        self, data: Any, *, tz: str, mask: bool, profile: str | Profile, panel: ExportPanel | None = None
    ) -> None:
        self._tz, self._mask, self._profile = tz, mask, profile
        self._opened: int | None = None
        # Requests name calls by their positions, and another thread may read other data while they are under way.
        self._generation = 0
        self._timeline: OpenTimeline | None = None
        self._read(data)
        self.panel = panel
        state = {"filtering": browser_state.filtering(self._view), "table": self._table(),
                 "selection": browser_state.selection(self._view, None)}  # fmt: skip
        # An export reports from its own thread, while the browser may send a request: one lock for both.
        super().__init__(self._answer, self._fragment, None if panel is None else panel.lock, **state)
        if panel is not None:
            self.export = panel.view_state
            panel.observe(lambda change: self.set_trait("export", change.new), "view_state")
            panel.ends.append(self._on_export)

    @property
    def widget(self) -> Self:
        """The explorer itself."""
        return self

    def _read(self, data: Any, filters: Filters | None = None) -> None:
        frame, verdicts = cached_calls(data, profile_of(self._profile))
        self._view = View(frame, tz=self._tz, mask=self._mask, filters=filters)
        self._data, self._verdicts = data, verdicts

    @property
    def filters(self) -> Filters:
        """The filters; can be set.

        Examples
        --------
        >>> from conv_analytics import explore
        >>> x = explore({})
        >>> x.filters = Filters(since="2026-05-04", verdicts=["poor", "fair"])
        >>> print(x.filters)
        since 2026-05-04; verdicts: poor, fair
        """
        return self._view.filters

    @filters.setter
    def filters(self, filters: Filters) -> None:
        with self._lock, self.hold_sync():
            self._view.filters = filters
            self.error = ""
            self._show_calls()

    def filter(self, **changes: Any) -> Self:
        """Change some of the `Filters` and keep the others.

        Examples
        --------
        >>> from conv_analytics import explore
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
    def timeline(self) -> OpenTimeline | None:
        """The open timeline: its ``selected`` is the frame of the events selected in it; None before one is opened."""
        return self._timeline

    def select(self, conversation_ids: str | list[str]) -> Self:
        """Select the calls of some conversations; of a single one, the timeline is opened.

        Raises
        ------
        ConfigError
            If the data has no call of one of them.
        """
        filters = [conversation_ids] if isinstance(conversation_ids, str) else list(conversation_ids)
        ids = self._view.frame["conversation_id"]
        for conversation_id in filters:
            if not bool((ids == conversation_id).any()):
                raise ConfigError(f"There is no call of the conversation {conversation_id!r}.")
        places = [place for place, selected in enumerate(ids.isin(filters)) if selected]
        with self._lock, self.hold_sync():
            self._view.choose(places)
            if len(filters) == 1:
                self._open(places[0])
            self._show_selection()
        return self

    def reload(self, data: Any) -> None:
        """Show other data with the same filters, such as a folder after an export; its calls stay selected."""
        with self._lock, self.hold_sync():
            before, opened = self._view, [] if self._opened is None else [self._opened]
            self._read(data, before.filters)
            self._generation += 1
            self._view.typed = before.typed
            self._view.order(before.sort, descending=before.descending)
            self._view.choose(self._view.same_calls(before, before.chosen))
            self._opened = next(iter(self._view.same_calls(before, opened)), None)
            self._show_calls()

    def _on_export(self, folder: Path) -> None:
        """Show the data that an export has written; called in its thread."""
        try:
            self.reload(dataset_in(folder, self.panel and self.panel.work))
        except Exception as error:  # noqa: BLE001  nobody waits for this thread
            self.error = self._view.display.text(reason_of(error))
        self._output.update()

    def _answer(self, request: dict[str, Any]) -> None:
        """Handle a request; if it is impossible, show why, and change nothing."""
        if request.get("to") == "export":
            if self.panel is not None:
                self.panel.do(request)
            return
        self.error = ""
        try:
            self._change(request)
        except Exception as error:  # noqa: BLE001  nobody would see it
            self.error = self._view.display.text(reason_of(error))
        self._show_selection()

    def _change(self, request: dict[str, Any]) -> None:
        view, to_open = self._view, request.get("open")
        of_calls = request["do"] in {"all", "toggle", "choose"} or to_open is not None
        if of_calls and request.get("generation", self._generation) != self._generation:
            raise ConfigError("The calls have just been read again: select or open them once more.")
        if to_open is not None and not 0 <= int(to_open) < len(view.frame):
            raise ConfigError("There is no such call.")
        match request["do"]:
            case "filter":
                view.filters = Filters.of(request["filters"])
                view.typed = view.filters.text
                self.filtering, self.table = browser_state.filtering(view), self._table()
            case "sort":
                view.order(request["column"], descending=bool(request["descending"]))
                self.table = self._table()
            case "turn":
                view.go_to(int(request["first"]))
                self.table = self._table()
            case "all":
                view.choose(view.places.tolist())
            case "toggle":
                self._toggle(int(request["place"]))
            case "choose":
                view.choose(map(int, request["places"]))
        if to_open is not None:
            self._open(int(to_open))

    def _toggle(self, place: int) -> None:
        chosen = self._view.chosen
        self._view.choose([each for each in chosen if each != place] if place in chosen else [*chosen, place])

    def _open(self, place: int) -> None:
        conversation_id = str(self._view.frame["conversation_id"].iloc[place])
        self._opened = place
        self.picked = {}
        try:
            drawn = show_timeline(self._data, conversation_id, tz=self._tz, mask=self._mask, quality=self._verdicts)
        except Exception as error:  # noqa: BLE001  as above
            self.conversation = {"error": self._view.display.text(reason_of(error))}
            return
        if self._timeline is None:
            self._timeline = OpenTimeline(drawn)
        else:
            self._timeline.show(drawn)
        self.conversation = self._timeline.drawn()

    @traitlets.observe("picked")
    def _on_picked(self, change: Any) -> None:
        """Store the selection in the timeline, unless another one has been opened meanwhile."""
        with self._lock:
            if self._timeline is not None and change.new.get("id") == self.conversation.get("id"):
                self._timeline.rows = [int(row) for row in change.new["rows"]]

    def _show_calls(self) -> None:
        self.filtering, self.table = browser_state.filtering(self._view), self._table()
        self._show_selection()

    def _table(self) -> dict[str, Any]:
        return browser_state.table(self._view, self._generation)

    def _show_selection(self) -> None:
        self.selection = browser_state.selection(self._view, self._opened)

    def _fragment(self) -> str:
        above = "" if self.panel is None else self.panel.html()
        return above + fragment(self._view)

    @safe_repr
    def __repr__(self) -> str:
        return f"<Explorer: {summary(self._view)}>"


__all__ = ["Explorer"]
