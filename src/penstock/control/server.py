"""The endpoint of a running pipeline: loopback only, a random token, few connections, short lines."""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock.control import protocol
from penstock.core import files
from penstock.core.errors import PenstockError
from penstock.core.threads import Worker, lock

Handler = Callable[[Mapping[str, Any]], Any]
"""Does a command; gives what can be written as JSON."""

MOST_CONNECTIONS = 16
IDLE_SECONDS = 60.0
FILE = "control.json"


class Server:
    """Answers requests until it is closed.

    Its address and token are in `control.json` of the state directory, that only its owner may read.

    Args:
        folder: The state directory.
        pipeline: The name of the pipeline.
        handlers: What each command does. They are called in threads of the server.

    Raises:
        OSError: If no port can be had, or the file cannot be written.
    """

    def __init__(self, folder: Path, pipeline: str, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._token = files.unique_name() + files.unique_name()
        self._path = folder / FILE
        self._lock = lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=MOST_CONNECTIONS)
        host, port = self._socket.getsockname()
        told = {"penstock": protocol.VERSION, "address": f"{host}:{port}", "token": self._token}
        told |= {"pid": files.process(), "pipeline": pipeline}
        files.make_directory(folder)
        files.replace(self._path, json.dumps(told).encode(), mode=0o600)
        self._worker = Worker("control", self._accept).start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with self._lock:
                full = len(self._open) >= MOST_CONNECTIONS
                if not full:
                    self._open.add(connection)
            if full:
                connection.close()
                continue
            connection.settimeout(IDLE_SECONDS)
            Worker("control-answer", lambda c=connection: self._serve(c)).start()  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                while line := lines.readline(protocol.MOST_REQUEST):
                    reply, go_on = self._answer(line)
                    connection.sendall(reply)
                    if not go_on:
                        return
        except OSError:
            return  # the other side has gone, or said nothing for too long
        finally:
            with self._lock:
                self._open.discard(connection)

    def _answer(self, line: bytes) -> tuple[bytes, bool]:
        try:
            asked = protocol.read_request(line)
            if not hmac.compare_digest(asked.token.encode(), self._token.encode()):
                return protocol.refusal("the token is wrong"), False
            handler = self._handlers.get(asked.do)
            if handler is None:
                known = ", ".join(sorted(self._handlers))
                return protocol.refusal(f'no command "{asked.do}"', f"known: {known}", 2), True
            reply = protocol.answer(handler(asked.arguments))
        except PenstockError as failure:
            return protocol.refusal(failure.message, failure.hint, failure.exit_code), True
        except (TypeError, ValueError, KeyError) as wrong:
            return protocol.refusal(f"the arguments are not understood: {wrong}", code=2), True
        if len(reply) > protocol.MOST_ANSWER:
            return protocol.refusal("the answer is too long", "ask for less", 2), True
        return reply, True

    def close(self) -> None:
        """End all connections and remove the file."""
        self._closed = True
        files.remove(self._path)
        with contextlib.suppress(OSError):  # not everywhere can a listening socket be shut down
            self._socket.shutdown(socket.SHUT_RDWR)  # which wakes `accept`: closing alone does not
        self._socket.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.close()
        self._worker.join(1_000_000)
