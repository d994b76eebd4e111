"""Tests that a store creates an object only once: some servers ignore the condition."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from conv_analytics.errors import DestinationError

if TYPE_CHECKING:
    from conv_analytics.dataset.store.bucket import BucketStore

_FOLDER = "_probe"


def require_create_once(store: BucketStore) -> None:
    """Raise `DestinationError` if a store lets a second writer replace an object that the first one created."""
    name = f"{_FOLDER}/{uuid.uuid4().hex}"
    store.create(name, b"first")
    try:
        store.create(name, b"second")
    except FileExistsError:
        whole = store.read(name) == b"first"
    else:
        whole = False
    store.delete(name)
    if not whole:
        reason = (
            "its server lets a second writer replace an existing object (it ignores If-None-Match), so two runs"
            " could both believe that they were next. Use a server that has conditional writes"
        )
        raise DestinationError(store.address, reason)


__all__ = ["require_create_once"]
