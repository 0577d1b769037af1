"""What tests of the PostgreSQL sink need besides a server: a database to ask, a proxy that fails, TLS."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from typing import Any

import psycopg

from tests.services.postgres import Postgres


class Database:
    """A database of a server that a test may kill."""

    def __init__(self, service: Postgres, url: str) -> None:
        self.url, self.port = url, service.port
        self.start, self.kill = service.start, service.kill
        self._service = service

    @property
    def running(self) -> bool:
        return self._service.running

    def rows(self, query: Any, values: Any = None) -> list[Any]:
        """The rows of a query, over a connection of its own."""
        with psycopg.connect(self.url) as link:
            return link.execute(query, values).fetchall()

    def run(self, statement: Any) -> None:
        with psycopg.connect(self.url) as link:
            link.execute(statement)


class Secured(Postgres):
    """A server that takes nobody without TLS and a password; its certificate is one of its own."""

    password = "Zq8-canary"

    def prepare(self) -> None:
        super().prepare()
        data = self.folder / "data"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
        files = ["-keyout", data / "server.key", "-out", data / "server.crt"]
        command_line = [*command.split(), "subjectAltName=DNS:localhost", *files]
        subprocess.run(command_line, check=True, capture_output=True, timeout=60)
        shutil.copy(data / "server.crt", self.folder / "authority.crt")
        for name in ("server.key", "server.crt"):
            (data / name).chmod(0o600)
            if self._user:
                shutil.chown(data / name, self._user, self._user)
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write("ssl = 'on'\n")
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n")

    def probe(self) -> None:
        with psycopg.connect(f"host={self.folder} port={self.port} user=postgres dbname=postgres") as link:
            link.execute(f"ALTER ROLE postgres PASSWORD '{self.password}'")


class Proxy:
    """Between a client and a server: it can hold back all answers, or that to a COMMIT, and end the connection."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.silent = threading.Event()
        self.cut_at_commit = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._start(self._accept)

    def _start(self, run: Any, *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets.append(server)
                self._start(self._pump, client, server, True)
                self._start(self._pump, server, client, False)

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                cut = from_client and self.cut_at_commit.is_set() and data.endswith(b"COMMIT\0")
                if cut:
                    self.silent.set()
                if from_client or not self.silent.is_set():
                    sink.sendall(data)
                if cut:
                    time.sleep(0.2)  # the server commits, and nobody hears of it
                    break
        if from_client or not self.silent.is_set():
            _end(source)
            _end(sink)

    def heal(self) -> None:
        self.silent.clear()
        self.cut_at_commit.clear()

    def close(self) -> None:
        _end(self._listener)
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join(5)
        for one in (self._listener, *self._sockets):
            one.close()


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
