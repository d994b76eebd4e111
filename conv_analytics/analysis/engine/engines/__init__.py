"""The engines that run expressions: memory, DuckDB, Spark. All their differences are in this package."""
