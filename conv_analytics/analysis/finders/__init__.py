"""Searches for what is wrong: offenders, changes, cliffs, comparisons, checks."""
