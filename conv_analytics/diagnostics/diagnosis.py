"""A diagnosis: a list of findings, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conv_analytics import markup
from conv_analytics.dataset.maintenance.finding import Finding, Level
from conv_analytics.errors.redaction import safe_repr


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The findings of `doctor`, in the order of the checks.

    Attributes
    ----------
    findings
        Each with its level (``ok``, ``warning``, ``error`` or ``skipped``), the check in ``where``, what it found, and
        what to do.
    """

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> list[Finding]:
        """Findings that make an export fail or be incomplete."""
        return self.of(Level.ERROR)

    @property
    def warnings(self) -> list[Finding]:
        """Findings that may cause data loss later."""
        return self.of(Level.WARNING)

    def of(self, level: Level) -> list[Finding]:
        """The findings of one level."""
        return [finding for finding in self.findings if finding.level == level]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON values."""
        status = "error" if self.errors else "warning" if self.warnings else "ok"
        counts = {"errors": len(self.errors), "warnings": len(self.warnings), "skipped": len(self.of(Level.SKIPPED))}
        return {"status": status, **counts, "findings": [finding.to_dict() for finding in self.findings]}

    def __str__(self) -> str:
        counts = f"errors: {len(self.errors)}, warnings: {len(self.warnings)}"
        return "\n".join([*map(str, self.findings), "", f"{counts}, skipped: {len(self.of(Level.SKIPPED))}"])

    @safe_repr
    def __repr__(self) -> str:
        return f"{type(self).__name__}(errors: {len(self.errors)}, warnings: {len(self.warnings)})"

    def _repr_html_(self) -> str:
        rows = [(str(each.level), each.where, each.what, each.advice) for each in self.findings]
        counts = f"errors: {len(self.errors)}, warnings: {len(self.warnings)}"
        return markup.block(type(self).__name__, counts, markup.grid(("level", "check", "what", "what to do"), rows))


__all__ = ["Diagnosis"]
