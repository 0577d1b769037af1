"""Every built-in sink that readers can see through the kit."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from penstock.connectors import BUILTIN, module
from penstock.connectors.files import FileSink
from penstock.connectors.log import LogSink
from penstock.connectors.memory import MemorySink
from penstock.log import Log
from penstock.testing.conform import check_sink

FRAMES = [
    pl.DataFrame({"id": [1, 2], "word": ["a", None]}),
    pl.DataFrame({"id": [3], "word": ['ü|,"\n']}),
    pl.DataFrame({"id": list(range(4, 400)), "word": ["x"] * 396}),
]
READ = {
    "parquet": pl.read_parquet, "arrow": pl.read_ipc, "csv": pl.read_csv, "json": pl.read_ndjson,
}  # fmt: skip


def test_every_sink_is_here():
    # The terminal and nowhere have no readers; a flow gives each row once (tests/unit/connectors/test_flow.py); what
    # needs a server is in tests/services.
    assert {name for name in BUILTIN if module(name).SINK is not None} == {
        "memory", "files", "stdout", "blackhole", "kafka", "postgres", "log", "flow",
    }  # fmt: skip


def test_memory():
    def read(sink):
        return sink.table().to_dicts() if sink.box and sink.box[0].request.updating else sink.frame().to_dicts()

    check_sink(MemorySink, read, frames=FRAMES, key=("id",))


@pytest.mark.parametrize("format", list(READ))
def test_files(tmp_path, format):
    numbers = itertools.count()

    def read(sink):
        found = [READ[format](path) for path in sorted(tmp_path.glob(f"{sink.path.rsplit('/', 1)[-1]}/*.{format}"))]
        return [row for frame in found for row in frame.to_dicts()]

    check_sink(lambda: FileSink(str(tmp_path / f"out{next(numbers)}"), format=format), read, frames=FRAMES)


@pytest.mark.parametrize("options", [{}, {"partitions": 3, "key": "id"}])
def test_log(tmp_path, options):
    numbers = itertools.count()

    def read(sink):
        with Log(sink.name) as log:
            found = [log.read(number, max_rows=1000) for number in range(log.partitions)]
            return [row for batch in found if batch is not None for row in whole(log, batch.partition)]

    def whole(log, partition):
        offset, rows = 0, []
        while (batch := log.read(partition, offset)) is not None:
            offset, rows = batch.next, rows + batch.frame.to_dicts()
        return rows

    check_sink(lambda: LogSink(str(tmp_path / f"out{next(numbers)}"), **options), read, frames=FRAMES)
