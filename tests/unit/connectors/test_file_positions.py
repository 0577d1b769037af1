"""Going on within a file: from a byte where there is text, and never within a file that is another by now."""

from __future__ import annotations

import gzip
import json
import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.connectors.files import FileSource
from penstock.connectors.formats import _blocks, format_of
from penstock.connectors.formats.base import Mark
from penstock.core import dtypes as d
from penstock.core import failpoint
from penstock.core.errors import SourceError
from tests.unit.connectors.samples import polls, rows_of, wanted

ROWS = 3000


def written(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def text_of(format, rows):
    if format == "csv":
        return "n,t\n" + "".join(f'{n},"a\n{"x" * (n % 50)}""q"""\n' for n in range(rows))
    return "".join(json.dumps({"n": n, "t": "x" * (n % 50)}) + "\n" + "\n" * (n % 3 == 0) for n in range(rows))


def position_after(source, request, rows):
    reader = source.reader(source.splits()[0], None, request)
    while rows:
        polled = reader.poll(min(rows, 700))
        rows -= polled.frame.height
    reader.close()
    return json.loads(json.dumps(polled.position))


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "json", "json.gz"])
def test_positions_in_text_say_the_byte_and_the_line(tmp_path, ending, monkeypatch):
    path = written(tmp_path / f"a.{ending}", text_of(ending.split(".")[0], ROWS))
    source, request = FileSource(path), wanted({"n": d.Int64, "t": d.String})
    position = position_after(source, request, 2000)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 4096)
    rows, bad = rows_of(source, request, position)
    assert bad == []
    assert [(offset, row[0]) for offset, row in rows] == [(n, n) for n in range(2000, ROWS)]
    data = text_of(ending.split(".")[0], ROWS).encode()
    byte, line = position["mark"]
    assert data[byte:].lstrip().startswith((b"2000,", b'{"n": 2000'))
    assert line == data[:byte].count(b"\n") + 1


@pytest.mark.parametrize("format", ["csv", "json"])
def test_what_was_read_is_not_read_again(tmp_path, format, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 4096)
    path = written(tmp_path / f"a.{format}", text_of(format, ROWS))
    source, request = FileSource(path), wanted({"n": d.Int64})
    position = position_after(source, request, ROWS - 10)
    reads = []
    monkeypatch.setitem(failpoint.ACTIONS, "files.read", lambda: reads.append(1))
    assert len(rows_of(source, request, position)[0]) == 10
    assert len(reads) <= 6
    assert path.stat().st_size > 20 * 4096


def test_messages_say_the_line_after_going_on(tmp_path):
    path = written(tmp_path / "a.csv", 'n\n1\n"2\n2"\n3\nx\ny\n')
    source, request = FileSource(path), wanted({"n": d.Int64})
    reader = source.reader(source.splits()[0], None, request)
    whole = [bad for polled in polls(reader, 1) for bad in polled.bad]
    reader = source.reader(source.splits()[0], None, request)
    reader.poll(3)
    position = reader.poll(1).position
    _, bad = rows_of(source, request, position)
    assert bad == whole[-1:]
    assert bad[0].reason.startswith(f"{path}:7: ")


LINES = st.lists(
    st.sampled_from(["1,a", "2,", '3,"x\ny"', "", "bad", '4,"open', "5,a,b", '6,"q""r"', "7,é", "\r"]), max_size=12
)


@settings(max_examples=80, deadline=None)
@given(LINES, st.integers(1, 4), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_reading_goes_on_at_every_row_of_any_text(tmp_path_factory, lines, size, newline, marked):
    folder = tmp_path_factory.mktemp("x")
    path = folder / "a.csv"
    path.write_bytes((b"\xef\xbb\xbf" if marked else b"") + newline.join(["n,t", *lines]).encode())
    source, request = FileSource(path), wanted({"n": d.Int64, "t": d.String})
    whole_rows, whole_bad = rows_of(source, request)
    seen = seen_bad = 0
    for polled in polls(source.reader(source.splits()[0], None, request), size):
        seen, seen_bad = seen + polled.frame.height, seen_bad + len(polled.bad)
        rows, bad = rows_of(source, request, json.loads(json.dumps(polled.position)))
        assert (rows, bad) == (whole_rows[seen:], whole_bad[seen_bad:])


def test_a_row_that_is_too_long_does_not_lead_astray(tmp_path, monkeypatch):
    for module in ("csv", "json"):
        monkeypatch.setattr(f"penstock.connectors.formats.{module}.LONGEST_RECORD", 64)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 50)
    for name, head, row in (("a.csv", "t\n", "x{}"), ("a.json", "", '{{"t": "x{}"}}')):
        rows = [row.format(n) for n in range(4)] + [row.format("y" * 500)] + [row.format(n) for n in range(4, 9)]
        source, request = FileSource(written(tmp_path / name, head + "\n".join(rows) + "\n")), wanted({"t": d.String})
        whole, bad = rows_of(source, request)
        assert [row[0] for _, row in whole] == [f"x{n}" for n in range(9)]
        assert len(bad) == 1
        seen = 0
        for polled in polls(source.reader(source.splits()[0], None, request), 1):
            seen += polled.frame.height
            assert rows_of(source, request, polled.position)[0] == whole[seen:]


def test_formats_without_marks_go_on_by_rows(tmp_path):
    pl.DataFrame({"n": range(10)}).write_parquet(tmp_path / "a.parquet")
    source, request = FileSource(tmp_path / "a.parquet"), wanted({"n": d.Int64})
    position = position_after(source, request, 4)
    assert "mark" not in position
    assert [row for (row,) in (row for _, row in rows_of(source, request, position)[0])] == list(range(4, 10))
    chunk = next(format_of("parquet", {}).resume(tmp_path / "a.parquet", request, 4, Mark(9, 9), 100))
    assert chunk.marks is None
    assert chunk.frame["n"].to_list() == list(range(4, 10))


@pytest.mark.parametrize("watch", [None, "1 s"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_text("n\n1\n"), r"has changed since it was read: 12 bytes then, 4 now"),
        (lambda path: path.write_text("n\n1\n2\n3\n4\n5\n6\n"), r"12 bytes then, 14 now"),
        (lambda path: os.utime(path, (7, 7)), r"it was written to since"),
        (lambda path: path.unlink(), r"is not there any more"),
    ],
)
def test_a_file_that_changed_is_not_gone_on_with(tmp_path, change, message, watch):
    path = written(tmp_path / "a.csv", "n\n1\n2\n3\n4\n5\n")
    written(tmp_path / "b.csv", "n\n6\n")
    source, request = FileSource(tmp_path, watch=watch), wanted({"n": d.Int64})
    reader = source.reader(source.splits()[0], None, request)
    position = reader.poll(2).position
    reader.close()
    change(path)
    with pytest.raises(SourceError, match=message):
        source.reader(source.splits()[0], position, request)


def test_files_that_are_named_by_manifests_may_be_copied(tmp_path):
    from penstock.connectors.base import WriteRequest
    from penstock.connectors.files import FileSink
    from penstock.core.schema import Schema
    from penstock.testing.conform import sealed

    writer = FileSink(tmp_path).writer(WriteRequest(Schema.of({"n": d.Int64}), (), False, "conformance"))
    writer.write(pl.DataFrame({"n": range(9)}), None)
    writer.commit([sealed(writer, 0)])
    source, request = FileSource(tmp_path), wanted({"n": d.Int64})
    position = position_after(source, request, 4)
    for path in tmp_path.glob("*.json"):
        os.utime(path, (7, 7))
    assert [row[0] for _, row in rows_of(source, request, position)[0]] == [4, 5, 6, 7, 8]
    with pytest.raises(SourceError, match="by a manifest, and is not now"):
        rows_of(FileSource(tmp_path, manifests=False), request, position)
