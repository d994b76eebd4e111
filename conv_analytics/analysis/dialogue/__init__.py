"""What happened within conversations: timelines, speech, keys, messages, responses."""
