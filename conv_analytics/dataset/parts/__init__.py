"""A dataset in parts that each fit into memory: the assignment of conversations, and the workers."""
