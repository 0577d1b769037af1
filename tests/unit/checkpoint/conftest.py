"""Stores to test: a directory, and a bucket of an emulator."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from penstock.checkpoint.store import open_store

BUCKET = "checkpoints"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def emulator():
    """The address of an emulator of S3 with an empty bucket."""
    pytest.importorskip("obstore")
    program = Path(sys.executable).parent / "moto_server"
    if not program.exists():
        pytest.skip("moto is not installed")
    port = free_port()
    command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment)
    try:
        for _ in range(300):
            assert server.poll() is None, "moto_server has ended"
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        made = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
        urllib.request.urlopen(made, timeout=30).close()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def options_of(endpoint):
    return {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "someone",
        "secret_access_key": "not-a-secret",
        "allow_http": True,
    }


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.slow)])
def reopen(request, tmp_path):
    """Opens the same store again, each time as another process would."""
    if request.param == "directory":
        place, options = tmp_path / "state", None
    else:
        place, options = f"s3://{BUCKET}/{tmp_path.name}", options_of(request.getfixturevalue("emulator"))
    opened = []

    def again():
        opened.append(open_store(place, options))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen):
    return reopen()
