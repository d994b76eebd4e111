"""Tables of Ibis: those of its DuckDB are relations there."""

from __future__ import annotations

from typing import Any

from conv_analytics.errors import ConfigError


def relation_of(name: str, table: Any) -> Any:
    """A table of Ibis as a relation on the connection of its DuckDB; nothing is computed or created.

    Raises
    ------
    ConfigError
        If it is a table of another engine.
    """
    backend = table.get_backend()
    if backend.name != "duckdb":
        spark = " Or give the Spark DataFrame that it is made of: it is queried in Spark itself."
        raise ConfigError(
            f"{name} is an Ibis table of {backend.name}, which cannot be queried in place. Read it into memory: "
            f"table.to_pyarrow(), or table.to_parquet(...) for DuckDB if it is large."
            f"{spark if backend.name == 'pyspark' else ''}"
        )
    return backend.con.sql(backend.compile(table))


__all__ = ["relation_of"]
