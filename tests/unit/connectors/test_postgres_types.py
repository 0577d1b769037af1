"""Types of columns: what is made, and what is taken."""

from __future__ import annotations

import pytest

from penstock.connectors._postgres_types import can_take, sql_type
from penstock.core import dtypes as d

EVERY = [
    *d.SIMPLE.values(), d.Decimal(10, 2), d.Decimal(38, 38), d.Datetime("us"), d.Datetime("ms", "UTC"),
    d.Datetime("us", "Asia/Kathmandu"), d.Duration("us"), d.Duration("ms"), d.List(d.Int64), d.Struct({"a": d.Int64}),
    d.Map(d.String, d.Int64),
]  # fmt: skip


@pytest.mark.parametrize("dtype", EVERY, ids=str)
def test_a_column_that_we_make_takes_what_we_write(dtype):
    assert can_take(sql_type(dtype), False, dtype)


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        (d.Int8, ["smallint", "bigint", "numeric", "numeric(3,0)"], ["boolean", "numeric(2,0)", "real", "text"]),
        (d.UInt16, ["integer", "bigint"], ["smallint"]),
        (d.Int64, ["bigint", "numeric(21,2)"], ["integer", "numeric(20,2)", "double precision"]),
        (d.UInt64, ["numeric", "numeric(20,0)"], ["bigint", "numeric(19,0)"]),
        (d.Float32, ["real", "double precision"], ["numeric"]),
        (d.Float64, ["double precision"], ["real", "numeric"]),
        (d.Decimal(10, 2), ["numeric", "numeric(10,2)", "numeric(12,4)"], ["numeric(10,3)", "numeric(12,1)", "money"]),
        (d.String, ["text", "character varying(3)", "citext", "uuid", "jsonb"], ["character(3)", "integer", "bytea"]),
        (d.Json, ["json", "jsonb", "text"], ["character varying(10)"]),
        (d.List(d.Int64), ["jsonb", "json", "text"], ["bigint[]"]),
        (d.Date, ["date"], ["timestamp without time zone"]),
        (d.Time, ["time without time zone"], ["time(3) without time zone", "time with time zone"]),
        (d.Datetime("us", "UTC"), ["timestamp with time zone"], ["timestamp without time zone"]),
        (d.Datetime("us"), ["timestamp without time zone"], ["timestamp(3) without time zone", "date"]),
        (d.Datetime("ms"), ["timestamp(3) without time zone"], ["timestamp(0) without time zone"]),
        (d.Duration("us"), ["interval", "interval(6)"], ["interval day to second", "interval(3)", "bigint"]),
        (d.Binary, ["bytea"], ["text"]),
        (d.Boolean, ["boolean"], ["smallint"]),
    ],
    ids=str,
)
def test_columns_of_other_types(dtype, good, bad):
    assert [one for one in good if not can_take(one, False, dtype)] == []
    assert [one for one in bad if can_take(one, False, dtype)] == []


def test_enums_take_texts_only():
    assert can_take("mood", True, d.String)
    assert not can_take("mood", True, d.Int64)
    assert not can_take("mood", False, d.String)
