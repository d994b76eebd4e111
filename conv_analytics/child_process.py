"""Worker processes: another interpreter that imports only this package, connected by pipes.

They start from a notebook, a script without a main guard or standard input alike, which `multiprocessing` does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

#: How often a process checks that its parent is alive: another process may have inherited the pipe. [s]
_LOOK_S = 1.0


def is_interpreter(executable: str | None) -> bool:
    """Whether a program is Python; a program that embeds Python would start itself again.

    >>> is_interpreter("/usr/bin/python3"), is_interpreter("/usr/bin/blender")
    (True, False)
    """
    return (
        bool(executable)
        and not getattr(sys, "frozen", False)
        and Path(executable or "").name.startswith(("python", "pypy"))
    )


def own_session() -> dict[str, Any]:
    """Options of `subprocess.Popen`: Ctrl-C reaches only the parent process, which then ends the child."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Reserve the standard streams for messages; prints go to standard error from now on."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def end_with(parent: int) -> NoReturn:
    """End this process when its parent has ended but the pipe is still open; run in a thread."""
    while os.name == "nt" or os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


__all__ = ["end_with", "is_interpreter", "own_session", "standard_streams"]
