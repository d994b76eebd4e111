"""Tables in any engine: where rows come from, their types, and how an answer goes back to the caller."""
