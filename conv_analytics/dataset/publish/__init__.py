"""A dataset published as Delta tables, which other engines and platforms read: one transaction per commit and table."""
