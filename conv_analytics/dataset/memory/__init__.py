"""What a run remembers: watermarks, event ids, the journal."""
