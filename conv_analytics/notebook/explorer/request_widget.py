"""A widget whose browser sends requests: the requests, and the number of the last one answered, are traits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from conv_analytics.errors import ConvAnalyticsError, redact
from conv_analytics.notebook.explorer.updatable_output import UpdatableOutput


def reason_of(error: Exception) -> str:
    """What a reader is told about an error; of one that is not ours, its kind, too.

    >>> reason_of(ConvAnalyticsError("There is no call.")), reason_of(KeyError("x"))
    ('There is no call.', "KeyError: 'x'")
    """
    return redact(str(error) if isinstance(error, ConvAnalyticsError) else f"{type(error).__name__}: {error}")


class RequestWidget(anywidget.AnyWidget):
    """A widget whose browser sends requests.

    A front end may hold values back while Python is busy and send only the last one. So the browser repeats every
    request until it has the answer, and each is handled once, by its number.

    Parameters
    ----------
    handle
        Handles a request.
    html
        The widget without a script, as HTML.
    lock
        Held while requests are handled; a new one when absent.

    Attributes
    ----------
    requests
        Written by the browser: requests without an answer yet, each with its number ``n``.
    answered
        The number of the last request that was handled.

    Examples
    --------
    >>> steps = []
    >>> counter = RequestWidget(lambda request: steps.append(request["by"]), html=lambda: f"<p>{sum(steps)}</p>")
    >>> counter.set_state({"requests": [{"n": 1, "by": 5}, {"n": 2, "by": 3}]})
    >>> counter.set_state({"requests": [{"n": 2, "by": 3}, {"n": 3, "by": 1}]})  # the second one again
    >>> steps, counter.answered
    ([5, 3, 1], 3)
    """

    requests = traitlets.List(traitlets.Dict()).tag(sync=True, echo_update=False)
    answered = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        handle: Callable[[dict[str, Any]], object],
        html: Callable[[], str],
        lock: threading.RLock | None = None,
        **traits: Any,
    ) -> None:
        self._handle, self._html = handle, html
        # A front end may handle messages of the browser in another thread than the cells.
        self._lock = lock or threading.RLock()
        self._output = UpdatableOutput(self._bundle)
        super().__init__(**traits)

    @traitlets.observe("requests")
    def _on_requests(self, change: Any) -> None:
        with self._lock, self.hold_sync():
            for request in sorted(change.new, key=lambda request: int(request["n"])):
                if request["n"] > self.answered:
                    self.answered = request["n"]
                    self._handle(request)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - as ipywidgets has it
        """The state, without the requests: they are handled, and may have what a reader typed."""
        state = super().get_state(key, drop_defaults)
        return {name: [] if name == "requests" else value for name, value in state.items()}

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget by media type, and the metadata that Colab needs."""
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return {**data, "text/html": self._html(), "text/plain": repr(self)}, metadata

    def _repr_mimebundle_(self, **_options: Any) -> Any:
        return self._bundle()[0]

    def _ipython_display_(self) -> None:
        self._output.show()


__all__ = ["RequestWidget", "reason_of"]
