"""What to do next, depending on what exists: a key, a folder of an export, or nothing yet."""

from __future__ import annotations

import shlex
from pathlib import Path

from conv_analytics.cli.output import program, say
from conv_analytics.settings import find_values

#: An export's folder has its commits here.
_COMMITS = "_commits"


def print_next_steps(here: Path) -> None:
    """Print the commands that make sense now.

    Parameters
    ----------
    here
        The folder to look in for exports.
    """
    say("Export conversations of the Vonage Conversation API to Parquet, and find out why calls are bad.")
    say()
    for text, command in next_steps(exports_in(here), has_credentials=_has_credentials()):
        say(f"  {text}:")
        say(f"      {command}")
    say()
    say(f"All commands: {program()} --help")


def next_steps(exports: list[str], *, has_credentials: bool) -> list[tuple[str, str]]:
    """What can be done, each with its command.

    >>> for step in next_steps([], has_credentials=False): print(step[0])
    See it work on a made-up world, without an account
    Name your application and its key, then check that they work
    >>> for step in next_steps(["exports"], has_credentials=True): print(step[0])
    Bring exports up to date
    Write a report about the quality of its calls, and open it
    See which calls are missing
    See what its last runs did
    """
    run = program()
    if exports:
        folder = shlex.quote(exports[0])
        update = [(f"Bring {exports[0]} up to date", f"{run} export {folder}")] if has_credentials else []
        missing = [("See which calls are missing", f"{run} coverage {folder}")] if has_credentials else []
        return [
            *update,
            ("Write a report about the quality of its calls, and open it", f"{run} report {folder} --open"),
            *missing,
            ("See what its last runs did", f"{run} status {folder}"),
        ]
    if has_credentials:
        return [
            ("Check that the key, the host and the clock are right", f"{run} doctor exports"),
            ("Estimate what an export takes", f"{run} plan exports"),
            ("Export", f"{run} export exports"),
        ]
    return [
        ("See it work on a made-up world, without an account", f"{run} demo"),
        (
            "Name your application and its key, then check that they work",
            f"VONAGE_APPLICATION_ID=... VONAGE_PRIVATE_KEY=private.key {run} doctor",
        ),
    ]


def exports_in(here: Path) -> list[str]:
    """The folders of exports here, the latest first; a dot for the folder itself."""
    try:
        folders = [here, *(path for path in here.iterdir() if path.is_dir())]
        changed = {path: (path / _COMMITS).stat().st_mtime for path in folders if (path / _COMMITS).is_dir()}
    except OSError:
        return []
    latest = sorted(changed, key=lambda path: changed[path], reverse=True)
    return ["." if path == here else path.name for path in latest]


def _has_credentials() -> bool:
    """Whether some source names an application and its key; `doctor` checks whether they are right."""
    return {"application_id", "private_key"} <= find_values().keys()
