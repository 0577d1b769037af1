"""A TCP proxy in front of a server, which fails when it is told to: what a network does to a client.

    with Proxy(postgres.port) as proxy:
        ... a client of 127.0.0.1:proxy.port ...
        proxy.drop_replies(when=b"COMMIT")   # the server commits, and the client never hears of it
        proxy.reset()                        # and is cut off

Faults hold for connections that are open and for new ones, until `heal`; `reset` and `half_close` happen once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

CHUNK = 65_536


class Connection:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.half_closed = False
        self.lost = False  # some of its bytes were dropped
        self.tail = b""  # the last requests, to find what stands across two pieces

    def reset(self) -> None:
        """Cut both sides, with RST and not with FIN."""
        _reset(self.client)
        _reset(self.server)


class Proxy:
    """Forwards connections of a loopback port of its own to another, in a thread of its own.

    Args:
        target: The port of the server.
        port: The port to listen on; 0 for a free one.

    Attributes:
        port: The port that it listens on, the same after `refuse` and `heal`.
        address: `127.0.0.1:port`.
        taken: How many connections it has taken so far.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self.target, self.port, self.taken = target, port, 0
        self._delay = 0.0
        self._left: dict[str, int] = {}  # by direction that drops: the bytes that still pass
        self._when = b""
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    # -- What goes wrong ----------------------------------------------------------

    def drop_replies(self, *, after: int = 0, when: bytes = b"") -> None:
        """The server gets the requests, the client no replies: a commit whose outcome is unknown.

        Args:
            after: So many bytes of replies pass before.
            when: Begin when a request contains this; else at once.
        """
        self._call(self._drop("replies", after, when))

    def drop_requests(self, *, after: int = 0) -> None:
        """The server gets no requests (after so many bytes): the client waits for a reply."""
        self._call(self._drop("requests", after))

    def delay(self, seconds: float) -> None:
        """What arrives from now on is passed on so much later, in both directions."""
        self._delay = seconds

    def refuse(self) -> None:
        """New connections are refused; open ones live on."""
        self._call(self._stop_listening())

    def reset(self) -> None:
        """All connections are cut, with a reset to both sides."""
        self._call(self._reset_all())

    def half_close(self) -> None:
        """For all clients the server's side is at its end; they may still send."""
        self._call(self._half_close_all())

    def heal(self) -> None:
        """All faults end. Connections that have lost bytes are reset: they would be out of step."""
        self._call(self._heal())

    async def _drop(self, direction: str, after: int, when: bytes = b"") -> None:
        self._when = when
        self._left.pop(direction, None)
        if not when:
            self._left[direction] = after

    async def _reset_all(self) -> None:
        for connection in self._connections:
            connection.reset()

    async def _half_close_all(self) -> None:
        for connection in self._connections:
            connection.half_closed = True
            with contextlib.suppress(OSError):  # closed already
                connection.client.write_eof()

    async def _heal(self) -> None:
        self._left, self._when, self._delay = {}, b"", 0.0
        for connection in self._connections:
            if connection.lost:
                connection.reset()
        await self._listen()

    # -- Forwarding -----------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, limit=CHUNK)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._stop_listening()
        await self._reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn

    async def _take(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.taken += 1
        try:
            replies, server = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        except OSError:
            _reset(client)
            return
        connection = Connection(client, server)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._forward(connection, requests, server, "requests"),
                self._forward(connection, replies, client, "replies"),
            )
            client.close()
            server.close()
        except OSError:  # one side was reset: so is the other
            connection.reset()
        finally:
            self._connections.discard(connection)
            connection.client.transport.abort()
            connection.server.transport.abort()

    async def _forward(
        self, connection: Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str
    ) -> None:
        """Pass on what comes, as faults allow, and then that there is no more."""
        while data := await source.read(CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            data = self._allowed(connection, data, direction)
            if data:
                sink.write(data)
                await sink.drain()
        if not (sink is connection.client and connection.half_closed) and not sink.is_closing():
            sink.write_eof()

    def _allowed(self, connection: Connection, data: bytes, direction: str) -> bytes:
        """What passes of a piece."""
        if self._when and direction == "requests":
            seen = connection.tail + data
            connection.tail = seen[-len(self._when) :]
            if self._when in seen:
                self._left.setdefault("replies", 0)
        if direction == "replies" and connection.half_closed:
            return b""
        if direction not in self._left:
            return data
        passing = data[: self._left[direction]]
        self._left[direction] -= len(passing)
        connection.lost = connection.lost or len(passing) < len(data)
        return passing


def _reset(end: asyncio.StreamWriter) -> None:
    """Close with RST."""
    wire = end.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed already
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()
