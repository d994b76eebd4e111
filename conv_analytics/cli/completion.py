"""`conv-analytics completion`: a shell-completion script for commands, options and files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import say
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SHELLS = ("bash", "zsh")
_DESCRIPTION = """\
Print a script that lets the shell complete commands, options, their values, and paths with the Tab key. Needs the
package shtab: pip install 'conv-analytics[completion]'.
"""

_EPILOG = """\
examples:
  source <(conv-analytics completion bash)       for this shell; in ~/.bashrc for every one
  conv-analytics completion bash > ~/.local/share/bash-completion/completions/conv-analytics
  conv-analytics completion zsh > "${fpath[1]}/_conv-analytics"
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "completion", help="let the shell complete commands and options", description=_DESCRIPTION, epilog=_EPILOG,
        parents=[common],
    )  # fmt: skip
    command.add_argument("shell", choices=SHELLS, help="the shell")
    return command


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ModuleNotFoundError:
        raise ConfigError(
            "Completion needs the package shtab. Install it: pip install 'conv-analytics[completion]'."
        ) from None
    whole: argparse.ArgumentParser = options.whole
    for action in _actions(whole):
        if action.metavar in {"DEST", "DIR"}:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif isinstance(action.metavar, str) and action.metavar.startswith(("FILE", "PATH")):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    say(shtab.complete(whole, options.shell).rstrip("\n"))
    return Exit.COMPLETE


def _actions(whole: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a parser and of its commands."""
    done: list[argparse.Action] = []
    for action in whole._actions:  # noqa: SLF001  argparse has no other way to look at them
        done.append(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                done += _actions(each)
    return done
