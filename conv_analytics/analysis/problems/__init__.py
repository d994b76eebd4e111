"""Distinct problems: all finders run at once, and each problem is reported once."""
