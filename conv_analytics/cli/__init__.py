"""The command line: one module per command, each with `add` (its arguments) and `run` (what it does).

Nothing here imports pandas, Arrow or an HTTP library before a command runs: help answers at once.
"""

from __future__ import annotations

from conv_analytics.cli.entry import main

__all__ = ["main"]
