"""The workers for parts: this process, processes on this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from conv_analytics.child_process import is_interpreter, own_session
from conv_analytics.dataset.parts.part_worker import Failed, call
from conv_analytics.errors import ConfigError, DatasetError

T = TypeVar("T")

_CODE = "import sys; sys.path[:] = {path!r}; from conv_analytics.dataset.parts.part_worker import main; main()"
#: Longest time for a process to end by itself. [s]
_END_S = 5.0


def in_processes(func: Callable[[Any], T], parts: Sequence[Any], processes: int) -> list[T]:
    """The result of a function for each part, in processes of this machine.

    Raises
    ------
    ConfigError
        If the function cannot be sent to other processes.
    DatasetError
        If a process has ended in the middle of its work.
    """
    message = pickled(func)
    workers = [_Worker(message) for _ in range(min(processes, len(parts)))]
    free: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)
    failed = threading.Event()

    def work(part: Any) -> Any:
        worker = free.get()
        try:
            return None if failed.is_set() else worker.work(part)
        except BaseException:
            # Later results would not be used.
            failed.set()
            raise
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers), "conv_analytics part")
    try:
        return list(pool.map(work, parts))
    finally:
        failed.set()
        for worker in workers:
            worker.end()
        pool.shutdown()


def by_dask(func: Callable[[Any], T], parts: Sequence[Any], client: Any) -> list[T]:
    """The result of a function for each part, on the workers of a client or cluster of Dask.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    if hasattr(client, "get_client") and not hasattr(client, "submit"):
        client = client.get_client()
    if not hasattr(client, "submit") or not hasattr(client, "gather"):
        raise ConfigError(
            f"client is a {type(client).__name__}: give a dask.distributed.Client, or a cluster such as LocalCluster."
        )
    futures = [client.submit(call, func, part, pure=False) for part in parts]
    try:
        return list(client.gather(futures))
    except BaseException:
        client.cancel(futures)
        raise


def pickled(func: Callable[..., Any]) -> bytes:
    """A function pickled for another process; one from a notebook cell, with everything that it refers to."""
    try:
        import cloudpickle  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        return _plainly_pickled(func)
    try:
        return bytes(cloudpickle.dumps(func))
    except Exception as error:
        raise ConfigError(
            f"{_name(func)} cannot be sent to another process: {error}. Let it take everything it needs from its part."
        ) from error


def _plainly_pickled(func: Callable[..., Any]) -> bytes:
    try:
        if getattr(func, "__module__", None) == "__main__":
            raise pickle.PicklingError("it is defined in __main__")  # noqa: TRY301  told as any other reason
        return pickle.dumps(func)
    except Exception as error:
        raise ConfigError(
            f"{_name(func)} cannot be sent to another process: {error}. Move it into a module that can be imported, or"
            " pip install 'conv-analytics[dask]', which brings cloudpickle."
        ) from error


def _name(func: Callable[..., Any]) -> str:
    return str(getattr(func, "__qualname__", type(func).__name__))


class _Worker:
    """A process that calls a function for one part after the other."""

    def __init__(self, message: bytes) -> None:
        if not is_interpreter(sys.executable):
            raise ConfigError(f"{sys.executable or 'this program'} is not a Python interpreter: use processes=1.")
        path = [each for each in sys.path if isinstance(each, str)]
        self._process = subprocess.Popen(  # noqa: S603  this interpreter
            [sys.executable, "-c", _CODE.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **own_session(),
        )
        self._message: bytes | None = message

    def work(self, part: Any) -> Any:
        """Call the function; raise what it raises."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            if self._message is not None:
                pickle.dump((os.getpid(), self._message), stdin)
                self._message = None
            pickle.dump(part, stdin)
            stdin.flush()
            answer = pickle.load(stdout)  # noqa: S301  from the process that this one started
        except (EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
            raise self._ended(part) from error
        if isinstance(answer, Failed):
            raise answer.error
        return answer

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:
                # The rest of the buffer has no reader any more.
                continue
        self._process.wait()

    def _ended(self, part: Any) -> DatasetError:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return DatasetError(
            f"The process of part {part.number} of {part.parts} {how}. If the system ended it for its memory, use"
            " more parts or fewer processes."
        )


__all__ = ["by_dask", "in_processes", "pickled"]
