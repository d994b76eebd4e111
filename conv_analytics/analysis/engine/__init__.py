"""Tables in any engine: the source of rows, their types, and the format of an answer."""
