"""Texts to typed columns: what is taken, what is not, and that kernels agree with the standard library."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.connectors.formats._from_text import from_texts, guess, spans_of, texts
from penstock.core import dtypes as d

UTC = dt.UTC


def converted(dtype, *values):
    return from_texts(spans_of(pl.Series(values, dtype=pl.String)), dtype).to_list()


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=9), max_size=9))
def test_texts_come_back_from_spans(values):
    assert texts(spans_of(pl.Series(values, dtype=pl.String))).to_list() == values


def test_spans_of_a_slice_are_those_of_its_rows():
    column = pl.Series(["a", "bb", None, "dddd"])
    assert texts(spans_of(column[1:])).to_list() == ["bb", None, "dddd"]


@given(st.integers(-(2**70), 2**70) | st.integers(-300, 300))
def test_whole_numbers_fit_or_are_null(number):
    for dtype, least, most in [(d.Int64, -(2**63), 2**63 - 1), (d.Int8, -128, 127), (d.UInt64, 0, 2**64 - 1)]:
        assert converted(dtype, str(number)) == [number if least <= number <= most else None]


@pytest.mark.parametrize("text", ["", "+", "-", "1_0", " 1", "1 ", "1.", "0x1", "١", "--1", "1e1"])
def test_what_is_no_whole_number(text):
    assert converted(d.Int64, text) == [None]


def test_signs_and_zeros_are_taken():
    assert converted(d.Int64, "+5", "-0", "007", None) == [5, 0, 7, None]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back(number):
    assert converted(d.Float64, repr(number)) == [number]


def test_floats_have_names_for_what_is_no_number_and_do_not_overflow():
    found = converted(d.Float64, "NaN", "-inf", "Infinity", "1e999", "abc", "1,5")
    assert found[0] != found[0]
    assert found[1:] == [float("-inf"), float("inf"), None, None, None]


def test_booleans_are_words_in_any_case():
    assert converted(d.Boolean, "true", "False", "TRUE", "1", "t", None) == [True, False, True, None, None, None]


def test_decimals_are_exact_or_null():
    found = converted(d.Decimal(5, 2), "1.50", "1.500", "1.505", "-123.45", "1234.5", "1e2", "1e-3", "x")
    assert found == [Decimal("1.50"), Decimal("1.50"), None, Decimal("-123.45"), None, Decimal(100), None, None]


@given(st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)), st.sampled_from(["T", " ", "t"]))
def test_moments_are_those_of_the_standard_library(moment, separator):
    text = moment.isoformat(separator)
    assert converted(d.Datetime("us"), text) == [moment]
    assert converted(d.Datetime("us", "UTC"), text) == [moment.replace(tzinfo=UTC)]
    assert converted(d.Datetime("us", "UTC"), f"{text}+05:30") == [
        (moment - dt.timedelta(hours=5.5)).replace(tzinfo=UTC)
    ]
    assert converted(d.Date, text[:10]) == [moment.date()]
    assert converted(d.Time, text[11:]) == [moment.time()]


@given(st.integers(-400, 400), st.integers(0, 13), st.integers(0, 32))
def test_only_days_that_exist_are_dates(year, month, day):
    year += 2000
    try:
        wanted = dt.date(year, month, day)
    except ValueError:
        wanted = None
    assert converted(d.Date, f"{year:04d}-{month:02d}-{day:02d}") == [wanted]


def test_offsets_have_several_forms():
    forms = ["Z", "z", "+00", "+0000", "-00:00"]
    assert converted(d.Datetime("us", "UTC"), *(f"2020-01-01T00:00{form}" for form in forms)) == [
        dt.datetime(2020, 1, 1, tzinfo=UTC)
    ] * len(forms)


@pytest.mark.parametrize(
    "text",
    [
        "", "2020-1-1", "2020-01-01T", "2020-01-01T0:00", "2020-01-01X00:00", "2020-01-01T00:00:00.", "20-01-01",
        "2020-01-01T00:60", "2020-01-01T00:00:60", "2020-01-01T00:00+24:00", "2020-01-01T00:00:00ZZ", "300000-01-01",
    ],
)  # fmt: skip
def test_what_is_no_moment(text):
    assert converted(d.Datetime("us", "UTC"), text) == [None]


def test_years_beyond_four_digits_need_a_sign():
    found = from_texts(
        spans_of(pl.Series(["+12020-01-01T00:00", "-0001-12-31T00:00", "12020-01-01T00:00"])), d.Datetime("us")
    )
    assert found.dt.year().to_list() == [12020, -1, None]


def test_a_wall_clock_time_that_a_zone_skips_or_has_twice_is_null():
    zone = d.Datetime("us", "America/New_York")
    found = converted(zone, "2020-03-08T02:30", "2020-11-01T01:30", "2020-11-01T01:30-05:00", "2020-07-01T00:00")
    assert [None if one is None else one.astimezone(UTC).hour for one in found] == [None, None, 6, 4]


@given(st.timedeltas(dt.timedelta(days=-(10**6)), dt.timedelta(days=10**6)))
def test_durations_are_those_of_polars(span):
    text = pl.Series([span]).dt.to_string("iso")
    assert from_texts(spans_of(text), d.Duration("us")).to_list() == [span]


@pytest.mark.parametrize("text", ["", "P", "PT", "5 s", "P1H", "PT1D", "PT1S1M", "PT1.5M", "P1.5D", "PT.5S", "P1Y"])
def test_what_is_no_duration(text):
    assert converted(d.Duration("us"), text) == [None]


def test_binary_is_base64():
    assert converted(d.Binary, "YWL/", "", "!", None) == [b"ab\xff", b"", None, None]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", None], d.Int64), (["1", "2.5"], d.Float64), (["01", "02"], d.String), (["0", "0.5"], d.Float64),
        (["true", "false"], d.Boolean), (["2020-01-01", "2020-01-01T00:00"], d.Datetime("us")),
        (["2020-01-01T00:00Z", "2020-01-01T00:00"], d.Datetime("us", "UTC")), ([None, None], d.String),
        (["9223372036854775808", "1"], d.UInt64), (["9223372036854775808", "-1"], d.Decimal(38, 0)),
        (["9" * 38], d.Decimal(38, 0)), (["9" * 39], d.String), (["9223372036854775808", "1.5"], d.Float64),
        (["1", "x"], d.String), (["12:00"], d.Time),
    ],
)  # fmt: skip
def test_a_guess_is_the_first_type_that_all_texts_fit(values, dtype):
    assert guess(pl.Series(values, dtype=pl.String)) == dtype
