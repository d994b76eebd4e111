"""Upkeep of a dataset folder: verify, compact, replay."""
