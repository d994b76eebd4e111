"""Arithmetic without data: intervals, Erlang, the E-model, survival curves."""
