"""Files of a dataset folder: layout, commits, Parquet files, the lock."""
