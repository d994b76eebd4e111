"""A finding of a check: what is wrong, how bad it is, where, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from conv_analytics.markup import line


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """Checked, and as it should be."""
    WARNING = "warning"
    """Explainable and worth a look; no row that counts is wrong."""
    SKIPPED = "skipped"
    """Not checked, for the stated reason."""
    ERROR = "error"
    """The folder does not hold what its commits record, or holds it twice."""


@dataclass(frozen=True)
class Finding:
    """One result of a check."""

    level: Level
    what: str
    where: str = ""
    """A file of the dataset, a table, conversations; empty for the dataset as a whole."""
    advice: str = ""
    """The next step; empty when nothing is to be done."""

    def to_dict(self) -> dict[str, str]:
        """The finding as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        place = f"{line(self.where)}: " if self.where else ""
        advice = f" {line(self.advice)}" if self.advice else ""
        # Ids come from the API: none of them may begin a new line.
        return f"{self.level:<7}  {place}{line(self.what)}.{advice}"


def first_few(names: list[str], most: int = 5) -> str:
    """The first of many names, for one line.

    >>> first_few(["CON-1", "CON-2", "CON-3"], most=2)
    'CON-1, CON-2 and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")
