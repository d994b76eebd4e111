"""The Vonage Conversation API as an honest local server over a seeded world.

`Sandbox` serves it, `World` is what it serves, `Truth` is what a perfect export of it holds, `Cause` labels
what is wrong in it, `Faults` makes it fail. It knows the API from the contract only and shares no code with the client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conv_analytics.sandbox.call_truth import CallTruth
    from conv_analytics.sandbox.faults import Fault, Faults
    from conv_analytics.sandbox.options import Options
    from conv_analytics.sandbox.sandbox import Sandbox, run
    from conv_analytics.sandbox.truth import Truth
    from conv_analytics.sandbox.wire import Reply, Request
    from conv_analytics.sandbox.world import World
    from conv_analytics.sandbox.world.causes import Cause

__all__ = ["CallTruth", "Cause", "Fault", "Faults", "Options", "Reply", "Request", "Sandbox", "Truth", "World", "run"]

_HOMES = {
    "CallTruth": "call_truth", "Cause": "world.causes", "Fault": "faults", "Faults": "faults", "Options": "options",
    "Reply": "wire", "Request": "wire", "Sandbox": "sandbox", "Truth": "truth", "World": "world", "run": "sandbox",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a name when it is first used: `import conv_analytics.sandbox` stays cheap."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
