"""Where expressions run: in memory, in DuckDB, in Spark. What differs between them is here, and nowhere else."""
