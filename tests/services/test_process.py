"""Ports, and children that end with whoever started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from tests.house.sources import ROOT
from tests.services.process import PORTS, Child, Service, StartFailed, alive, free_port

ECHO = """
import socket, subprocess, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", flush=True)
while True:
    client, _ = server.accept()
    with client:
        client.sendall(client.recv(100))
"""


class Echo(Service):
    """A server in Python, with a child of its own that does not notice when it dies."""

    name: ClassVar[str] = "echo"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()

    def usage(self) -> str:
        return f"nc 127.0.0.1 {self.port}"

    def launch(self) -> None:
        self.run("echo", [sys.executable, "-c", ECHO, str(self.port)])

    def probe(self) -> None:
        assert self.ask() == b"hello"

    def ask(self, seconds: float = 5) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), seconds) as client:
            client.sendall(b"hello")
            return client.recv(100)


def until(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_ports_are_handed_out_once_even_to_several_processes() -> None:
    here = [free_port() for _ in range(20)]
    code = "from tests.services.process import free_port\nfor _ in range(20): print(free_port())"
    there = [int(line) for line in subprocess.check_output([sys.executable, "-c", code], cwd=ROOT).split()]
    assert len({*here, *there}) == 40
    assert all(port in PORTS for port in here)


@pytest.mark.slow
def test_a_server_answers_and_is_stopped_with_all_its_processes_and_its_folder() -> None:
    with Echo() as echo:
        assert until(lambda: len(echo.pids) == 2)
        pids = echo.pids
        assert echo.ask() == b"hello"
    assert not any(alive(pid) for pid in pids)
    assert not echo.folder.exists()


@pytest.mark.slow
def test_a_server_that_was_killed_starts_again_on_its_port() -> None:
    with Echo() as echo:
        assert until(lambda: len(echo.pids) == 2)
        pids = echo.pids
        echo.kill()
        assert not echo.running
        assert not any(alive(pid) for pid in pids)
        with pytest.raises(ConnectionRefusedError):
            echo.ask()
        echo.restart()
        assert echo.ask() == b"hello"


@pytest.mark.slow
def test_a_server_that_is_paused_stalls_and_goes_on() -> None:
    with Echo() as echo:
        echo.pause()
        with pytest.raises(TimeoutError):
            echo.ask(seconds=0.2)
        assert echo.running
        echo.resume()
        assert echo.ask() == b"hello"
        echo.pause()  # and is stopped all the same


def test_a_server_that_ends_is_reported_at_once_with_the_end_of_its_log() -> None:
    class Broken(Echo):
        def launch(self) -> None:
            self.run("broken", [sys.executable, "-c", "raise SystemExit('the port is on fire')"])

    began = time.monotonic()
    with pytest.raises(StartFailed, match="the port is on fire"):
        Broken().__enter__()
    assert time.monotonic() - began < Broken.start_seconds


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(Echo):
        start_seconds: ClassVar[float] = 0.1

        def launch(self) -> None:
            self.run("mute", [sys.executable, "-c", "import time; time.sleep(600)"])

    mute = Mute()
    with pytest.raises(StartFailed, match="did not answer"):
        mute.__enter__()
    assert not mute.pids


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part in it is Linux'")
def test_a_server_ends_when_the_test_run_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\nfrom tests.services.process import Child\nsleep = 'import time; time.sleep(600)'\n"
        f"child = Child('sleeper', [sys.executable, '-c', sleep], folder=pathlib.Path({str(tmp_path)!r}))\n"
        "print(child.pid, flush=True)\ntime.sleep(600)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    with run:
        pid = int(run.stdout.readline())
        assert alive(pid)
        os.kill(run.pid, signal.SIGKILL)
    assert until(lambda: not alive(pid))


def test_a_child_of_another_thread_is_refused(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="main thread"):
        pool.submit(Child, "child", ["true"], folder=tmp_path).result()
