"""Events within conversations: timelines, speech, keys, messages, responses."""
