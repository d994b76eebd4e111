"""`conv-analytics demo`: an export, a check and first findings, without an account."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.export import last_commit, progress_listener
from conv_analytics.cli.output import note, program, python, say
from conv_analytics.errors import ConfigError, DestinationError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.exporter.results import Exported
    from conv_analytics.sandbox import Sandbox

#: Marks the folder of a demo, so that made-up calls never mix with real ones.
MARK = "_demo.json"

_DESCRIPTION = """\
Serve a made-up world of calls and chats on this machine, export it to a folder, check the export against that world,
and print first findings; then export a small world, some of whose calls no list has, with its webhooks and without.
Needs no account and no network. Running it again brings the folder up to date.
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "demo", help="export a made-up world and look at it", description=_DESCRIPTION, parents=[common]
    )
    command.add_argument("dir", metavar="DIR", nargs="?", default="demo", help="folder to write to (demo)")
    command.add_argument("--seed", metavar="N", type=int, default=7, help="which world (7)")
    command.add_argument("--conversations", metavar="N", type=int, default=200, help="number of conversations (200)")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    return command


def run(options: argparse.Namespace) -> int:
    """Serve, export, check, and print the findings."""
    if options.conversations < 1 or options.seed < 0:
        raise ConfigError("--conversations must be at least 1, and --seed at least 0.")
    folder = Path(options.dir)
    again = _claim(folder, {"seed": options.seed, "conversations": options.conversations})
    if again:
        note(f"{folder} holds a demo already: this run asks only for what is new. Remove the folder to start afresh.")

    from conv_analytics.sandbox import Sandbox

    with Sandbox(seed=options.seed, conversations=options.conversations) as sandbox:
        note(f"The sandbox serves {options.conversations:,} conversations at {sandbox.base_url}")
        done = _export(sandbox, folder, quiet=options.quiet)
        say(str(done.report))
        say()
        correct = _check(sandbox, done)
    _print_findings(folder)
    correct &= _print_coverage(options.seed)
    _print_next(folder)
    return Exit.COMPLETE if correct else Exit.BUG


def _claim(folder: Path, world: dict[str, int]) -> bool:
    """Mark the folder as this demo's; return whether it already was. Raise `ConfigError` if it is anything else."""
    mark = folder / MARK
    try:
        marked_world = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else None
        if marked_world is None:
            if folder.is_dir() and any(folder.iterdir()):
                raise ConfigError(
                    f"{folder} is not empty and holds no demo. Name another folder: conv-analytics demo DIR."
                )
            if folder.exists() and not folder.is_dir():
                raise DestinationError(folder, "it is a file; name a folder")
            folder.mkdir(parents=True, exist_ok=True)
            mark.write_text(json.dumps(world) + "\n", encoding="utf-8")
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{mark} cannot be read. Remove {folder}, or name another folder.") from None
    except OSError as error:
        raise DestinationError(folder, error.strerror or str(error)) from error
    if marked_world is not None and marked_world != world:
        raise ConfigError(
            f"{folder} holds the demo of another world: {marked_world}, not {world}. Remove it, or name another folder."
        )
    return marked_world is not None and last_commit(folder) is not None


def _export(sandbox: Sandbox, folder: Path, *, quiet: bool) -> Exported:
    from conv_analytics.api import Conversations
    from conv_analytics.exporter.entry import export
    from conv_analytics.exporter.progress import silent

    with Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url) as client:
        return export(client, folder, rate=0, progress=silent if quiet else progress_listener())


def _check(sandbox: Sandbox, exported: Exported) -> bool:
    """Compare with the world's truth, and print the result."""
    from conv_analytics.cli.demo_check import differences

    count, wrong = differences(exported.dataset, sandbox.truth())
    if wrong:
        say(f"{len(wrong)} of {count} counts and sums differ from the truth of the sandbox. This is a bug:")
        for line in wrong:
            say(f"  {line}")
        return False
    say(f"All {count} counts and sums equal the truth of the sandbox.")
    return True


def _print_findings(folder: Path) -> None:
    from conv_analytics.cli.demo_findings import counts, problems

    say()
    say("What it shows:")
    for sentence in counts(folder):
        say(f"  - {sentence}")
    say()
    say("What is wrong:")
    for sentence in problems(folder):
        say(f"  - {sentence}")


def _print_coverage(seed: int) -> bool:
    """Print the coverage of a small world's calls, with webhooks and without; return whether it is as expected."""
    from conv_analytics.cli.demo_coverage import CONVERSATIONS, TRANSIENT, coverage_with_and_without_webhooks

    lines, wrong = coverage_with_and_without_webhooks(seed)
    say()
    say(f"Every call? Another world of {CONVERSATIONS} conversations, {TRANSIENT:.0%} transient:".replace("%", " %"))
    for line in lines:
        say(f"  - {line}")
    if wrong:
        say(f"{len(wrong)} things differ from the truth of the sandbox. This is a bug:")
    for line in wrong:
        say(f"  {line}")
    return not wrong


def _print_next(folder: Path) -> None:
    say()
    say("Go on with:")
    columns = "['at', 'sip_code', 'mos_score', 'packet_cnt']"
    code = f"import pandas; print(pandas.read_parquet('{folder / 'hangups'}', columns={columns}))"
    plain = re.fullmatch(r"[\w/.-]+", str(folder), re.ASCII)
    say(f'  {python()} -c "{code}"' if plain else f"  {python()} -c {shlex.quote(code)}")
    say(f"  {program()} findings {shlex.quote(str(folder))}    # the evidence for each problem, and what to do")
    say(f"  {program()} report {shlex.quote(str(folder))} --open    # a page about the quality of its calls")
    say(f"  {program()} tables hangups")
    say(f"  {program()} export exports/ --since 7d    # your own application: export --help says where its key goes")
