"""`main`: parses the arguments, runs the command, and turns every outcome into an exit code."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import conv_analytics
from conv_analytics.cli import (
    check,
    compact,
    completion,
    copy,
    coverage,
    demo,
    doctor,
    export,
    findings,
    ingest,
    kpi,
    listen,
    logs,
    mcp,
    offenders,
    plan,
    prune,
    publish,
    quality,
    reconcile,
    replay,
    report,
    sandbox,
    status,
    tables,
    timeline,
    verify,
)
from conv_analytics.cli.exits import Exit, disk_failed, exit_of
from conv_analytics.cli.next_steps import print_next_steps
from conv_analytics.cli.output import complain
from conv_analytics.errors import ConfigError, ConvAnalyticsError, redact

#: The commands, in the order in which help lists them.
COMMANDS = (
    demo, doctor, export, listen, ingest, plan, status, verify, coverage, replay, compact, copy,
    prune, publish, timeline,
    findings, kpi, quality, offenders, report, check, reconcile, mcp, sandbox, tables,
    completion,
)  # fmt: skip

#: Commands that mostly spend their time on imports: garbage collection would take a tenth of it.
_SHORT = frozenset({"timeline", "kpi", "quality", "offenders", "status", "tables"})
#: Allocations between two garbage collections of these commands.
_UNCOLLECTED = 100_000

_EPILOG = """\
exit codes:
  0    complete
  1    doctor found errors (of any other command: a bug)
  2    usage or configuration: change something, then try again
  3    incomplete: what finished is committed, and the same command continues; or far less arrived than usual
  4    a rule of check, or of report or reconcile --fail-on, is broken
  69   the API did not answer; nothing was committed
  75   another run is writing to the folder
  130  interrupted (143: terminated); what was read is kept

`conv-analytics COMMAND --help` explains a command.
"""


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the command in the same orderly way as Ctrl-C."""


class Parser(argparse.ArgumentParser):
    """Raises usage errors as exceptions, like all other errors."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise ConfigError(f"{message}. See `{self.prog} --help`.")


def parser() -> Parser:
    """The parser of the whole command line."""
    top = Parser(
        prog="conv-analytics",
        description="Export conversations of the Vonage Conversation API to Parquet, and analyse them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"conv-analytics {conv_analytics.__version__}")
    common = Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    logs.add(common)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS:
        added = command.add(commands, common)
        added.formatter_class = argparse.RawDescriptionHelpFormatter
        added.set_defaults(run=command.run)
    # What `completion` describes.
    top.set_defaults(whole=top)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    >>> main(["--version"])
    conv-analytics 0.1.0
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    if argv is None and not debug:
        # The program ends with this call. An error during cleanup, such as closing a file on a full disk, would print a
        # traceback after the message that matters.
        sys.unraisablehook = lambda _unraisable: None
    if argv is None and arguments[:1] and arguments[0] in _SHORT:
        gc.set_threshold(_UNCOLLECTED)
    try:
        with logs.logged(arguments):
            return _run(arguments, debug=debug)
    finally:
        if argv is None:
            # All objects die with the process: without this, the collector would traverse them once more at exit.
            gc.freeze()


def _run(arguments: list[str], *, debug: bool) -> int:
    with _signals() as received:
        try:
            if not arguments:
                print_next_steps(Path.cwd())
                return Exit.USAGE
            chosen = parser().parse_args(arguments)
            return int(chosen.run(chosen))
        except SystemExit as done:  # argparse, after --help and --version
            return done.code if isinstance(done.code, int) else 0
        except Terminated:
            return _stopped(signal.SIGTERM)
        except KeyboardInterrupt:
            return _stopped(signal.SIGINT)
        except Exception as error:  # noqa: BLE001  every outcome has an exit code
            # Libraries that are interrupted deep inside a query raise errors of their own.
            return _stopped(received[0]) if received else _ended(error, debug=debug)


def _stopped(number: int) -> Exit:
    """Print that the command was interrupted; return its exit code."""
    code = Exit.TERMINATED if number == signal.SIGTERM else Exit.INTERRUPTED
    complain("terminated." if code == Exit.TERMINATED else "interrupted.", code=code)
    return code


def _ended(error: Exception, *, debug: bool) -> Exit:
    """Print why a command failed; return its exit code."""
    name, text = type(error).__name__, redact(f"{type(error).__name__}: {error}")
    if isinstance(error, ConvAnalyticsError):
        code, text = exit_of(error), redact(str(error))
    elif disk_failed(error):
        code, text = Exit.INCOMPLETE, f"{text}. Nothing was committed."
    else:
        code, text = Exit.BUG, f"{text}. This is a bug; --debug shows where it is."
    lines = "".join(traceback.format_exception(error)).splitlines() if debug else []
    complain(text, kind=name, code=code, trace="\n".join(redact(line) for line in lines) or None)
    return code


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Let SIGTERM end the command as Ctrl-C does, while it runs; yield the signals received."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        received.append(number)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    # A shell ignores Ctrl-C for what it runs in the background: a handler that is not Python's own stays.
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
