"""A cell output that is updated after the cell has run, so that a saved notebook has the last state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class UpdatableOutput:
    """One output that can be updated in place, from any thread.

    Parameters
    ----------
    bundle
        Returns the content by media type, and its metadata.
    """

    def __init__(self, bundle: Callable[[], tuple[dict[str, Any], dict[str, Any]]]) -> None:
        self._bundle = bundle
        self._handles: list[Any] = []

    def show(self) -> None:
        """Show it below the cell that is running."""
        from IPython.display import display  # noqa: PLC0415  only a kernel has it for sure

        data, metadata = self._bundle()
        handle = display(data, metadata=metadata, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._handles.append(handle)

    def update(self) -> None:
        """Show its current content, wherever it was shown."""
        for handle in self._handles:
            data, metadata = self._bundle()
            handle.update(data, metadata=metadata, raw=True)


__all__ = ["UpdatableOutput"]
