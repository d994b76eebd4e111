"""The state machine of `tests._helpers.export_model`, the same examples each time.

The long run is `python -m tests.benchmarks.model`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests._helpers.export_model import Exports

pytestmark = pytest.mark.slow

#: Histories that are tried, of up to twelve runs each; more on request.
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "4"))


def test_whatever_a_server_does_the_report_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exports, "parent", tmp_path)
    run_state_machine_as_test(
        Exports,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
