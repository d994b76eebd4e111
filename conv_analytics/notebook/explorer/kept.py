"""Something shown in a notebook whose last state stays in the saved file, though it changed after its cell had run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Kept:
    """One output that can be drawn anew in its place, from any thread.

    Parameters
    ----------
    bundle
        Gives what is shown: content by media type.
    """

    def __init__(self, bundle: Callable[[], dict[str, Any]]) -> None:
        self._bundle = bundle
        self._handles: list[Any] = []

    def show(self) -> None:
        """Show it below the cell that is running."""
        from IPython.display import display  # noqa: PLC0415  only a kernel has it for sure

        handle = display(self._bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._handles.append(handle)

    def renew(self) -> None:
        """Show it as it is now, wherever it was shown."""
        for handle in self._handles:
            handle.update(self._bundle(), raw=True)


__all__ = ["Kept"]
