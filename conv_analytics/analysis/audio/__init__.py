"""Audio quality of legs and calls: measured values, verdicts, flows of audio."""
