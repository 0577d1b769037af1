"""What all servers share: ports, child processes, waiting until a server answers, and ways to hurt it.

A server ends with the process that started it, whatever ends that one: the kernel kills the children of a run that
was killed (Linux), so nothing is left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

PORTS = range(12_000, 32_000)
"""Below the ephemeral ports (32768 and up on Linux), so that no client's socket gets in the way of a restart."""

MARK = "PENSTOCK_SERVICE"
"""A variable in the environment of every server: the folder that it was started in."""

_LAUNCH = Path(__file__).with_name("launch.py")
_held: dict[int, int] = {}
_names = random.Random(os.urandom(8))


class Unavailable(Exception):
    """A server is not installed and cannot be; the text says what was tried."""


class StartFailed(Exception):
    """A server did not come up, or ended; the text has the end of its log."""


# -- Ports -----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A loopback port that nobody listens on, and that no other test run of this user gets while this one lives."""
    folder = Path(tempfile.gettempdir()) / f"penstock-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for _ in range(1_000):
        port = _names.choice(PORTS)
        if port in _held:
            continue
        lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _held[port] = lock  # until this process ends
        return port
    raise StartFailed(f"no free port between {PORTS.start} and {PORTS.stop}")


# -- One process -----------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """The processes that came from this one, directly or not, by /proc; empty where there is none."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            after_name = entry.read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    found, left = [], [pid]
    while left:
        new = parents.get(left.pop(), [])
        found += new
        left += new
    return found


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended (a zombie has)."""
    try:
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
        os.kill(pid, 0)
    except OSError:
        return False
    return True


class Child:
    """A running program with its log; signals go to all processes that came from it."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start servers from the main thread: they end with the thread that started them")
        self.name, self.log = name, folder / f"{name}.log"
        self._from = self.log.stat().st_size if self.log.exists() else 0
        launch: list[str | Path] = [sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), user]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [*launch, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=folder,
                env={**os.environ, **(environment or {}), MARK: str(folder)},
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def tail(self, lines: int = 30) -> str:
        """The last lines that it has written since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:]) or "(it wrote nothing)"

    def signal_all(self, number: int) -> list[int]:
        """Send a signal to it and to all that came from it; they are stopped first so that no new one comes."""
        if not self.running:
            return []
        os.kill(self.pid, signal.SIGSTOP)
        found = [self.pid, *children(self.pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            os.kill(self.pid, signal.SIGCONT)
        return found

    def end(self, number: int, seconds: float) -> None:
        """Ask it to end by this signal; what is left of it when it has, or has not in time, is killed."""
        found = [self.pid, *children(self.pid)] if self.running else []
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
        self.kill(found)

    def kill(self, besides: Sequence[int] = ()) -> None:
        """Kill -9 all of it, and wait until no process of it is left."""
        found = [*self.signal_all(signal.SIGKILL), *filter(alive, besides)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait(30)
        until = time.monotonic() + 30
        while any(alive(pid) for pid in found):
            if time.monotonic() > until:
                raise StartFailed(f"{self.name}: a process outlived SIGKILL")
            time.sleep(0.01)


# -- A server --------------------------------------------------------------------------------------------------------


class Service(ABC):
    """A server with its folder and ports, which stay the same over restarts.

    As a context manager it is started at the beginning; at the end it is stopped and its folder removed.

    Attributes:
        folder: Where its data, settings and logs are.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 60
    stop_seconds: ClassVar[float] = 20
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"penstock-{self.name}-"))
        self.processes: list[Child] = []
        self._prepared = False

    # What a server says of itself.

    @classmethod
    def install(cls) -> None:
        """Install what is missing; raises `Unavailable` if it cannot be had."""

    def prepare(self) -> None:
        """Write settings and make its data: once, before the first start."""

    @abstractmethod
    def usage(self) -> str:
        """A few lines on its address and how to use it by hand."""

    @abstractmethod
    def launch(self) -> None:
        """Start the processes, by `run`."""

    @abstractmethod
    def probe(self) -> None:
        """Ask something that only a server that is ready can answer; raise if it does not."""

    # What one does with it.

    def start(self) -> Self:
        """Start, and wait until it answers.

        Raises:
            Unavailable: It is not installed, and cannot be.
            StartFailed: It ended or did not answer in time.
        """
        if self.running:
            return self
        if not self._prepared:
            self.install()
            self.prepare()
            self._prepared = True
        self.processes = []
        try:
            self.launch()
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Stop as an administrator would; data and ports are kept."""
        for process in reversed(self.processes):
            process.end(self.stop_signal, self.stop_seconds)

    def kill(self) -> None:
        """Kill -9 all of its processes: a crash."""
        for process in reversed(self.processes):
            process.kill()

    def pause(self) -> None:
        """Stall: connections stay open, nothing is answered."""
        for process in self.processes:
            process.signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        for process in self.processes:
            process.signal_all(signal.SIGCONT)

    def restart(self) -> None:
        """Stop if it runs, and start on the same ports and data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether all of its processes run (they may be paused)."""
        return bool(self.processes) and all(process.running for process in self.processes)

    @property
    def pids(self) -> list[int]:
        """All of its processes."""
        return [pid for child in self.processes if child.running for pid in (child.pid, *children(child.pid))]

    # For the subclasses.

    def run(self, name: str, arguments: Sequence[str | Path], **options: Any) -> Child:
        """Start one of its processes."""
        self.processes.append(Child(name, arguments, folder=self.folder, **options))
        return self.processes[-1]

    def once(self, name: str, arguments: Sequence[str | Path], **options: Any) -> str:
        """Run a program to its end, which must be a success; gives its output."""
        child = Child(name, arguments, folder=self.folder, **options)
        try:
            if child.popen.wait(60) != 0:
                raise StartFailed(f"{self.name}: {name} ended with {child.popen.returncode}:\n{child.tail()}")
        finally:
            child.kill()
        return child.tail()

    def wait_until_ready(self, probe: Any = None) -> None:
        """Ask until there is an answer; fails as soon as a process ends."""
        until = time.monotonic() + self.start_seconds
        while True:
            self._check_processes()
            try:
                (probe or self.probe)()
                return
            except Exception as error:
                if time.monotonic() > until:
                    tails = "\n".join(f"{child.name}:\n{child.tail()}" for child in self.processes)
                    raise StartFailed(
                        f"{self.name} did not answer in {self.start_seconds} s ({error!r})\n{tails}"
                    ) from error
            time.sleep(0.03)

    def _check_processes(self) -> None:
        for child in self.processes:
            if not child.running:
                raise StartFailed(f"{self.name}: {child.name} ended with {child.popen.returncode}:\n{child.tail()}")

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(port: int, seconds: float = 1) -> None:
    """Open a connection and close it: cheaper than a client, and quiet when nobody listens."""
    socket.create_connection(("127.0.0.1", port), seconds).close()
