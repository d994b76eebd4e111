"""The seeded world behind the sandbox: who called whom, how it went, what was said."""

from __future__ import annotations

from conv_analytics.sandbox.world.world import World

__all__ = ["World"]
