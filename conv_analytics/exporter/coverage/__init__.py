"""Which calls a folder has, and which it lacks: the Voice API's call list against its tables (live contract 7.1)."""

from __future__ import annotations

from conv_analytics.exporter.coverage.result import Coverage
from conv_analytics.exporter.coverage.run import coverage

__all__ = ["Coverage", "coverage"]
