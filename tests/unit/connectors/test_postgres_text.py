"""The text of COPY, read by a twin that knows PostgreSQL's rules and nothing of the writer."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import re
import struct
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.connectors._postgres_text import blocks, check
from penstock.core import dtypes as d
from penstock.core.errors import SinkError
from penstock.core.schema import Field, Schema
from tests.unit.connectors.samples import EVERY_TYPE, schema_of

_ESCAPES = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_MOMENT = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)\.(\d{6}))?(\+00)?( BC)?")


def fields_of(text: bytes) -> list[list[str | None]]:
    """The fields of lines as PostgreSQL takes them apart; None is null."""
    assert text.endswith(b"\n")
    return [[_field(one) for one in line.split("\t")] for line in text.decode()[:-1].split("\n")]


def _field(text: str) -> str | None:
    return None if text == "\\N" else re.sub(r"\\(.)", lambda found: _ESCAPES[found[1]], text)


def days_since_1970(year: int, month: int, day: int) -> int:
    """By the proleptic calendar, for any year (0 is 1 BC)."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def ticks(text: str) -> int:
    """Microseconds since 1970 of a moment, or of the midnight of a date."""
    year, month, day, *clock, _, era = _MOMENT.fullmatch(text).groups()
    hour, minute, second, part = (int(one or 0) for one in clock)
    days = days_since_1970(1 - int(year) if era else int(year), int(month), int(day))
    return ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + part


def written(dtype: Any, values: list[Any]) -> list[str | None]:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=d.to_polars(dtype), strict=True)})
    schema = Schema.of({"x": dtype})
    check(frame, schema, (), frozenset())
    return [one for block in blocks(frame, schema, 100) for (one,) in fields_of(block)]


def same(values: list[Any], found: list[str | None], read: Any) -> bool:
    return [None if one is None else read(one) for one in found] == values


def several(values: Any) -> Any:
    return st.lists(st.none() | values, min_size=1, max_size=8)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(
    ["", "\\N", "\\.", "\\", "\n\\.\n", "\t", "\r", "\r\n", '"', "\\n", "é😀", "NULL"]
)


@given(several(TEXTS))
def test_texts(values):
    assert same(values, written(d.String, values), str)


@pytest.mark.parametrize("dtype", d.INTEGERS, ids=str)
@given(data=st.data())
@settings(max_examples=20)
def test_integers(dtype, data):
    bits = int(re.sub("[A-Za-z]", "", str(dtype)))
    low, high = (0, 2**bits - 1) if dtype in d.UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    values = data.draw(several(st.integers(low, high) | st.sampled_from([low, high])))
    assert same(values, written(dtype, values), int)


def bits(value: float) -> str:
    return "NaN" if math.isnan(value) else struct.pack("d", value).hex()


@given(several(st.floats()))
def test_floats_are_the_shortest_text_of_the_same_bits(values):
    found = written(d.Float64, values)
    assert [one and bits(float(one)) for one in found] == [None if one is None else bits(one) for one in values]
    finite = [(a, b) for a, b in zip(values, found, strict=True) if a is not None and math.isfinite(a)]
    assert all(len(re.sub(r"[-.]|e.*", "", b).strip("0")) <= 17 for _, b in finite)


@given(several(st.floats(width=32)))
def test_single_floats_are_exact_as_double_ones(values):
    found = written(d.Float32, values)
    assert [one and bits(float(one)) for one in found] == [None if one is None else bits(one) for one in values]


@given(several(st.binary()))
def test_bytes_are_hex(values):
    def read(text: str) -> bytes:
        assert text.startswith("\\x")
        return bytes.fromhex(text[2:])

    assert same(values, written(d.Binary, values), read)


@given(several(st.booleans()))
def test_booleans(values):
    assert same(values, written(d.Boolean, values), {"true": True, "false": False}.__getitem__)


@given(several(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28)))
def test_decimals(values):
    assert same(values, written(d.Decimal(38, 9), values), decimal.Decimal)


@given(several(st.dates()))
def test_dates(values):
    assert same(values, written(d.Date, values), dt.date.fromisoformat)


@given(several(st.integers(-2_440_588, 95_026_236)))
def test_dates_of_all_years(values):
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.Int32).cast(pl.Date)})
    (block,) = blocks(frame, Schema.of({"x": d.Date}), 10_000)
    found = [None if one is None else ticks(one) for (one,) in fields_of(block)]
    assert found == [None if one is None else one * 86_400_000_000 for one in values]


@given(several(st.times()))
def test_times(values):
    assert same(values, written(d.Time, values), dt.time.fromisoformat)


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("unit", ["us", "ms"])
@given(values=several(st.integers(-210_866_803_200_000_000, 2**62)))
@settings(max_examples=20)
def test_moments(unit, zone, values):
    scale = 1 if unit == "us" else 1_000
    numbers = pl.Series([None if one is None else one // scale for one in values], dtype=pl.Int64)
    column = numbers.cast(pl.Datetime(unit))
    if zone is not None:
        column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    (block,) = blocks(pl.DataFrame({"x": column}), Schema.of({"x": d.Datetime(unit, zone)}), 10_000)
    found = [one for (one,) in fields_of(block)]
    assert [None if one is None else ticks(one) // scale for one in found] == numbers.to_list()
    assert all(one is None or ("+00" in one) == (zone is not None) for one in found)


@pytest.mark.parametrize("unit", ["us", "ms"])
@given(values=several(st.integers(-(2**63) + 1, 2**63 - 1)))
@settings(max_examples=30)
def test_durations(unit, values):
    def read(text: str) -> int:
        number, word = text.split(" ")
        assert word == "seconds"
        return int(decimal.Decimal(number) * (1_000_000 if unit == "us" else 1_000))

    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.Int64).cast(pl.Duration(unit))})
    (block,) = blocks(frame, Schema.of({"x": d.Duration(unit)}), 10_000)
    assert same(values, [one for (one,) in fields_of(block)], read)


def test_nested_values_are_documents():
    values = [{"a": [1, None], "b": 'x"\t\n\\'}, None, {"a": None, "b": ""}]
    assert same(values, written(d.Struct({"a": d.List(d.Int64), "b": d.String}), values), json.loads)
    assert same([["\\N"], []], written(d.List(d.String), [["\\N"], []]), json.loads)
    maps = [{"k": 1.5}, {}]
    assert same(maps, written(d.Map(d.String, d.Float64), maps), json.loads)


def test_json_is_taken_as_it_is():
    values = ['{"a": "\\n"}', None, "[1,\n2]"]
    assert same(values, written(d.Json, values), str)


def test_a_column_of_nulls():
    assert written(d.Null, [None, None]) == [None, None]


def test_every_type_at_once_in_blocks_of_any_size():
    schema = schema_of(EVERY_TYPE)
    whole = b"".join(blocks(EVERY_TYPE, schema, 1 << 20))
    assert b"".join(blocks(EVERY_TYPE, schema, 1)) == whole
    rows = fields_of(whole)
    assert [len(row) for row in rows] == [EVERY_TYPE.width] * EVERY_TYPE.height
    nulls = [[value is None for value in row] for row in EVERY_TYPE.rows()]
    assert [[one is None for one in row] for row in rows] == nulls


# -- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "column", "words"),
    [
        (d.String, pl.Series(["a\0b"]), r"U\+0000"),
        (d.Json, pl.Series(["{"]), "no JSON"),
        (d.Date, pl.Series([-2_440_589], dtype=pl.Int32).cast(pl.Date), "4714 BC"),
        (d.Date, pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date), "262142"),
        (d.Datetime("us"), pl.Series([-(2**62)], dtype=pl.Int64).cast(pl.Datetime("us")), "4714 BC"),
        (d.Datetime("ms"), pl.Series([2**62], dtype=pl.Int64).cast(pl.Datetime("ms")), "262142"),
    ],
)
def test_what_postgresql_cannot_hold_is_refused_before_the_epoch_is_sealed(dtype, column, words):
    with pytest.raises(SinkError, match=f'column "x" holds .*{words}'):
        check(pl.DataFrame({"x": column}), Schema.of({"x": dtype}), (), frozenset())


def test_nulls_in_keys_and_required_columns_are_refused():
    frame, schema = pl.DataFrame({"x": [1, None]}), Schema((Field("x", d.Int64),))
    check(frame, schema, (), frozenset())
    with pytest.raises(SinkError, match='"x" of the key is null in 1 row') as refused:
        check(frame, schema, ("x",), frozenset())
    assert "is_not_null" in refused.value.hint
    with pytest.raises(SinkError, match='"x" is null in 1 row'):
        check(frame, schema, (), frozenset({"x"}))
