"""Every built-in source through the kit."""

from __future__ import annotations

import polars as pl
import pytest

from penstock.connectors import BUILTIN, module
from penstock.connectors.files import FileSource
from penstock.connectors.flow import FlowSource
from penstock.connectors.generate import GenerateSource
from penstock.connectors.log import LogSource
from penstock.connectors.memory import MemorySource
from penstock.connectors.nexmark import NexmarkSource
from penstock.core.dtypes import Int64, String
from penstock.core.schema import Schema
from penstock.flow import Source
from penstock.log import Log
from penstock.testing import ManualClock
from penstock.testing.conform import check_source

WORDS = [None if i % 7 == 0 else "wörd" * (i % 5) for i in range(40)]
FRAME = pl.DataFrame({"id": list(range(40)), "word": WORDS, "x": [i / 8 for i in range(40)]})
WRITE = {
    "parquet": pl.DataFrame.write_parquet, "csv": pl.DataFrame.write_csv, "arrow": pl.DataFrame.write_ipc,
    "json": pl.DataFrame.write_ndjson,
}  # fmt: skip


def files(folder, format="parquet", count=3):
    size = -(-FRAME.height // count)
    for i in range(count):
        part = FRAME[i * size : (i + 1) * size]
        WRITE[format](part, folder / f"part-{i}.{format}")
    return folder


def test_every_source_is_here():
    tested = {"memory", "files", "log", "generate", "nexmark", "kafka", "flow"}  # kafka in tests/services
    assert {name for name in BUILTIN if module(name).SOURCE is not None} == tested


def test_memory():
    check_source(MemorySource(FRAME), expected=FRAME.to_dicts())
    check_source(MemorySource(splits=[FRAME[:15], FRAME[15:15], FRAME[15:]]), expected=FRAME.to_dicts())


@pytest.mark.parametrize("format", ["parquet", "csv", "json", "arrow"])
@pytest.mark.parametrize("split_files", [False, True])
def test_files(tmp_path, format, split_files):
    source = FileSource(str(files(tmp_path, format)), format=format, split_files=split_files)
    check_source(source, expected=FRAME.to_dicts())


def test_bad_rows_of_files_keep_their_places(tmp_path):
    (tmp_path / "a.csv").write_text("id,word\n1,a\nx,b\n3,c\n\n5,d,e\n6,f\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("id,word\nx,a\n", encoding="utf-8")
    check_source(
        FileSource(str(tmp_path), format="csv"),
        schema=Schema.of({"id": Int64, "word": String}),
        expected=[{"id": 1, "word": "a"}, {"id": 3, "word": "c"}, {"id": 6, "word": "f"}],
    )


@pytest.mark.parametrize(("bounded", "partitions"), [(True, 2), (False, 1)])
def test_log(tmp_path, bounded, partitions):
    with Log(tmp_path / "log", partitions=partitions) as log:
        for part in FRAME.iter_slices(9):
            log.append_frame(part, key=["id"])
    check_source(LogSource(str(tmp_path / "log"), bounded=bounded), expected=FRAME.to_dicts(), most_rows=FRAME.height)


def test_generate():
    fields = {"id": "sequence", "at": {"kind": "time", "start": "2024-01-01T00:00:00Z", "step": "1 s"}}
    check_source(GenerateSource(fields, rows=50, split_count=2), clock=ManualClock())


def test_flow(tmp_path):
    flow = Source.from_iterable(iter(FRAME.to_dicts()))  # what is left of it: a second run adds nothing
    check_source(
        FlowSource(flow, bounded=True, durable=tmp_path / "log"),
        expected=FRAME.to_dicts(),
        schema=Schema.of(dict(FRAME.schema)),
    )


def test_nexmark():
    check_source(NexmarkSource(events=200), clock=ManualClock())
