"""The questions that an assistant can ask about an export: one function each, whose docstring the assistant reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conv_analytics.errors import ConfigError
from conv_analytics.json_records import json_records
from conv_analytics.mcp_server.answers import answer
from conv_analytics.mcp_server.sql import run_sql
from conv_analytics.privacy.display import Display
from conv_analytics.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from conv_analytics.dataset import Dataset

_OPEN = "open_dataset(...)"


class Questions:
    """The questions about one folder, always of its latest commit.

    Parameters
    ----------
    folder
        An export.
    mask
        Whether people are masked in every answer.
    """

    def __init__(self, folder: Path, *, mask: bool = True) -> None:
        self._folder, self._display, self._mask = folder, Display(on=mask), mask

    def all(self) -> list[Callable[..., str]]:
        """The questions, in the order in which they are listed."""
        return [
            self.overview, self.tables, self.findings, self.kpi, self.quality, self.offenders, self.compare, self.calls,
            self.timeline, self.coverage, self.sql,
        ]  # fmt: skip

    def overview(self) -> str:
        """What the export holds: its tables with their rows, and its last runs. Ask this first."""
        data = self._data
        tables = {name: data.rows(name) for name in data.tables}
        runs = data.history().tail(5)[["at", "status", "listed", "events", "warning"]]
        return answer(runs, f"{_OPEN}.history()", display=self._display, tables=tables)

    def tables(self, table: str = "") -> str:
        """The data dictionary. Without a name: every table. With one: its columns with type, unit and meaning."""
        import pandas as pd  # noqa: PLC0415  slow to import

        if not table:
            rows = [(name, each.doc) for name, each in TABLES.items() if name in self._data.tables]
            return answer(pd.DataFrame(rows, columns=["table", "a row per"]), "TABLES", display=Display(on=False))
        if table not in TABLES:
            raise ConfigError(f"There is no table {table!r}; there are {', '.join(TABLES)}.")
        columns = [(each.name, _type_name(each.kind), each.unit or "", each.doc) for each in TABLES[table].columns]
        frame = pd.DataFrame(columns, columns=["column", "type", "unit", "meaning"])
        return answer(frame, f"TABLES[{table!r}].columns", display=Display(on=False), limit=200)

    def findings(self, since: str = "", until: str = "", tz: str = "UTC", limit: int = 10) -> str:
        """What is wrong with the calls: each distinct problem once, the one with the most excess calls first.

        Where, since when, how many of how many against what is expected, whose side, what was ruled out, what to do.
        Nothing listed means that nothing is beyond chance. `since` and `until`: ISO 8601, UTC.
        """
        from conv_analytics.analysis import findings  # noqa: PLC0415  slow to import

        begin, end = _instant("since", since) if since else None, _instant("until", until) if until else None
        result = findings(self._data, since=begin, until=end, tz=tz, limit=_limit(limit))
        return self._answer(result.problems, "findings", since=begin, until=end, tz=tz, limit=limit)

    def kpi(
        self, by: list[str] | None = None, metrics: list[str] | None = None, scope: str = "outbound", tz: str = "UTC"
    ) -> str:
        """Rates of calls with counts (k of n) and 95 % intervals (lo, hi): asr, ner, drop_failure, short_6 and others.

        `by` groups by columns of legs (network_code, country, user_id, channel_type, direction, ...) or hour, weekday,
        day, week; `scope` is outbound, inbound or all. Do not rank groups whose `enough` is false.
        """
        from conv_analytics.analysis import kpi  # noqa: PLC0415  slow to import

        rates = kpi(self._data, by=by or [], metrics=metrics or None, scope=scope, tz=tz)
        return self._answer(rates, "kpi", by=by or [], metrics=metrics or None, scope=scope, tz=tz)

    def quality(self, verdict: list[str] | None = None, limit: int = 20) -> str:
        """Legs with bad audio, worst first, with the rule that was broken, its value and limit.

        `verdict`: poor (the default), fair, good, unmeasured.
        """
        from conv_analytics.analysis import quality  # noqa: PLC0415  slow to import

        judged, wanted = quality(self._data), verdict or ["poor"]
        counts = {str(name): int(count) for name, count in judged["verdict"].value_counts().items()}
        chosen = judged[judged["verdict"].isin(wanted)]
        condition = f"verdict in {wanted!r}"
        python = f"quality({_OPEN}).query({condition!r})"
        return answer(chosen, python, display=self._display, limit=_limit(limit), legs_by_verdict=counts)

    def offenders(self, by: list[str] | None = None, case: str = "poor", tz: str = "UTC", min_n: int = 30) -> str:
        """Groups with more bad calls than the rest, by how many too many (excess), tested against chance (q).

        `case`: poor, silent, failed, unanswered, answered, short. `by`: as for kpi. Only rows whose `offender` is true
        are beyond chance.
        """
        from conv_analytics.analysis import offenders  # noqa: PLC0415  slow to import

        groups = by or ["network_code"]
        ranked = offenders(self._data, groups, case, tz=tz, min_n=min_n)
        return self._answer(ranked, "offenders", by=groups, case=case, tz=tz, min_n=min_n)

    def compare(self, split_at: str, by: list[str] | None = None, case: str = "answered") -> str:
        """Why a rate changed: the legs before an instant against those from it on.

        The change is split into one of the mix of groups and one of their rates. `split_at`: ISO 8601, UTC.
        """
        from conv_analytics.analysis import compare, legs  # noqa: PLC0415  slow to import

        at, groups = _instant("split_at", split_at), by or ["network_code"]
        all_legs = legs(self._data)
        comparison = compare(
            all_legs[all_legs["started_at"] < at], all_legs[all_legs["started_at"] >= at], by=groups, case=case
        )
        python = f"compare(legs[legs.started_at < at], legs[legs.started_at >= at], by={groups!r}, case={case!r})"
        total = json_records(comparison.total)
        return answer(comparison.groups, python, display=self._display, why=comparison.why, total=total)

    def calls(  # noqa: PLR0917  an assistant names them
        self,
        outcome: str = "",
        direction: str = "",
        country: str = "",
        network_code: str = "",
        since: str = "",
        until: str = "",
        limit: int = 20,
    ) -> str:
        """Calls, the latest first: when, between whom, how long, outcome, who hung up.

        Filters are values of the columns of these names; `since` and `until` are instants of the start (ISO 8601, UTC).
        """
        from conv_analytics.analysis import calls  # noqa: PLC0415  slow to import

        rows = calls(self._data).sort_values("started_at", ascending=False)
        conditions = []
        filters = {"outcome": outcome, "direction": direction, "country": country, "network_code": network_code}
        for name, value in filters.items():
            if value:
                rows = rows[rows[name] == value]
                conditions.append(f"{name} == {value!r}")
        if since:
            rows = rows[rows["started_at"] >= _instant("since", since)]
            conditions.append(f"started_at >= {since!r}")
        if until:
            rows = rows[rows["started_at"] < _instant("until", until)]
            conditions.append(f"started_at < {until!r}")
        chosen = f".query({' and '.join(conditions)!r})" if conditions else ""
        python = f"calls({_OPEN}).sort_values('started_at', ascending=False){chosen}"
        return answer(rows, python, display=self._display, limit=_limit(limit))

    def timeline(self, conversation_id: str) -> str:
        """What happened in one conversation, in order: members, legs, media, speech, keys, messages, quality."""
        from conv_analytics.notebook.timeline import show_timeline  # noqa: PLC0415  slow to import

        drawn = show_timeline(self._data, conversation_id, mask=self._mask)
        shown = drawn.table()
        return answer(shown, f"timeline({_OPEN}, {conversation_id!r})", display=self._display, limit=300)

    def coverage(self) -> str:
        """What is missing, and how far numbers can be trusted.

        Per metric how many values are missing, odd or unmeasured; and the share of the call list that the export has,
        if that is known.
        """
        from conv_analytics.analysis import ledger  # noqa: PLC0415  slow to import

        return self._answer(ledger(self._data), "ledger")

    def sql(self, query: str) -> str:
        """One SELECT of DuckDB's dialect over the export's tables (see `tables`).

        Read-only, no files, 30 s, 1,000 rows. Prefer the other questions: they know duplicates, units and chance.
        """
        rows = run_sql(self._data, query, mask=self._mask)
        return answer(rows, f"{_OPEN}.duckdb().sql({query!r}).df()", display=Display(on=False), limit=1_000)

    def _answer(self, frame: pd.DataFrame, function: str, **arguments: Any) -> str:
        given = "".join(f", {name}={value!r}" for name, value in arguments.items() if value is not None)
        return answer(frame, f"{function}({_OPEN}{given})", display=self._display)

    @property
    def _data(self) -> Dataset:
        from conv_analytics.dataset import open_dataset  # noqa: PLC0415  slow to import
        from conv_analytics.dataset.storage.commit import numbers  # noqa: PLC0415
        from conv_analytics.dataset.storage.layout import Layout  # noqa: PLC0415

        if numbers(Layout(self._folder))[-1:] != [each.number for each in self._opened.commits[-1:]]:
            self.__dict__["_opened"] = open_dataset(self._folder)
        return self._opened

    @cached_property
    def _opened(self) -> Dataset:
        from conv_analytics.dataset import open_dataset  # noqa: PLC0415  slow to import

        return open_dataset(self._folder)


def _limit(rows: int) -> int:
    if rows < 1:
        raise ConfigError(f"limit is {rows}; it must be 1 or more.")
    return rows


def _instant(name: str, text: str) -> datetime:
    from conv_analytics.analysis.engine.options import in_utc  # noqa: PLC0415  slow to import

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not an instant; give one like '2026-11-20T09:00:00+00:00'.") from None
    return in_utc(name, at if at.tzinfo else datetime.fromisoformat(f"{at.isoformat()}+00:00"))


def _type_name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


__all__ = ["Questions"]
