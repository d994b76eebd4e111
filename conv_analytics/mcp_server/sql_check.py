"""Checks the SQL of an assistant: one SELECT over a dataset's tables, without files, settings or other catalogs.

DuckDB reads the file of a name that is neither a table nor a common table expression (WITH), and its catalog has
views that show the settings. So a name counts as a common table expression only where DuckDB finds one of that name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

#: Table functions that read nothing.
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree", "histogram"})
#: Functions that read or change the state of the database or the machine, or run a text as SQL.
_REFUSED = re.compile(
    r"__.*|pg_(?!size_pretty|typeof).*|current_(?!date$|localtime$|localtimestamp$).*|.*(?:variable|setting|logs?_?message|env"
    r"|nextval|currval|sql|plan|checkpoint|secret|query).*|write_.*|read_.*|error|sleep.*|txid_.*|version|in_search_path"
    r"|session_user|user|getenv|add_parquet_key|set_.*",
    re.IGNORECASE,
)

#: Names of common table expressions: none of them is the path of a file.
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
#: Statements in place of a common table expression.
_CHANGES = re.compile(r"(?!SELECT_|CTE_|RECURSIVE_CTE_|SET_OPERATION_).*_NODE")
#: DuckDB compares names without the case of ASCII letters; other letters differ.
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

#: Parts of a FROM clause that show data from outside the tables.
_OTHER_SOURCES = frozenset({"SHOW_REF", "DELIM_GET", "CTE", "BOUND_TABLE_REF"})


def check_sql(query: str, tables: Collection[str], connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The tables that a query reads.

    Parameters
    ----------
    query
        The text of an assistant.
    tables
        Names of the tables that it may read.
    connection
        Any connection: only its parser is used, and nothing is run.

    Raises
    ------
    ConfigError
        If it is not one SELECT, or reads anything else.

    Examples
    --------
    >>> import duckdb
    >>> tables = ["hangups", "call_records"]
    >>> sorted(check_sql("select count(*) from hangups join call_records using (leg_id)", tables, duckdb.connect()))
    ['call_records', 'hangups']
    >>> check_sql("select * from read_text('/etc/passwd')", [], duckdb.connect())
    Traceback (most recent call last):
    conv_analytics.errors.tree.ConfigError: The table function read_text is not available; query the tables instead.
    """
    parsed = json.loads(connection.execute("select json_serialize_sql(?)", [query]).fetchall()[0][0])
    if parsed.get("error"):
        message = str(parsed.get("error_message", ""))
        raise ConfigError(f"This is not a query that can be run here: {message[:300]} Give one SELECT statement.")
    statements = parsed["statements"]
    if len(statements) != 1:
        raise ConfigError(f"Give one SELECT statement, not {len(statements)}.")
    known = {_lower(name): name for name in tables}
    read = set()
    for node, in_scope in _nodes(statements[0], frozenset()):
        _refuse(node)
        if node.get("type") != "BASE_TABLE":
            continue
        name = _lower(_table_name(node))
        if name in known:
            read.add(known[name])
        elif name not in in_scope:
            raise ConfigError(f"There is no table {name!r} here; there are {', '.join(sorted(tables))}.")
    return frozenset(read)


def _refuse(node: dict[str, Any]) -> None:
    """Raise `ConfigError` for a part of a query that is not allowed."""
    kind, name = str(node.get("type")), str(node.get("function_name", ""))
    if kind == "TABLE_FUNCTION":
        function = str(node.get("function", {}).get("function_name", "")).lower()
        if function not in _TABLE_FUNCTIONS:
            raise ConfigError(f"The table function {function} is not available; query the tables instead.")
    elif kind in _OTHER_SOURCES or _CHANGES.fullmatch(kind):
        raise ConfigError("Only SELECT is available here; the tool `tables` describes tables and columns.")
    elif node.get("class") == "FUNCTION" and _REFUSED.fullmatch(name):
        raise ConfigError(f"The function {name} is not available here.")


def _nodes(value: Any, in_scope: frozenset[str]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every object of a parsed statement, each with the names of the common table expressions in its scope."""
    if isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, in_scope)
    elif isinstance(value, dict):
        for entry in _common_tables(value):
            # One sees those before it, but not itself unless it is recursive.
            yield from _nodes(entry.get("value"), in_scope)
            in_scope |= {_common_name(entry.get("key"))}
        yield value, in_scope
        # In a recursive one only the second part sees itself; in the first its name is that of a table.
        itself = frozenset({_common_name(value["cte_name"])} if value.get("type") == "RECURSIVE_CTE_NODE" else ())
        for name, inner in value.items():
            if name != "cte_map":
                yield from _nodes(inner, in_scope | itself if name == "right" else in_scope)


def _common_tables(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The common table expressions (WITH) of a part of the query, in their order."""
    tables = node.get("cte_map")
    return list(tables.get("map", ())) if isinstance(tables, dict) else []


def _common_name(given: Any) -> str:
    """The name of a common table expression; refused unless it is a plain one."""
    name = str(given)
    if not _PLAIN_NAME.fullmatch(name):
        raise ConfigError(f"The name {name!r} in WITH must consist of letters, digits and underscores.")
    return _lower(name)


def _lower(name: str) -> str:
    return name.translate(_LOWER)


def _table_name(node: dict[str, Any]) -> str:
    """The name of a table; refused with a schema or a catalog."""
    path = (node.get("qualified_name") or {}).get("path") or []
    parts = [*(node.get(key) or "" for key in ("catalog_name", "schema_name")), *path[:-1]]
    name = str(node.get("table_name") or (path[-1] if path else ""))
    return ".".join([*filter(None, dict.fromkeys(map(str, parts))), name])


__all__ = ["check_sql"]
