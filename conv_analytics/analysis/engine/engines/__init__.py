"""The engines that run expressions: memory, DuckDB, Spark. Everything that differs between them is in this package."""
