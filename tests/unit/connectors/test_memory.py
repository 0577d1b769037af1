"""Frames and lists of dicts as sources, and the sink that keeps rows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from penstock.connectors.memory import MemorySink, MemorySource, as_source
from penstock.core import dtypes as d
from penstock.core.errors import InvariantError, PlanError, SourceError
from penstock.core.schema import Field, Schema
from penstock.testing.conform import check_sink, check_source, sealed
from tests.unit.connectors.samples import EVERY_TYPE, polls, rows_of, wanted, write_request

FRAME = pl.DataFrame({"k": ["a", "b", "a"], "n": [1, None, 3]})


def test_it_keeps_the_contract_of_sources():
    check_source(MemorySource(FRAME), expected=FRAME.to_dicts())
    check_source(
        MemorySource(splits=[FRAME, FRAME.clear(), FRAME[1:]]), expected=[*FRAME.to_dicts(), *FRAME[1:].to_dicts()]
    )
    check_source(MemorySource(EVERY_TYPE), expected=EVERY_TYPE.to_dicts())


def test_polling_slices_without_copying():
    source = MemorySource(FRAME)
    reader = source.reader(source.splits()[0], None, wanted(source.schema(), "n"))
    first, second = polls(reader, 2)
    assert first.offsets == ((0, 2),)
    assert (second.offsets, second.position) == (((2, 1),), 3)
    assert reader.ended
    held = source.frames[0]["n"].to_arrow().buffers()[1].address
    assert first.frame["n"].to_arrow().buffers()[1].address == held


def test_arrow_and_other_frames_are_taken_by_their_interface():
    table = pa.table({"t": pa.array([1999, -1], pa.timestamp("ns")), "c": pa.array(["x", "y"]).dictionary_encode()})
    source = as_source(table)
    assert source.schema() == Schema.of({"t": d.Datetime("us"), "c": d.String})
    assert source.frames[0]["t"].to_list() == [
        dt.datetime(1970, 1, 1, microsecond=1),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
    ]

    class Foreign:
        def __arrow_c_stream__(self, requested_schema=None):
            return table.__arrow_c_stream__(requested_schema)

    assert as_source(Foreign()).schema().names == ("t", "c")


def test_lists_of_dicts_have_the_fields_of_all_rows():
    source = as_source([{"a": 1, "s": {"x": 1}}, {"b": 2.5, "a": 2.5, "s": {"y": "z"}}])
    assert source.frames[0].to_dicts() == [
        {"a": 1.0, "s": {"x": 1, "y": None}, "b": None},
        {"a": 2.5, "s": {"x": None, "y": "z"}, "b": 2.5},
    ]


def test_a_declared_schema_gives_types_and_order():
    schema = {"j": d.Json, "t": d.Datetime("us", "UTC"), "n": d.Int8}
    source = as_source([{"n": 1, "more": 5, "j": {"x": [1]}}, {"t": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}], schema)
    assert source.schema().names == ("j", "t", "n")
    assert source.frames[0]["j"].to_list() == ['{"x": [1]}', None]
    assert as_source([], schema).frames[0].is_empty()


@pytest.mark.parametrize(
    ("value", "schema", "message"),
    [
        ([{"a": 1}, {"a": "x"}], None, 'column "a" holds both Int64 and String'),
        ([{"a": 1}, {"a": "x"}], {"a": d.Int64}, "row 1, column \"a\": 'x' is not Int64"),
        ([{"a": 300}], {"a": d.Int8}, 'row 0, column "a": 300 is not Int8'),
        ([{"a": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}], {"a": d.Datetime("us")}, "is not Datetime"),
        ([], None, "an empty list has no columns"),
        (5, None, "int cannot be read"),
        ([1, 2], None, "list cannot be read"),
        (FRAME.lazy(), None, "a lazy frame cannot be read"),
        ("rows.csv", None, "FileSource"),
        (FRAME, {"kk": d.String}, 'no column "kk"; did you mean "k"'),
        (FRAME, {"k": d.Int64}, 'column "k" is String, not Int64'),
        (None, None, "takes rows"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(value, schema, message):
    with pytest.raises(PlanError, match=message):
        as_source(value, schema)


def test_a_source_is_itself():
    source = MemorySource(FRAME, name="orders")
    assert as_source(source) is source
    assert source.default_name() == "orders"


def test_splits_must_be_alike():
    with pytest.raises(PlanError, match="splits differ"):
        MemorySource(splits=[FRAME, FRAME.select("k")])
    with pytest.raises(PlanError, match="at least one"):
        MemorySource(splits=[])


def test_values_that_do_not_fit_the_declared_types_are_bad_rows():
    schema = Schema((Field("n", d.Int8, nullable=False),))
    source = MemorySource(pl.DataFrame({"n": [1, 300, None, 4]}))
    rows, bad = rows_of(source, wanted(schema))
    assert rows == [(0, (1,)), (3, (4,))]
    assert [(row.offset, row.reason.split("row ")[1]) for row in bad] == [
        (1, '1: column "n": 300 is not an Int8'),
        (2, '2: column "n" is null, and must not be'),
    ]


def test_a_column_that_is_not_there_is_an_error_when_read():
    with pytest.raises(SourceError, match='no column "x"'):
        rows_of(MemorySource(FRAME), wanted({"x": d.Int64}))


# -- sink ----------------------------------------------------------------------


def committed(writer, epoch, *parts):
    for frame, diff in parts:
        writer.write(frame, None if diff is None else np.array(diff, dtype=np.int8))
    writer.commit([sealed(writer, epoch)])


def test_it_keeps_the_contract_of_sinks():
    check_sink(MemorySink, lambda sink: sink.table().to_dicts(), frames=[FRAME, FRAME[:1]])
    keyed = pl.DataFrame({"k": ["a", "b"], "n": [1, 2]})
    check_sink(
        MemorySink, lambda sink: sink.table().to_dicts(), frames=[keyed, keyed.with_columns(pl.col("n") + 7)], key=["k"]
    )


def test_changes_add_up_and_have_kinds():
    sink = MemorySink()
    writer = sink.writer(write_request(Schema.of(dict(FRAME.schema)), ("k",), updating=True))
    rows = pl.DataFrame({"k": ["a", "b", "a", "a", "b"], "n": [1, 1, 1, 2, 1]})
    committed(writer, 0, (rows[:2], [1, 1]), (rows[2:4], [-1, 1]))
    committed(writer, 1, (rows[4:], [-1]))
    assert sink.changes()["op"].to_list() == ["+I", "+I", "-U", "+U", "-D"]
    assert sink.table().rows() == [("a", 2)]
    assert sink.frame().height == 5
    assert writer.report() == "5 rows in memory"


def test_a_new_run_replaces_what_a_former_one_left():
    sink = MemorySink()
    request = write_request(Schema.of(dict(FRAME.schema)))
    committed(sink.writer(request), 0, (FRAME, None))
    committed(sink.writer(request), 0, (FRAME[:1], None))
    assert_frame_equal(sink.frame(), FRAME[:1])


def test_before_a_run_there_is_nothing_to_see():
    with pytest.raises(PlanError, match='nothing was written to "totals"'):
        MemorySink("totals").frame()


def test_a_row_that_never_came_cannot_go():
    sink = MemorySink()
    writer = sink.writer(write_request(Schema.of(dict(FRAME.schema)), ("k",), updating=True))
    committed(writer, 0, (FRAME[:1], [-1]))
    with pytest.raises(InvariantError):
        sink.table()


def test_rows_with_a_column_op_have_no_changes():
    sink = MemorySink()
    sink.writer(write_request(Schema.of({"op": d.String})))
    with pytest.raises(PlanError, match='a column "op"'):
        sink.changes()
