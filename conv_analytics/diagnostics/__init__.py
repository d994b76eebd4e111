"""Diagnostics: whether everything that a nightly export needs is in order, and what to do where it is not."""

from __future__ import annotations
