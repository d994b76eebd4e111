"""Rates, durations, costs and load of calls, by any key."""
