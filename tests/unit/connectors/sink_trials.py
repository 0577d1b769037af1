"""A run of a file sink that is killed at a chosen step: as a process, by the system; and what must hold after it.

As a program it runs once for every step that it passes, each in a process of its own, and kills it there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from penstock.connectors import _file_log
from penstock.connectors.base import Sealed, Token, WriteRequest
from penstock.connectors.files import FileSink
from penstock.core import failpoint
from penstock.core.schema import Schema
from penstock.testing.conform import sealed

FRAME = pl.DataFrame({"k": list("aabcb/d"), "n": list(range(7))})
SCHEMA = Schema.of(dict(FRAME.schema))
EPOCHS = [FRAME[:2], FRAME[2:3], FRAME.clear(), FRAME[3:5], FRAME[5:]]
FORMER = pl.DataFrame({"k": ["former", "older"], "n": [-1, -2]})
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "partitioned": {"partition_by": "k", "roll_rows": 1},
    "kept": {"keep": 40, "roll_rows": 1},
}
MODES = ("error", "append", "overwrite")


@dataclass
class Trial:
    """One directory, written in a mode and a layout, with the checkpoints that a pipeline would have."""

    folder: Path
    mode: str
    layout: str
    seen: list[Token] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def sink(self, mode: str) -> FileSink:
        return FileSink(self.out, mode=mode, format="json", **LAYOUTS[self.layout])

    def former(self) -> None:
        """The output of a former run, of two epochs."""
        if self.mode == "error":
            return
        writer = self.sink("error").writer(request("former", fresh=True))
        for epoch in range(2):
            writer.write(FORMER[epoch : epoch + 1], None)
            writer.commit([sealed(writer, epoch)])
        writer.close()

    def checkpoints(self) -> list[Sealed]:
        """The epochs that were sealed and are in the state of the pipeline."""
        found = sorted((self.folder / "state").glob("*.json"))
        return [Sealed(Token(*token), value) for token, value in (json.loads(one.read_text()) for one in found)]

    def checkpoint(self, made: Sealed) -> None:
        """Keep a sealed epoch, at once and whole."""
        state = self.folder / "state"
        state.mkdir(parents=True, exist_ok=True)
        (state / "new").write_text(json.dumps([made.token, made.value]))
        (state / "new").rename(state / f"{made.token.epoch:04}.json")

    def run(self, *, resumed: bool) -> None:
        """Write all epochs that are not sealed; each second time two of them are published together."""
        done = self.checkpoints() if resumed else []
        writer = self.sink(self.mode).writer(request("pipeline", fresh=not done))
        token = writer.last_token()
        waiting = [one for one in done if token is None or one.token.epoch > token.epoch]
        for epoch, frame in list(enumerate(EPOCHS))[len(done) :]:
            writer.write(frame, None)
            waiting.append(sealed(writer, epoch))
            self.checkpoint(waiting[-1])
            if epoch % 2:
                writer.commit(waiting)
                waiting = []
        writer.commit(waiting)
        writer.close()


def request(pipeline: str, fresh: bool) -> WriteRequest:
    # The kit seals all epochs under this name.
    return WriteRequest(SCHEMA, (), False, "conformance" if pipeline == "pipeline" else pipeline, fresh)


class Counting(dict):
    """Failpoints that end the process at the n-th step."""

    def __init__(self, left: int, end: Any) -> None:
        super().__init__(any=None)
        self.left, self.end = left, end
        self.names: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.names.append(name)
        self.left -= 1
        if self.left < 0:
            self.end()
        return None


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, mode: str, layout: str) -> None:
    """Run in a child that is killed at step 0, in one that is killed at step 1, and so on until one ends."""
    _file_log.GATHERED = 3
    os.fsync = lambda descriptor: None  # what is written outlives the process, if not the machine
    steps, status = 0, 1
    while status:
        trial = Trial(folder / f"{steps:04}", mode, layout)
        child = os.fork()
        if not child:
            trial.former()
            failpoint.ACTIONS = Counting(steps, _killed)
            trial.run(resumed=False)
            (folder / "names.json").write_text(json.dumps(failpoint.ACTIONS.names))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status not in (0, signal.SIGKILL):
            sys.exit(f"the child that is killed at step {steps} ended with {status}")
        steps += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
