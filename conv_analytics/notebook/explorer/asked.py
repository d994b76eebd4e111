"""A widget that its browser asks to do things: what was asked, and what of it is done, are traits."""

from __future__ import annotations

import threading
from typing import Any

import anywidget
import traitlets

from conv_analytics.notebook.explorer.updatable_output import UpdatableOutput


class AskedWidget(anywidget.AnyWidget):
    """A widget whose browser sends requests; what does them is `_do`.

    A front end may keep values back while Python is busy and send only the last one. So the browser repeats every
    request until it has the answer, and each is done once, by its number.

    Attributes
    ----------
    asked
        Written by the browser: requests that it has no answer to, each with its number ``n``.
    answered
        The number of the last request that was done.

    Examples
    --------
    >>> class Counter(AskedWidget):
    ...     total = 0
    ...     def _do(self, request):
    ...         self.total += request["by"]
    >>> counter = Counter()
    >>> counter.set_state({"asked": [{"n": 1, "by": 5}, {"n": 2, "by": 3}]})
    >>> counter.set_state({"asked": [{"n": 2, "by": 3}, {"n": 3, "by": 1}]})  # the second one again
    >>> counter.total, counter.answered
    (9, 3)
    """

    asked = traitlets.List(traitlets.Dict()).tag(sync=True, echo_update=False)
    answered = traitlets.Int(0).tag(sync=True)

    def __init__(self, lock: threading.RLock | None = None, **traits: Any) -> None:
        # A front end may handle messages of the browser in another thread than the cells.
        self._lock = lock or threading.RLock()
        self._output = UpdatableOutput(self._bundle)
        super().__init__(**traits)

    @traitlets.observe("asked")
    def _on_asked(self, change: Any) -> None:
        with self._lock, self.hold_sync():
            for request in sorted(change.new, key=lambda request: int(request["n"])):
                if request["n"] > self.answered:
                    self.answered = request["n"]
                    self._do(request)

    def _do(self, request: dict[str, Any]) -> None:
        """Do what was asked, and show it."""
        raise NotImplementedError

    def _html(self) -> str:
        """What is shown without a script."""
        raise NotImplementedError

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget by media type, and what Colab has to know about it."""
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return {**data, "text/html": self._html(), "text/plain": repr(self)}, metadata

    def _repr_mimebundle_(self, **_options: Any) -> Any:
        return self._bundle()[0]

    def _ipython_display_(self) -> None:
        self._output.show()


__all__ = ["AskedWidget"]
