"""The timeline of one conversation, drawn."""

from __future__ import annotations
