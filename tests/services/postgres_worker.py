"""A small engine in a process of its own: epochs are made durable in files, then published; it may be killed anywhere.

    python -m tests.services.postgres_worker FOLDER URL EPOCHS KIND POINT ACTION TIMES

The epoch n has rows that follow from n alone. A file `<n>` in the folder is a sealed epoch; a number that is
there cannot be made again, so that of two workers one is told that it was superseded.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penstock.connectors.base import Content, Sealed, Writer, WriteRequest, seal
from penstock.connectors.postgres import PostgresSink
from penstock.core import failpoint
from penstock.core.dtypes import Int64, String
from penstock.core.errors import PenstockError
from penstock.core.schema import Schema

SCHEMA = Schema.of({"epoch": Int64, "id": Int64, "word": String})
ROWS = 40
KEYS = 30


def table_at(number: int) -> dict[int, int]:
    """By key the epoch that wrote it last; some keys come and go."""
    there: dict[int, int] = {}
    for epoch in range(1, number + 1):
        for key in range(KEYS):
            if (key + epoch) % 3 == 0:
                there[key] = epoch
            elif (key * epoch) % 7 == 1:
                there.pop(key, None)
    return there


def rows_of(pairs: Any) -> pl.DataFrame:
    return pl.DataFrame(
        [(epoch, key, f"{epoch}\t{key}") for key, epoch in pairs], schema=SCHEMA.to_polars(), orient="row"
    )


def fill(writer: Writer, epoch: int, kind: str) -> None:
    """Give the writer the rows of an epoch in two steps."""
    if kind == "append":
        for part in (range(ROWS // 2), range(ROWS // 2, ROWS)):
            writer.write(rows_of((key, epoch) for key in part), None)
        return
    before, after = table_at(epoch - 1), table_at(epoch)
    gone = [(key, old) for key, old in before.items() if after.get(key) != old]
    come = [(key, new) for key, new in after.items() if before.get(key) != new]
    writer.write(rows_of(gone), np.full(len(gone), -1, np.int8))
    writer.write(rows_of(come), np.ones(len(come), np.int8))


def expected(epochs: int, kind: str) -> list[tuple[int, int]]:
    if kind == "append":
        return sorted((epoch, key) for epoch in range(1, epochs + 1) for key in range(ROWS))
    return sorted((epoch, key) for key, epoch in table_at(epochs).items())


class Engine:
    """Seals epochs and publishes them in order."""

    def __init__(self, folder: Path, url: str, kind: str) -> None:
        self.folder, self.kind = folder, kind
        folder.mkdir(exist_ok=True)
        sink = PostgresSink("totals", url=url, timeout="20 s", batch_bytes=1_000)
        key = () if kind == "append" else ("id",)
        self.newest = max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0)
        self.writer = sink.writer(WriteRequest(SCHEMA, key, bool(key), "worker", fresh=self.newest == 0))
        self.incarnation = self.newest + 1

    def recover(self) -> None:
        token = self.writer.last_token()
        for epoch in range(token.epoch + 1 if token else 1, self.newest + 1):
            self.writer.commit([self.stored(epoch)])

    def step(self, publish: bool = True) -> None:
        epoch = self.newest + 1
        fill(self.writer, epoch, self.kind)
        self.store(seal("worker", epoch, self.writer.prepare(epoch)(), incarnation=self.incarnation))
        if publish:
            self.writer.commit([self.stored(epoch)])

    def store(self, sealed: Sealed) -> None:
        data = {"token": sealed.token, "value": sealed.value, "payload": base64.b64encode(sealed.payload).decode()}
        staged = self.folder / f"staged-{os.getpid()}"
        staged.write_text(json.dumps(data))
        os.link(staged, self.folder / str(sealed.token.epoch))
        staged.unlink()
        self.newest = sealed.token.epoch

    def stored(self, epoch: int) -> Sealed:
        data = json.loads((self.folder / str(epoch)).read_text())
        content = Content(data["value"], base64.b64decode(data["payload"]), data["token"][4])
        sealed = seal("worker", epoch, content, incarnation=data["token"][2])
        assert list(sealed.token) == data["token"]
        return sealed


ACTIONS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


def at(point: str, action: str, times: int) -> None:
    """Do something when a point is passed for the n-th time."""
    left = [times]

    def passed() -> None:
        left[0] -= 1
        if left[0] == 0:
            ACTIONS[action]()

    if point:
        failpoint.ACTIONS[point] = passed


def main(folder: str, url: str, epochs: str, kind: str, point: str, action: str, times: str) -> int:
    engine = Engine(Path(folder), url, kind)
    at(point, action, int(times))
    try:
        engine.recover()
        while engine.newest < int(epochs):
            engine.step()
    except FileExistsError:
        return 4
    except PenstockError as failure:
        sys.stderr.write(f"{type(failure).__name__}: {failure}\n")
        return 3
    engine.writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
