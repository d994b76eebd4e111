"""`conv-analytics listen`: receives an application's webhooks, so that no call is missing."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conv_analytics.cli import logs
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.masking import add_mask, mask_of
from conv_analytics.cli.output import note, say
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    import socket
    from argparse import _SubParsersAction
    from pathlib import Path

    from conv_analytics.live import Application

_DESCRIPTION = """\
Receive the webhooks of a Vonage application until SIGTERM or Ctrl-C: RTC events at /rtc, Voice events at /voice. Each
event is on disk before it is answered, and every few minutes new events are folded into the folder's tables. This is
the only way to get the calls that an export can no longer read once they have ended.
"""

_EPILOG = """\
the application's settings at Vonage:
  rtc    event_url   https://listener.example.com/rtc     POST, signed
  voice  event_url   https://listener.example.com/voice   POST or GET, signed; if another server answers it now: --tee

signatures:
  The signature secret of the account signs each webhook; it is not the API secret. --secret-file or the variable
  VONAGE_SIGNATURE_SECRET holds it, or lines of api_key=secret for several accounts. Events that are not signed, or not
  as they should be, are refused, or with --unsigned record stored with a mark; forged ones are always refused.

state:
  /healthz answers 200, or 503 while events cannot be stored; /metrics is for Prometheus.

examples:
  conv-analytics listen exports/ --secret-file signature.secret --application-id ID
  conv-analytics listen exports/ --host 0.0.0.0 --port 8080 --tee https://app.example.com/webhooks/event
  conv-analytics listen masked/ --mask --mask-key-file mask.key --allow-from 216.147.0.0/18 --trust-forwarded
"""

_UNITS_S = {"s": 1, "m": 60, "h": 3600}


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "listen", help="receive live events", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export; created if it does not exist")
    add_work(command)
    where = command.add_argument_group("where")
    where.add_argument("--host", metavar="HOST", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    where.add_argument("--port", metavar="N", type=int, default=8080, help="port (8080); 0: any free one")
    what = command.add_argument_group("what is taken")
    what.add_argument("--secret-file", metavar="FILE", help="signature secrets (the variable VONAGE_SIGNATURE_SECRET)")
    what.add_argument(
        "--application-id", metavar="ID", action="append", default=[], help="only events of this application (any)"
    )
    what.add_argument(
        "--unsigned",
        choices=("require", "record"),
        default="require",
        help="refuse, or record (require)",
    )
    what.add_argument(
        "--allow-from", metavar="CIDR", action="append", default=[], help="only senders in this network; repeatable"
    )
    what.add_argument(
        "--trust-forwarded",
        metavar="N",
        type=int,
        nargs="?",
        const=1,
        default=0,
        help="N proxies of yours (1) stand in front: trust what they add to X-Forwarded-For",
    )
    then = command.add_argument_group("what happens then")
    then.add_argument("--tee", metavar="URL", help="pass Voice events on to this server, and its answers back")
    then.add_argument(
        "--commit-every",
        metavar="TIME",
        default="5m",
        help="interval of folding into the tables: 30s, 5m, 1h; 0: never (5m)",
    )
    add_mask(command.add_argument_group("privacy"))
    return command


def run(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    dest, every_s = folder(options.dest, work=options.work), seconds(options.commit_every)
    if not 0 <= options.port <= 65535:  # noqa: PLR2004 - the last port
        raise ConfigError(f"--port is {options.port}; it must be from 0 to 65535.")
    with _visible(options):
        application = _application(options, dest, every_s)
        from conv_analytics.live.server import bound, serve

        with bound(options.host, options.port) as listening:
            _refuse_circle(application, listening)
            serve(application, listening, lambda: _ready(listening, options))
    note("The listener has ended; every answered event is kept.")
    return Exit.COMPLETE


def seconds(text: str) -> float:
    """A duration on the command line, in seconds.

    Raises
    ------
    ConfigError
        If it is not a duration.

    Examples
    --------
    >>> seconds("5m"), seconds("0")
    (300.0, 0.0)
    """
    match = re.fullmatch(r"([0-9]{1,6})([smh]?)", text.strip().lower())
    if match is None or (not match[2] and int(match[1])):
        raise ConfigError(f"--commit-every is {text!r}; it must be a time such as 30s, 5m or 1h, or 0.")
    return float(match[1]) * _UNITS_S.get(match[2], 0)


def _application(options: argparse.Namespace, dest: Path, every_s: float) -> Application:
    from conv_analytics.live import Secrets, app

    secrets = Secrets.load(options.secret_file)
    if not secrets and options.unsigned == "require":
        raise ConfigError(
            "There is no signature secret to check events with: name a file with --secret-file, set"
            " VONAGE_SIGNATURE_SECRET, or store events unchecked with --unsigned record."
        )
    return app(
        dest,
        secrets=secrets,
        application_ids=options.application_id,
        unsigned=options.unsigned,
        tee=options.tee,
        mask=mask_of(options),
        allow_from=options.allow_from,
        trust_forwarded=options.trust_forwarded,
        commit_every=every_s,
    )


def _refuse_circle(application: Application, listening: socket.socket) -> None:
    """Refuse a tee to the listener itself: an event would loop for ever."""
    host, port = listening.getsockname()[:2]
    if application.tee is not None and application.tee.host in {(host, port), ("localhost", port)}:
        raise ConfigError("--tee names this listener itself: name the server that got the Voice events before.")


def _ready(listening: socket.socket, options: argparse.Namespace) -> None:
    host, port = listening.getsockname()[:2]
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    say(f"rtc events      {base}/rtc")
    say(f"voice events    {base}/voice")
    say(f"state           {base}/healthz, {base}/metrics")
    if options.unsigned == "record":
        note("Events without a signature are stored, too: anybody who can reach this address can add some.")
    note("Listening. Ctrl-C ends it.")


@contextmanager
def _visible(options: argparse.Namespace) -> Iterator[None]:
    """Show warnings even without a log option: nobody watches a listener, and its output is read afterwards."""
    if options.log_level is not None or logs.as_json() or sys.stderr is None:
        yield
        return
    from conv_analytics.log import LOGGER

    handler = logs.Lines(as_json=False)
    handler.setLevel("WARNING")
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
