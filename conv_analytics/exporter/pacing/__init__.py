"""How fast a run sends requests: the rate, and the requests in flight."""
