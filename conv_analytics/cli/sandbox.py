"""`conv-analytics sandbox`: the Conversation API on this machine, to try things out."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import note, program, say
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.sandbox import Options, Sandbox
    from conv_analytics.sandbox.webhooks.pushing import Pusher

_DESCRIPTION = """\
Serve the Conversation API on this machine with a made-up world of calls and chats, until Ctrl-C. Nothing leaves the
machine. The same seed gives the same world. A key pair is written to sandbox-keys/ and removed at the end.
"""

_EPILOG = """\
faults (shares of all GET requests):
  5xx, 429, reset, truncate, html, object, expired, slow; and gone=N conversations that are listed but answer 404

causes (the seed decides where each one is; the sandbox prints it when it starts):
  loss, one_way, cliff, busy_hour, mix_shift, muted, dead_air, or all

webhooks: RTC events go to URL/rtc and Voice events to URL/voice, oldest first, each with one more attempt where the
platform makes one. The secret that signs them is written to sandbox-keys/, for `listen --secret-file`.

examples:
  conv-analytics sandbox
  conv-analytics sandbox --causes loss,cliff --clean --conversations 2500
  conv-analytics sandbox --port 9000 --seed 11 --conversations 2000 --latency 50 --rate 30
  conv-analytics sandbox --faults 5xx=0.02,reset=0.01,429=0.02,gone=3 --quirks --broken 0.01
  conv-analytics sandbox --transient 0.3 --webhook http://127.0.0.1:8081 --drop 0.02 --duplicates 0.05 --shuffle 5
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "sandbox", help="serve a made-up world", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("--port", metavar="N", type=int, default=8080, help="port (8080); 0: any free one")
    world = command.add_argument_group("the world")
    world.add_argument("--seed", metavar="N", type=int, default=7, help="which world (7)")
    world.add_argument("--conversations", metavar="N", type=int, default=500, help="number of conversations (500)")
    world.add_argument(
        "--quirks", action="store_true", help="answer in every irregular form that the API has been seen to use"
    )
    world.add_argument("--broken", metavar="SHARE", type=float, default=0.0, help="share of unreadable events (0)")
    world.add_argument("--causes", metavar="LIST", default="", help="problems to plant; see below")
    world.add_argument(
        "--transient", metavar="SHARE", type=float, default=0.0,
        help="share of the voice calls in transient conversations, which are gone when the call is over (0)",
    )  # fmt: skip
    world.add_argument("--clean", action="store_true", help="leave out the three bad routes that every world has")
    world.add_argument(
        "--ttl-hours", metavar="N", type=float, default=0.0,
        help="lifetime of conversations from their creation, at the world's end (no limit)",
    )  # fmt: skip
    hooks = command.add_argument_group("the webhooks")
    hooks.add_argument(
        "--webhook", metavar="URL", default="", help="send all events of the world to URL/rtc, URL/voice"
    )
    hooks.add_argument("--signature-secret", metavar="TEXT", default="", help="secret that signs them (drawn)")
    hooks.add_argument("--drop", metavar="SHARE", type=float, default=0.0, help="share that is never sent (0)")
    hooks.add_argument("--duplicates", metavar="SHARE", type=float, default=0.0, help="share that is sent twice (0)")
    hooks.add_argument(
        "--shuffle", metavar="SECONDS", type=float, default=0.0, help="longest delay of each, to mix their order (0)"
    )
    hooks.add_argument(
        "--webhook-rate", metavar="N", type=float, default=0.0, help="requests per second to the webhook (no limit)"
    )
    server = command.add_argument_group("the server")
    server.add_argument(
        "--events-shape", choices=("list", "object"), default="object", help="shape of event pages (object)"
    )
    server.add_argument(
        "--latency", metavar="MS", type=float, default=0.0, help="delay of each answer in milliseconds (0)"
    )
    server.add_argument(
        "--rate", metavar="N", type=float, default=0.0, help="requests per second before 429 (no limit)"
    )
    server.add_argument(
        "--rate-window", choices=("bucket", "fixed", "sliding"), default="bucket", help="how --rate counts (bucket)"
    )
    server.add_argument("--faults", metavar="LIST", default="", help="faults and their shares; see below")
    return command


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    _check(options)
    from conv_analytics.sandbox.faults import Faults
    from conv_analytics.sandbox.world.causes import parse

    try:
        faults = Faults.parse(options.faults)
    except ValueError as error:
        raise ConfigError(f"--faults: {error}.") from None
    try:
        causes = parse(options.causes)
    except ValueError as error:
        raise ConfigError(f"--causes: {error}.") from None
    world: Options = {
        "seed": options.seed,
        "conversations": options.conversations,
        "quirks": options.quirks,
        "broken": options.broken,
        "causes": causes,
        "clean": options.clean,
        "transient": options.transient,
        "events_shape": options.events_shape,
        "latency_ms": options.latency,
        "rate": options.rate,
        "rate_window": options.rate_window,
        "faults": faults,
    }
    if options.ttl_hours:
        world["ttl_hours"] = options.ttl_hours
    if options.webhook:
        world |= _webhook(options)
    keys: list[Path] = []
    with suppress(KeyboardInterrupt):
        _serve(options.port, world, keys)
    note("The sandbox has ended.")
    return Exit.COMPLETE


def _webhook(options: argparse.Namespace) -> Options:
    """Read which webhooks are sent where."""
    from urllib.parse import urlsplit

    parts = urlsplit(options.webhook)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("--webhook must be an http(s) URL, such as http://127.0.0.1:8081.")
    chosen: Options = {
        "webhook": options.webhook.rstrip("/"),
        "deliveries": {"drop": options.drop, "duplicates": options.duplicates, "shuffle": options.shuffle},
        "pushing": {"rate": options.webhook_rate, "await_receiver": True},
    }
    if options.signature_secret:
        chosen["signature_secret"] = options.signature_secret
    return chosen


def _serve(port: int, world: Options, keys: list[Path]) -> None:
    from conv_analytics.sandbox.sandbox import run as serve

    try:
        serve(port, "127.0.0.1", world, lambda sandbox: _ready(sandbox, keys))
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be used: {error.strerror or error}. Choose another with --port, or 0 for any."
        ) from None
    finally:
        for path in keys:
            path.unlink(missing_ok=True)


def _ready(sandbox: Sandbox, keys: list[Path]) -> None:
    """Write the keys, and print how to use them."""
    key = _write_keys(sandbox, keys)
    command = [
        "export", "exports/sandbox",
        "--base-url", sandbox.base_url,
        "--application-id", sandbox.application_id,
        "--private-key", str(key),
        "--rate", "0",
    ]  # fmt: skip
    say(f"base URL        {sandbox.base_url}")
    say(f"application id  {sandbox.application_id}")
    say(f"private key     {key}")
    listen = _listener(sandbox, keys) if sandbox.webhooks is not None else []
    say(f"world           seed {sandbox.world.seed}, {sandbox.world.size:,} conversations")
    for cause in sandbox.world.causes:
        if not cause.built_in:
            say(f"cause           {cause.kind} on {cause.where}: {cause.expect}")
    if sandbox.webhooks is not None:
        watcher = threading.Thread(target=_watch, args=(sandbox.webhooks,), daemon=True)
        watcher.start()
    say()
    say("In another terminal:")
    say()
    if listen:
        say(f"  {program()} {shlex.join(listen)}")
    say(f"  {program()} {shlex.join(command)}")
    say()
    note("Serving. Ctrl-C ends it.")


def _listener(sandbox: Sandbox, keys: list[Path]) -> list[str]:
    """Write the secret that webhooks are signed with, and the command that receives them."""
    from urllib.parse import urlsplit

    secret, to = _write_secret(sandbox, keys), urlsplit(sandbox.options["webhook"])
    say(f"secret file     {secret}")
    return [
        "listen", "exports/sandbox",
        "--host", to.hostname or "",
        "--port", str(to.port or 80),
        "--application-id", sandbox.application_id,
        "--secret-file", str(secret),
    ]  # fmt: skip


def _watch(webhooks: Pusher) -> None:
    """Print the outcome of the webhooks when all are sent."""
    report = webhooks.finish()
    sent = len(report.delivered) + len(report.refused)
    note(f"{sent:,} webhooks were sent ({report.retries:,} again), {len(report.refused):,} of them refused.")
    for text, count in Counter(report.receiver_errors).most_common(3):
        note(f"The receiver is wrong: {text} ({count:,} times); calls would follow it.")


def _write_secret(sandbox: Sandbox, keys: list[Path]) -> Path:
    """Write the signature secret beside the keys."""
    path = keys[0] if keys else sandbox.key_path
    keys.append(_write_private(path.with_suffix(".secret"), sandbox.signature_secret))
    return keys[-1]


def _write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    # Not overwritten: an older file would keep its permissions, which may be wider.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _write_keys(sandbox: Sandbox, keys: list[Path]) -> Path:
    """Write the key pair to the working folder, or to a temporary one if that is not writable."""
    from conv_analytics.sandbox.tokens import key_pair

    pair, stem = key_pair(), sandbox.base_url.rpartition(":")[2]
    folder = Path("sandbox-keys")
    private, public = folder / f"{stem}.key", folder / f"{stem}.pub"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for path, text in ((private, pair.private), (public, pair.public)):
            keys.append(_write_private(path, text))
    except OSError:
        return sandbox.key_path
    return private


def _check(options: argparse.Namespace) -> None:
    """Refuse numbers out of range."""
    limits = {
        "port": (0, 65535),
        "seed": (0, sys.maxsize),
        "conversations": (0, 10_000_000),
        "broken": (0, 1),
        "transient": (0, 1),
        "latency": (0, 600_000),
        "rate": (0, 1_000_000),
        "ttl-hours": (0, 1_000_000),
        "drop": (0, 1),
        "duplicates": (0, 1),
        "shuffle": (0, 1_000_000),
        "webhook-rate": (0, 1_000_000),
    }
    for name, (low, high) in limits.items():
        value = getattr(options, name.replace("-", "_"))
        if not low <= value <= high:
            raise ConfigError(f"--{name} is {value}; it must be from {low} to {high}.")
