"""The files of a dataset folder: layout, commits, Parquet files, quarantine, lock."""
