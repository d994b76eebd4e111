"""The call-quality report: its numbers (`numbers`, from `gather`), its page, and its functions."""

from __future__ import annotations

from conv_analytics.notebook.report.report import Report, quality_report

__all__ = ["Report", "quality_report"]
