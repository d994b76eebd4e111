"""The worker process: it receives a function, then one part after the other, and returns the results."""

from __future__ import annotations

import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from conv_analytics.child_process import end_with, standard_streams

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """The answer to a part that failed."""

    error: Exception


def call(func: Callable[[Any], T], part: Any) -> T:
    """Call a function with a part; an error that it raises names the part."""
    try:
        return func(part)
    except Exception as error:
        error.add_note(f"Raised for part {part.number} of {part.parts} (they count from 0).")
        raise


def main() -> None:
    """Serve over the standard streams, until they are closed."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, answers = standard_streams()
    with suppress(EOFError, BrokenPipeError):
        parent, message = pickle.load(requests)  # noqa: S301  from the process that started this one
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
        _serve(message, requests, answers)


def _serve(message: bytes, requests: BinaryIO, answers: BinaryIO) -> None:
    func: Callable[[Any], Any] | None = None
    while True:
        part = pickle.load(requests)  # noqa: S301  as above
        try:
            func = func or pickle.loads(message)  # noqa: S301  as above
            answer: Any = call(func, part)
        except Exception as error:  # noqa: BLE001  raised where the results are awaited
            answer = Failed(error)
        answers.write(_dumped(answer))
        answers.flush()


def _dumped(answer: Any) -> bytes:
    """A result, or an error, pickled."""
    try:
        content = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        if isinstance(answer, Failed):
            # Some errors can be pickled, but not unpickled.
            pickle.loads(content)  # noqa: S301  made here
    except Exception as error:  # noqa: BLE001  a result may be anything
        if isinstance(answer, Failed):
            sent = RuntimeError(f"{type(answer.error).__name__}: {answer.error}")
            sent.__notes__ = list(getattr(answer.error, "__notes__", ()))
            return pickle.dumps(Failed(sent), pickle.HIGHEST_PROTOCOL)
        return _with_cloudpickle(answer, error)
    return content


def _with_cloudpickle(answer: Any, reason: Exception) -> bytes:
    """A result of a class that is defined in a notebook cell."""
    try:
        import cloudpickle  # noqa: PLC0415  an extra

        return bytes(cloudpickle.dumps(answer))
    except Exception:  # noqa: BLE001  as above
        error = TypeError(f"a {type(answer).__name__} cannot be sent from another process: {reason}")
        return pickle.dumps(Failed(error), pickle.HIGHEST_PROTOCOL)


__all__ = ["Failed", "call", "main"]
