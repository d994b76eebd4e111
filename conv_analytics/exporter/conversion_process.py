"""Another process that converts the pages of a run, so that the conversion does not hold up the download.

It is started with the interpreter of this one and imports this package alone: from a notebook, a script without a main
guard or standard input alike. It has the run's staging folder to write to; its state is lost with it, but no data: the
journal has every response until the run is committed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import IO, Any

import pyarrow as pa

from conv_analytics.child_process import is_interpreter, own_session
from conv_analytics.dataset.storage.commit import File
from conv_analytics.errors import DatasetError, redact
from conv_analytics.exporter.batch import Batch
from conv_analytics.exporter.batch_converter import Converted
from conv_analytics.exporter.conversion_task import FINISH, READY, ConversionTask, Failed
from conv_analytics.log import LOGGER, Entry

#: Longest time until the process is ready; a program that is no interpreter never would be. [s]
START_S = 60.0
#: Longest time for the process to end by itself. [s]
_END_S = 5.0
#: How often a commit with a deadline checks on it. [s]
_LOOK_S = 0.02
#: Characters of the process's standard error that are shown when it has died.
_SHOWN = 400

#: Allocators of Arrow's memory, best first, as far as its wheel has them. With jemalloc the process hardly grows
#: between one million events and five, and takes a sixth less time. The C library's keeps holes between small blocks,
#: and mimalloc, which is Arrow's own choice, a fifth more than is ever used at once.
_ALLOCATORS = ("jemalloc", "system")

#: Arrow imports pandas where it can, which takes longer than all the rest; the conversion does not need it.
_CODE = """\
import sys
sys.path[:] = {path!r}
class WithoutPandas:
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, WithoutPandas)
from conv_analytics.exporter.conversion_worker import main
sys.meta_path.remove(WithoutPandas)
main()
"""


def _allocators() -> dict[str, str]:
    """Environment variables that make the process release memory that it no longer uses.

    The C library's allocator has an arena per thread otherwise, each with holes of its own.
    """
    available = pa.supported_memory_backends()
    pool = next(name for name in _ALLOCATORS if name in available)
    return {"ARROW_DEFAULT_MEMORY_POOL": pool, "MALLOC_ARENA_MAX": "1"}


class ConversionProcess:
    """A process that does the work of `BatchConverter` and `StagedFiles` for one run.

    Parameters
    ----------
    task
        The facts about the run that it needs.
    at_once
        Whether it is started for a run of any size.
    """

    def __init__(self, task: ConversionTask, *, at_once: bool = False) -> None:
        self.used = False
        """Whether it has converted pages: then it has the run's files."""
        self.at_once = at_once
        self._task = task
        self._starting = False
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._how = ""

    def start(self, thread: Executor) -> None:
        """Start the process, once, in `thread`, without waiting for it."""
        if not self._starting:
            self._starting = True
            thread.submit(self._start)

    def ready(self) -> bool:
        """Wait until the process can convert; return whether it ever will. If it cannot, the log says why."""
        if self._process is None:
            return False
        timer = threading.Timer(START_S, self._process.kill)
        timer.start()
        try:
            answer = self._receive()
        except DatasetError as error:
            self._cannot_start(self._how or str(error))
            return False
        finally:
            timer.cancel()
        self.used = answer == READY
        if not self.used:
            self._cannot_start("it answers something else")
        return self.used

    def convert(self, batch: Batch) -> Converted:
        """Convert a batch, as `BatchConverter.convert`.

        Raises
        ------
        DatasetError
            If the process has ended.
        """
        converted: Converted = self._exchange(batch)
        return converted

    def finish(self, in_time: Callable[[], None]) -> tuple[File, ...]:
        """Let the process finish every file, and end."""
        with ThreadPoolExecutor(1) as waiting:
            finishing = waiting.submit(self._exchange, FINISH)
            try:
                while not wait([finishing], _LOOK_S).done:
                    in_time()
                files: tuple[File, ...] = finishing.result()
            except BaseException:
                self.drop()
                raise
        self._end()
        return files

    def drop(self) -> None:
        """End the process; its output is not used."""
        if self._process is not None:
            self._process.kill()
        self._end()

    def _start(self) -> None:
        if not is_interpreter(sys.executable):
            self._cannot_start(f"{sys.executable or 'this program'} is not a Python interpreter")
            return
        path = [each for each in sys.path if isinstance(each, str)]
        command = [sys.executable, "-c", _CODE.format(path=path)]
        try:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed when the process has ended
            self._process = subprocess.Popen(  # noqa: S603  this interpreter
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=_allocators() | os.environ,
                **own_session(),
            )
            self._send(self._task)
        except OSError as error:
            self._cannot_start(error.strerror or str(error))
        except DatasetError as error:
            self._cannot_start(self._how or str(error))

    def _cannot_start(self, reason: str) -> None:
        LOGGER.warning(Entry("converting in this process", {"reason": reason}))
        self.drop()
        self._process = None

    def _exchange(self, message: Any) -> Any:
        self._send(message)
        del message
        return self._receive()

    def _send(self, message: Any) -> None:
        stream = self._stream("stdin")
        try:
            pickle.dump(message, stream, pickle.HIGHEST_PROTOCOL)
            stream.flush()
        except OSError as error:
            raise self._ended() from error

    def _receive(self) -> Any:
        try:
            answer = pickle.load(self._stream("stdout"))  # noqa: S301  from the process that this one started
        except (EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
            raise self._ended() from error
        if isinstance(answer, Failed):
            raise answer.error
        return answer

    def _stream(self, name: str) -> IO[bytes]:
        stream: IO[bytes] | None = getattr(self._process, name)
        if stream is None or stream.closed:
            raise self._ended()
        return stream

    def _ended(self) -> DatasetError:
        """The error that says how the process ended."""
        how = "never started"
        if self._process is not None:
            try:
                code = self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        stderr = self._stderr_tail()
        self._how = f"the process that converts {how}{f' ({stderr.splitlines()[-1]})' if stderr else ''}"
        return DatasetError(
            f"T{self._how[1:]}. Nothing was committed, and what was downloaded is kept: run the same call again. If the"
            " system ended it for its memory, processes=1 (--processes 1) does with less."
        )

    def _stderr_tail(self) -> str:
        """The end of what the process wrote to its standard error."""
        if self._errors is None or self._errors.closed:
            return ""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _SHOWN))
        return redact(self._errors.read().decode("utf-8", "replace").strip())

    def _end(self) -> None:
        """Wait for the end of the process, and clean up after it."""
        if self._errors is not None:
            self._errors.close()
        process = self._process
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:
                # The rest of the buffer has no reader any more.
                continue
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
