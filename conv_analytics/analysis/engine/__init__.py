"""Tables in any engine: the source of rows, their types, and the form in which an answer is returned."""
