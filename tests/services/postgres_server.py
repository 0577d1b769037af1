"""A real PostgreSQL server in a folder of its own, which tests may kill."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE = 20.0


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, which Debian keeps out of PATH."""
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"the program {name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


class PostgresServer:
    """Starts, stops and kills a server; its rows stay."""

    def __init__(self, *settings: str) -> None:
        self._postgres, initdb = program("postgres"), program("initdb")
        # PostgreSQL refuses root, and its user could not enter pytest's folders.
        self._user: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
        if os.geteuid() == 0:
            self._user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        subprocess.run([initdb, "-D", f"{self.folder}/data", *options], check=True, capture_output=True, **self._user)
        with (self.folder / "data/postgresql.auto.conf").open("a") as file:
            lines = ["listen_addresses='127.0.0.1'", f"port={self.port}", f"unix_socket_directories='{self.folder}'"]
            file.write("\n".join([*lines, "shared_buffers=32MB", "max_connections=40", *settings, ""]))

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> PostgresServer:
        """Start it, and wait for its first answer."""
        end = time.monotonic() + PATIENCE
        while True:
            self._run()
            while self._process.poll() is None:  # type: ignore[union-attr]
                with contextlib.suppress(psycopg.Error):
                    psycopg.connect(self.url, connect_timeout=2).close()
                    return self
                time.sleep(0.02)
                assert time.monotonic() < end, self.log()
            # Sessions of a server that was killed may live a moment longer, and hold its memory.
            time.sleep(0.1)
            assert time.monotonic() < end, self.log()

    def _run(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._postgres, "-D", f"{self.folder}/data"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                cwd=self.folder, **self._user,
            )  # fmt: skip

    def run_without_login(self) -> None:
        """Start it where nobody is let in without a password: by its socket."""
        self._run()
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(psycopg.Error):
                psycopg.connect(f"host={self.folder} port={self.port} user=postgres dbname=postgres").close()
                return
            if self._process.poll() is not None:  # type: ignore[union-attr]
                time.sleep(0.1)
                self._run()
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-3_000:]

    def kill(self) -> None:
        """End all its processes at once: sessions would otherwise live on until they notice."""
        assert self._process is not None
        sessions = _children(self._process.pid)
        self._process.send_signal(signal.SIGKILL)
        for one in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, query: Any, values: Any = None) -> list[Any]:
        """The rows of a query, over a connection of its own."""
        with psycopg.connect(self.url) as link:
            return link.execute(query, values).fetchall()

    def run(self, statement: Any) -> None:
        with psycopg.connect(self.url) as link:
            link.execute(statement)


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


@contextlib.contextmanager
def running(*settings: str) -> Iterator[PostgresServer]:
    """A server for as long as it is needed."""
    server = PostgresServer(*settings)
    try:
        yield server.start()
    finally:
        server.stop()
