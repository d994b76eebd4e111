"""Kinds of problems: one file each, listed in `registry`."""
