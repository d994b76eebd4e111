"""A dataset handed over to other engines: Arrow, DuckDB, Polars, Dask, Spark."""
