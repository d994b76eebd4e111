"""The memory of a run: watermarks, event ids, the journal."""
