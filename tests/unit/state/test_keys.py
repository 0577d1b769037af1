from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import InvariantError, UnsupportedError
from penstock.state.keys import KeyCodec, Keys

CASES: dict[str, tuple[dtypes.DType, st.SearchStrategy[Any]]] = {
    "int64": (dtypes.Int64, st.integers(-(2**63), 2**63 - 1)),
    "int8": (dtypes.Int8, st.integers(-128, 127)),
    "uint64": (dtypes.UInt64, st.integers(0, 2**64 - 1)),
    "uint16": (dtypes.UInt16, st.integers(0, 2**16 - 1)),
    "boolean": (dtypes.Boolean, st.booleans()),
    "float64": (dtypes.Float64, st.floats()),
    "float32": (dtypes.Float32, st.floats(width=32)),
    "date": (dtypes.Date, st.dates()),
    "time": (dtypes.Time, st.times()),
    "datetime": (
        dtypes.Datetime("us", "Europe/Berlin"),
        st.datetimes(dt.datetime(1900, 1, 1), timezones=st.just(dt.UTC)),
    ),
    "milliseconds": (dtypes.Datetime("ms"), st.datetimes().map(lambda moment: moment.replace(microsecond=5000))),
    "duration": (dtypes.Duration("us"), st.timedeltas(dt.timedelta(-100_000), dt.timedelta(100_000))),
    "decimal": (dtypes.Decimal(30, 2), st.decimals(-(10**27), 10**27, places=2)),
    "text": (dtypes.String, st.text(max_size=20)),
    "binary": (dtypes.Binary, st.binary(max_size=20)),
}


def series(dtype: dtypes.DType, values: list[Any]) -> pl.Series:
    if isinstance(dtype, dtypes.Datetime) and dtype.zone:
        return pl.Series(values, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(dtype.zone)
    return pl.Series(values, dtype=dtypes.to_polars(dtype))


def canonical(value: Any) -> Any:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    return value


def rows_of(columns: list[pl.Series]) -> list[tuple[Any, ...]]:
    return [tuple(map(canonical, row)) for row in zip(*(column.to_list() for column in columns), strict=True)]


def key_rows(keys: Keys) -> np.ndarray:
    starts = keys.starts if len(keys.starts) else np.zeros((len(keys), keys.starts.shape[1]), np.int64)
    return np.hstack([keys.words, starts])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("nullable", [False, True])
def test_a_column_comes_back(name: str, nullable: bool) -> None:
    dtype, values = CASES[name]

    @settings(deadline=None, max_examples=12)
    @given(st.lists(st.none() | values if nullable else values, max_size=6))
    def check(column: list[Any]) -> None:
        codec = KeyCodec(["key"], [dtype], [nullable])
        given_series = series(dtype, column)
        keys = codec.encode([given_series])
        assert len(keys) == len(column)
        (back,) = codec.decode(key_rows(keys), keys.heap)
        assert back.dtype == given_series.dtype
        assert back.name == "key"
        assert rows_of([back]) == rows_of([given_series])

    check()


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-2, 2),
        st.none() | st.sampled_from(["", "a", "twelve chars", "twelve charsX", "twelve charsY", "ä" * 9]),
        st.sampled_from([0.0, -0.0, float("nan"), -float("nan"), 1.5]),
        st.none() | st.sampled_from([b"", b"\0", b"\0\0", b"z" * 30]),
    ),
    min_size=1,
    max_size=8,
)
TYPES = [dtypes.Int64, dtypes.String, dtypes.Float64, dtypes.Binary]


def table(rows: list[tuple[Any, ...]]) -> list[pl.Series]:
    return [series(dtype, [row[place] for row in rows]) for place, dtype in enumerate(TYPES)]


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_words_are_equal_exactly_where_keys_are(kernels: str, rows: list[tuple[Any, ...]]) -> None:
    codec = KeyCodec(["a", "b", "c", "d"], TYPES, [True, True, False, True])
    columns = table(rows)
    keys = codec.encode(columns)
    words = [tuple(row) for row in keys.words.tolist()]
    values = rows_of(columns)
    for one in range(len(rows)):
        for other in range(one):
            assert (words[one] == words[other]) == (values[one] == values[other])
    assert rows_of(codec.decode(key_rows(keys), keys.heap)) == values


@settings(deadline=None, max_examples=15)
@given(ROWS, ROWS)
def test_words_do_not_depend_on_the_other_rows(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> None:
    codec = KeyCodec(["a", "b", "c", "d"], TYPES)
    alone = codec.encode(table(rows)).words.tolist()
    cut = [column.slice(len(others), len(rows)) for column in table(others + rows + others)]
    assert codec.encode(cut).words.tolist() == alone
    parts = [pl.concat([one, other], rechunk=False) for one, other in zip(table(others), table(rows), strict=True)]
    assert codec.encode(parts).words.tolist()[len(others) :] == alone


def test_plain_columns_are_not_copied() -> None:
    numbers = pl.Series([1, 2, 3])
    assert np.shares_memory(KeyCodec(["a"], [dtypes.Int64], [False]).encode([numbers]).words, numbers.to_numpy())
    instants = pl.Series([dt.datetime(2020, 1, 1)])
    keys = KeyCodec(["a"], [dtypes.Datetime("us")], [False]).encode([instants])
    assert np.shares_memory(keys.words, instants.to_numpy())
    assert not keys.words.flags.writeable
    array = np.arange(3)
    assert np.shares_memory(KeyCodec(["a"], [dtypes.Int64], [False]).encode([array]).words, array)
    assert array.flags.writeable


def test_texts_in_many_buffers() -> None:
    texts = [f"a text of some length {number % 7}" for number in range(40)]
    column = pl.concat([pl.Series([text]) for text in texts])
    codec = KeyCodec(["a"], [dtypes.String], [False])
    keys = codec.encode([column])
    assert codec.decode(key_rows(keys), keys.heap)[0].to_list() == texts
    assert len({tuple(row) for row in keys.words.tolist()}) == 7


def test_no_key_columns_are_one_key() -> None:
    codec = KeyCodec([], [])
    keys = codec.encode([], 3)
    assert keys.words.tolist() == [[0]] * 3
    assert codec.decode(keys.words, keys.heap) == []


def test_a_column_of_nulls_only() -> None:
    codec = KeyCodec(["a", "b"], [dtypes.Null, dtypes.Int64])
    keys = codec.encode([pl.Series([None, None]), pl.Series([None, 3], dtype=pl.Int64)])
    assert rows_of(codec.decode(key_rows(keys), keys.heap)) == [(None, None), (None, 3)]


def test_null_is_not_zero_and_nan_is_nan() -> None:
    codec = KeyCodec(["a"], [dtypes.Float64])
    words = codec.encode([pl.Series([0.0, None, -0.0, float("nan"), -float("nan")])]).words.tolist()
    assert words[0] == words[2] != words[1]
    assert words[3] == words[4]


@pytest.mark.parametrize("dtype", [dtypes.Int64, dtypes.Int32, dtypes.String])
def test_a_null_that_was_not_declared(dtype: dtypes.DType) -> None:
    codec = KeyCodec(["number"], [dtype], [False])
    with pytest.raises(InvariantError, match="'number' was declared without nulls"):
        codec.encode([series(dtype, [None])])


def test_another_type_than_declared() -> None:
    with pytest.raises(InvariantError, match="'number' is of type Int64"):
        KeyCodec(["number"], [dtypes.Int64], [False]).encode([pl.Series([1], dtype=pl.Int32)])


def test_what_cannot_be_a_key() -> None:
    with pytest.raises(UnsupportedError, match="cannot be a key"):
        KeyCodec(["tags"], [dtypes.List(dtypes.String)])
