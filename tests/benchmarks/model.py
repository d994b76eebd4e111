"""The long run of the state machine of `tests._helpers.export_model`: other worlds, manners and orders each time.

Run it with ``python -m tests.benchmarks.model --minutes 30``. Each round has a seed of its own, which is printed; one
that fails prints the shortest way to the failure, as a program, and ``--seed N`` repeats it.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests._helpers.export_model import Exports


def passes(number: int, examples: int, steps: int, *, shrink: bool) -> bool:
    """Run a round; print what broke."""
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

    @seed(number)
    class Round(Exports):
        """The machine with a seed of its own."""

    try:
        run_state_machine_as_test(
            Round,
            settings=settings(
                max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=False, database=None,
                phases=phases, suppress_health_check=list(HealthCheck), print_blob=False,
            ),
        )  # fmt: skip
    except ExceptionGroup as errors:
        for error in errors.exceptions:
            _tell(number, error)
        return False
    except Exception as error:  # noqa: BLE001  told, with its seed
        _tell(number, error)
        return False
    return True


def _tell(number: int, error: BaseException) -> None:
    notes = "\n".join(getattr(error, "__notes__", []))
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    print(f"seed {number} failed: {type(error).__name__}: {error}\n{notes}\n{where}", flush=True)


def main() -> int:
    """Run rounds until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--examples", type=int, default=25, help="of a round")
    parser.add_argument("--steps", type=int, default=6, help="of an example")
    parser.add_argument("--seed", type=int, help="repeat this round alone")
    parser.add_argument("--no-shrink", action="store_true", help="tell the first way to a failure, not the shortest")
    chosen = parser.parse_args()
    logging.disable()
    began, rounds, failed = time.monotonic(), 0, 0
    while not rounds or (chosen.seed is None and time.monotonic() - began < 60 * chosen.minutes):
        number = random.SystemRandom().randrange(1 << 32) if chosen.seed is None else chosen.seed
        good = passes(number, chosen.examples, chosen.steps, shrink=not chosen.no_shrink)
        rounds, failed = rounds + 1, failed + (not good)
        print(f"round {rounds}, seed {number}: {'good' if good else 'FAILED'}", flush=True)
    seconds = time.monotonic() - began
    print(f"{rounds} rounds of {chosen.examples} examples in {seconds:,.0f} s: {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
