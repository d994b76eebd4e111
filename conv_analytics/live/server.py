"""Serves the application on a socket, with uvicorn, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from conv_analytics.errors import ConfigError
from conv_analytics.live.application import Application
from conv_analytics.log import LOGGER, Entry

if TYPE_CHECKING:
    import uvicorn

#: Longest time at the end to finish requests that are being answered. [s]
DRAIN_S = 15
#: Connections that may wait to be accepted: calls come in bursts.
BACKLOG = 8192
#: Longer than the senders keep a connection: the side that closes it first decides who sees an error. [s]
_KEEP_ALIVE_S = 75


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free port.

    Raises
    ------
    ConfigError
        If the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{host} port {port} cannot be used: {reason}. Choose others with --host and --port."
        ) from None
    # asyncio sets this only for sockets that name their protocol; connections inherit it.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(application: Application, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; then answer what was sent, seal the inbox, and fold it in.

    Parameters
    ----------
    application
        The ASGI application.
    listening
        The socket.
    ready
        Called when the inbox is open.

    Raises
    ------
    ConfigError
        If uvicorn is not installed.
    DestinationError
        If the folder cannot be written to.
    """
    try:
        import uvicorn  # noqa: PLC0415 - of the extra [live]
    except ImportError:
        raise ConfigError('A listener needs uvicorn: pip install "conv-analytics[live]".') from None
    config = uvicorn.Config(
        application,
        lifespan="off",
        access_log=False,
        log_config=None,
        # The headers of a teed answer stay as they are, and our own code determines the sender's address.
        server_header=False,
        date_header=application.tee is None,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )

    class Server(uvicorn.Server):
        """A server that signals end in order, without raising them again: this is the normal end of a listener."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            with _signals(self):
                yield

    async def run() -> None:
        async with application:
            ready()
            await Server(config).serve(sockets=[listening])

    with _logged(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


class _Log(logging.Handler):
    """Passes the server's messages on to the log of this package."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields = {
            "message": record.getMessage(),
            "error": None if error is None else f"{type(error).__name__}: {error}",
        }
        LOGGER.log(record.levelno, Entry("server", fields))


@contextlib.contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    """Let signals stop a server; those that come while it stops change nothing."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    numbers = (signal.SIGINT, signal.SIGTERM)
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop) for number in numbers} if in_main else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    logger, handler = logging.getLogger("uvicorn"), _Log()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
