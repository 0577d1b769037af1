"""Ctrl-C: a program that runs a stream ends, with all that the stream held released, wherever it was."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal
import sys
import anyio
from penstock.flow import Sink, Source

signal.alarm(120)  # should it not end

def say(*words):
    print(*words, flush=True)

def numbers():
    held = iter(range(10**9))
    return Source.unfold_resource(lambda: held, lambda held: next(held), lambda held: say("released"))

async def forever(x):
    say("ready")
    try:
        await anyio.sleep_forever()
    finally:
        say("call ended")

def never():
    say("ready")
    return Source.never()

STREAMS = {
    "calls": lambda: numbers().map_async(forever, parallelism=2).on_close(lambda outcome: say(outcome)),
    "computes": lambda: numbers().tap(lambda x: x or say("ready")).buffer(9).on_close(lambda outcome: say(outcome)),
    "waits": lambda: numbers().take(1).concat(Source.lazy(never)).on_close(lambda outcome: say(outcome)),
}

async def main():
    try:
        await STREAMS[sys.argv[1]]().run(Sink.ignore())
    finally:
        say("left")

try:
    anyio.run(main, backend=sys.argv[2])
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("stream", ["calls", "computes", "waits"])
def test_ctrl_c_releases_all(stream: str, backend: str) -> None:
    command = [sys.executable, "-W", "always", "-c", PROGRAM, stream, backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        lines: list[str] = []
        for line in child.stdout:
            lines.append(line.rstrip())
            if lines == ["ready"] or lines[-2:] == ["released", "ready"]:
                child.send_signal(signal.SIGINT)
    said = {line: lines.count(line) for line in lines}
    assert lines[-2:] == ["left", "interrupted"], lines
    assert said.pop("released") == said.pop("cancelled") == 1
    assert said.pop("call ended", 0) in ((1, 2) if stream == "calls" else (0,))
    assert set(said) == {"ready", "left", "interrupted"}  # no traceback, no warning
    assert child.returncode == 0
