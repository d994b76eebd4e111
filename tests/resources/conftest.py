"""Invented JSON of the API, read from tests/fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture(scope="session")
def load() -> Callable[[str], Any]:
    """Decode a fixture by its name."""
    return lambda name: json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
