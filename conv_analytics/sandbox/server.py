"""HTTP on a socket: aiohttp in a separate thread. The only module that imports aiohttp."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from conv_analytics.sandbox.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.faults import Fault
    from conv_analytics.sandbox.wire import Reply

    Answer = Callable[[Request, str], tuple[Reply | None, Fault | None]]
    Log = Callable[[Request, str, int], None]

START_TIMEOUT_S = 30
NO_LINGER = struct.pack("ii", 1, 0)  # close sends RST instead of FIN


def free_socket(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes any free one."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


class HttpServer:
    """Serves `answer` on a bound socket until closed."""

    def __init__(
        self,
        listening: socket.socket,
        answer: Answer,
        log: Log,
        latency_s: float = 0.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Start at once; returns when the server accepts connections. The Date header shows `now`."""
        self._answer, self._log, self._latency_s, self._now = answer, log, latency_s, now
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="conv-analytics-sandbox", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S) or self._failure is not None:
            message = "the sandbox's server did not start"
            raise RuntimeError(message) from self._failure

    def close(self) -> None:
        """Stop serving and wait for the thread to end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(START_TIMEOUT_S)

    def _run(self, listening: socket.socket) -> None:
        try:
            self._loop.run_until_complete(self._serve(listening))
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that started us
            self._failure = failure
        finally:
            self._ready.set()
            self._loop.close()
            listening.close()

    async def _serve(self, listening: socket.socket) -> None:
        server = web.Server(self._handle, access_log=None)
        runner = web.ServerRunner(server)
        await runner.setup()
        site = web.SockSite(runner, listening, backlog=1024)
        await site.start()
        self._ready.set()
        await self._stop.wait()
        await runner.shutdown()
        await server.shutdown(timeout=0.2)
        await runner.cleanup()
        # Answers that are still delayed: no client waits for them any more.
        late = asyncio.all_tasks() - {asyncio.current_task()}
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        target = http.raw_path
        body = await http.read() if http.body_exists else b""
        request = Request.of(http.method, target, http.headers.get("Authorization"), body)
        reply, fault = self._answer(request, target)
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if fault is not None:
            if fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault.cut != "no":
                self._log(request, target, 0)
                return await self._cut(http, reply, fault)
        if reply is None:
            message = "there is nothing to answer"
            raise RuntimeError(message)
        self._log(request, target, reply.status)
        return _response(reply, self._now())

    async def _cut(self, http: web.BaseRequest, reply: Reply | None, fault: Fault) -> web.StreamResponse:
        transport = http.transport
        if transport is None:
            return web.StreamResponse()
        if fault.cut != "before" and reply is not None:
            head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type}\r\n"
            head += f"Content-Length: {max(len(reply.body), 2)}\r\n\r\n"
            transport.write(head.encode() + reply.body[: len(reply.body) // 2])
            await asyncio.sleep(0)
        if fault.cut == "truncate":
            transport.close()
        else:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
        raise asyncio.CancelledError  # ends aiohttp's handling of this connection without another answer


def _response(reply: Reply, now: float) -> web.Response:
    headers = {"Content-Type": reply.content_type, "Date": formatdate(int(now), usegmt=True), **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)
