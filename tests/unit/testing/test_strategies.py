from __future__ import annotations

import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.dtypes import (
    SIMPLE,
    Datetime,
    Decimal,
    Duration,
    Float64,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    to_polars,
)  # fmt: skip
from penstock.core.errors import PlanError
from penstock.core.timespan import from_datetime
from penstock.operators.window import windows_of
from penstock.testing.scene import Scene
from penstock.testing.strategies import at, cuts, event_times, inputs, orders, rows, scenes, schemas, values, windows

FEW = settings(max_examples=15, deadline=None, derandomize=True, database=None)
TYPES = [
    *(dtype for name, dtype in SIMPLE.items() if name != "Json"), Datetime("ms", None), Datetime("us", "Asia/Kolkata"),
    Duration("us"), Decimal(12, 3), List(Int64), Struct({"a": String, "b": Float64}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@FEW
@given(data=st.data())
def test_values_have_their_type(dtype, data):
    found = data.draw(st.lists(values(dtype), max_size=5))
    series = pl.Series(found, dtype=to_polars(dtype))
    assert series.dtype == to_polars(dtype)
    assert len(series) == len(found)
    required = data.draw(values(dtype, nullable=False))
    assert required is not None or dtype == Null


def test_types_without_values():
    with pytest.raises(PlanError):
        values(SIMPLE["Json"])
    assert isinstance(values(Map(String, Int64)), st.SearchStrategy)


@FEW
@given(schemas(), st.data())
def test_rows_have_the_schema(schema, data):
    for row in data.draw(rows(schema)):
        assert list(row) == list(schema.names)
        assert all(value is not None or schema[name].nullable for name, value in row.items())


@FEW
@given(event_times(12, start=1_000_000, disorder=2_000_000))
def test_event_times_mostly_go_on(times):
    assert len(times) == 12
    assert all(b > a - 2_000_000 - 1_000 for a, b in itertools.pairwise(times))


@FEW
@given(inputs(finite=True, most_rows=5, most_splits=2))
def test_inputs(given_input):
    assert 1 <= len(given_input.splits) <= 2
    frame = given_input.frame(row for split in given_input.splits for row in split)
    assert frame.height <= 10
    assert not frame["f"].is_nan().any()
    assert frame["at"].null_count() == 0


@FEW
@given(scenes(), st.data())
def test_interleavings_and_cuts_keep_rows_in_the_order_of_their_splits(scene, data):
    moved = Scene(scene.inputs, data.draw(orders(scene.inputs)))
    steps = data.draw(cuts(moved.events()))
    found = [event for step in steps for event in step]
    assert sorted(map(str, found)) == sorted(map(str, scene.events()))
    for split in range(scene.splits[0]):
        offsets = [e.offset for e in found if e.split == split and hasattr(e, "offset")]
        assert offsets == list(range(len(scene.inputs[0].splits[split])))


@FEW
@given(windows(), st.integers(-(10**12), 10**12))
def test_windows_contain_their_instants(drawn, instant):
    assert all(start <= instant < end for start, end in windows_of(drawn, instant))


def test_moments():
    assert from_datetime(at(1_500_000)) == 1_500_000
    assert at(0, None).tzinfo is None
