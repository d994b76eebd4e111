"""Diagnostics: checks everything that a nightly export needs, and says what to do about each fault."""

from __future__ import annotations
