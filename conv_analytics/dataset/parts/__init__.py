"""A dataset in parts that each fit into memory: which conversation is in which part, and who works on them."""
