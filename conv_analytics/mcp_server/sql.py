"""SQL over the tables of a dataset, which are masked, with limits on time and size."""

from __future__ import annotations

import functools
import re
import threading
from typing import TYPE_CHECKING, Any

from conv_analytics.errors import ConfigError
from conv_analytics.mcp_server.sql_check import check_sql
from conv_analytics.privacy.display import Display

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from conv_analytics.dataset import Dataset

#: A query that takes longer is interrupted. [s]
TIME_LIMIT_S = 30.0
#: Rows that are fetched.
ROW_LIMIT = 1_000
MEMORY_LIMIT = "1GB"
#: Columns with what a customer wrote or said: even its masked form is not worth its size.
_BODIES = frozenset({"body", "extra"})
#: Types that hold no text; any other, such as BLOB, UUID, a list or a struct, may hold a number or a name.
_NO_TEXT = re.compile(
    r"(?:BOOLEAN|U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+, ?\d+\)"
    r"|TIMESTAMP(?:_S|_MS|_NS| WITH TIME ZONE)?|DATE|TIME|INTERVAL)"
)


def run_sql(dataset: Dataset, query: str, *, mask: bool = True, time_limit_s: float = TIME_LIMIT_S) -> pd.DataFrame:
    """Run one SELECT over the tables of a dataset, each of which has the latest row of a conversation or member.

    Parameters
    ----------
    dataset
        A dataset.
    query
        One SELECT of DuckDB's dialect over the dataset's tables.
    mask
        Whether people are masked: the tables that the query sees have tokens in place of numbers, names, addresses
        and texts, and no bodies, so that no expression leads to what is masked.
    time_limit_s
        A longer query is interrupted. [s]

    Returns
    -------
    pandas.DataFrame
        Its first `ROW_LIMIT` rows, with the values that DuckDB gives: integers stay integers beside nulls. In its
        ``attrs``, ``more`` says whether the query has further rows.

    Raises
    ------
    ConfigError
        If it is not such a query, fails, or takes too long.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from conv_analytics import Conversations, export, open_dataset
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=9) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     done = export(client, folder, rate=0)
    ...     run_sql(done.dataset, "select count(*) as conversations from conversations")["conversations"].tolist()
    [9]
    """
    import duckdb  # noqa: PLC0415  slow to import

    with duckdb.connect() as connection:
        read = check_sql(query, dataset.tables, connection)
        _prepare(connection, dataset, read, Display(on=mask))
        late = threading.Event()

        def interrupt() -> None:
            late.set()
            connection.interrupt()

        timer = threading.Timer(time_limit_s, interrupt)
        timer.start()
        try:
            result = connection.execute(query)
            names = [str(column[0]) for column in result.description or ()]
            rows = result.fetchmany(ROW_LIMIT + 1)
        except duckdb.Error as error:
            if late.is_set():
                raise ConfigError(
                    f"The query took longer than {time_limit_s:g} s. Request fewer rows or days."
                ) from None
            raise ConfigError(f"The query failed: {str(error).splitlines()[0][:300]}") from None
        finally:
            timer.cancel()
    return _frame(names, rows)


def _prepare(connection: duckdb.DuckDBPyConnection, dataset: Dataset, tables: frozenset[str], display: Display) -> None:
    """Create the views that a query may read, and block all other access."""
    dataset.let_read(connection)
    masked: set[str] = set()
    for name in sorted(tables):
        inner = dataset.statement(name)
        shown = _columns(connection, inner, display, masked)
        # Built from our names and the dataset's statements; nothing from the assistant goes into it.
        connection.execute(f'create view "{name}" as select {shown} from ({inner})')  # noqa: S608
    folder = str(dataset.path.resolve())
    settings = {
        "memory_limit": MEMORY_LIMIT, "temp_directory": "", "TimeZone": "UTC", "enable_progress_bar": False,
        # A name that is no table could otherwise be a variable of this process.
        "python_enable_replacements": False,
        "allowed_directories": [folder, dataset.name], "enable_external_access": False, "lock_configuration": True,
    }  # fmt: skip
    for setting, value in settings.items():
        connection.execute(f"set {setting} = {_literal(value)}")


def _columns(connection: duckdb.DuckDBPyConnection, inner: str, display: Display, masked: set[str]) -> str:
    """The columns of a table for a query: texts, and whatever else may hold one, masked; numbers and times unchanged.

    `masked` has the names of the columns that the connection has a function for, and gets further ones.
    """
    if not display.on:
        return "*"
    shown = []
    for name, kind, *_ in connection.execute(f"describe {inner}").fetchall():
        quoted = '"' + str(name).replace('"', '""') + '"'
        if name in _BODIES:
            shown.append(f"null::varchar as {quoted}")
        elif _NO_TEXT.fullmatch(str(kind)):
            shown.append(quoted)
        else:
            shown.append(f"{_mask_function(connection, str(name), display, masked)}({quoted}::varchar) as {quoted}")
    return ", ".join(shown)


def _mask_function(connection: duckdb.DuckDBPyConnection, column: str, display: Display, masked: set[str]) -> str:
    """The name of the function that masks a column; columns of one name are masked alike."""
    function = f"masked_{column}"
    # To look the function up, DuckDB lists all of its functions: 15 ms for each column.
    if column not in masked:
        # Values such as callers and networks repeat.
        mask = functools.lru_cache(maxsize=100_000)(functools.partial(display.column, column))
        connection.create_function(function, mask, ["VARCHAR"], "VARCHAR")
        masked.add(column)
    return function


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return "'" + str(value).replace("'", "''") + "'"


def _frame(names: list[str], rows: list[Any]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  slow to import

    # By itself pandas makes floats of integers where there are nulls.
    frame = pd.DataFrame(rows[:ROW_LIMIT], columns=names, dtype=object)
    frame.attrs["more"] = len(rows) > ROW_LIMIT
    return frame


__all__ = ["MEMORY_LIMIT", "ROW_LIMIT", "TIME_LIMIT_S", "run_sql"]
