"""The result of `publish`: a row per commit and table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from conv_analytics.markup import block, grid

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the table, with their dtypes.
COLUMNS = {
    "application_id": "string",
    "commit": "int64",
    "table": "string",
    "action": "string",
    "rows": "int64",
    "version": "Int64",
}


@dataclass(frozen=True)
class PublishedTable:
    """One transaction of a Delta table: the rows of one commit."""

    application_id: str
    commit: int
    """Number of the commit of the dataset."""
    table: str
    action: str
    """``append``; ``merge``: rows took the place of those with the same key; ``correct``: events came from a list and
    from a webhook or a file; ``replace``: all rows of the application, as of this commit."""
    rows: int
    """Rows that were written."""
    version: int | None
    """Version of the Delta table that has them; None where nothing was written, because it was only planned."""


@dataclass(frozen=True)
class Published:
    """The published transactions, or those of a dry run."""

    target: str
    tables: tuple[PublishedTable, ...]
    """In the order in which they were written; empty when the Delta tables were up to date."""
    dry_run: bool = False

    @property
    def commits(self) -> int:
        """Number of commits that were published."""
        return len({(each.application_id, each.commit) for each in self.tables})

    def to_frame(self) -> pd.DataFrame:
        """A row per commit and table: ``application_id``, ``commit``, ``table``, ``action``, ``rows``, ``version``."""
        import pandas as pd  # noqa: PLC0415  not for a call whose table nobody looks at

        rows = [asdict(each) for each in self.tables]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """The transactions as JSON values."""
        tables = [asdict(each) for each in self.tables]
        return {"target": self.target, "dry_run": self.dry_run, "commits": self.commits, "tables": tables}

    def _repr_html_(self) -> str:
        rest = f"{self.commits:,} commits " + ("to be published" if self.dry_run else "published")
        rows = [tuple("-" if value is None else value for value in asdict(each).values()) for each in self.tables]
        return block(self.target, rest, grid(tuple(COLUMNS), rows))


__all__ = ["Published", "PublishedTable"]
