"""How fast a run asks: requests per second, and requests in flight."""
