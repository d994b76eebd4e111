"""What type checkers see: `typing_clients.py` is checked with mypy --strict."""

from __future__ import annotations

import pytest

from conv_analytics import api
from tests._helpers.type_checks import errors_in


@pytest.mark.slow
@pytest.mark.xdist_group("mypy")
def test_types_of_the_clients() -> None:
    assert errors_in("tests/api/typing_clients.py") == []
    assert errors_in("conv_analytics/api") == []


def test_exported_names() -> None:
    assert api.__all__ == sorted(api.__all__)
    assert all(hasattr(api, name) for name in api.__all__)
