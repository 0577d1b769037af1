"""Invented rows: the same from the same seed, wherever one begins."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import penstock as ps
from penstock.connectors.generate import GenerateSource
from penstock.core import dtypes as d
from penstock.core.errors import PlanError, SourceError, UnknownNameError
from penstock.testing.conform import check_source
from penstock.testing.driver import ManualClock
from tests.unit.connectors.samples import polls, rows_of, wanted

FIELDS = {
    "id": {"kind": "sequence", "start": 10, "step": 2},
    "n": {"kind": "int", "least": -3, "most": 3},
    "wide": {"kind": "int", "least": -(2**63), "most": 2**63 - 1},
    "x": {"kind": "float", "least": 1.0, "most": 2.0},
    "flag": {"kind": "bool", "share": 0.25},
    "city": {"kind": "choice", "of": ["Rome", "Oslo"], "weights": [3, 1], "nulls": 0.5},
    "day": {"kind": "choice", "of": [dt.date(2020, 1, 1), dt.date(2021, 1, 1)]},
    "name": {"kind": "string", "least": 0, "most": 20},
    "at": {"kind": "time", "step": "1 s", "disorder": "5 s"},
}


def test_it_keeps_the_contract_of_sources():
    check_source(GenerateSource(FIELDS, rows=50, split_count=3))


def test_any_slice_can_be_made_again():
    source = GenerateSource(FIELDS, seed=3)
    whole = source.frame(0, 0, 500)
    for first, count in ((0, 1), (7, 100), (499, 1), (250, 250)):
        assert_frame_equal(source.frame(0, first, count), whole[first : first + count])


def test_splits_share_the_rows():
    one = GenerateSource(FIELDS, rows=11)
    three = GenerateSource(FIELDS, rows=11, split_count=3)
    parts = pl.concat(three.frame(split, 0, count) for split, count in enumerate((4, 4, 3)))
    assert_frame_equal(parts.sort("id"), one.frame(0, 0, 11))
    readers = [three.reader(split, None, wanted(three.schema())) for split in three.splits()]
    assert [sum(polled.frame.height for polled in polls(reader, 100)) for reader in readers] == [4, 4, 3]


def test_other_seeds_and_other_names_give_other_values():
    field = {"kind": "int", "least": 0, "most": 2**62}
    frame = GenerateSource({"a": field, "b": field}).frame(0, 0, 10)
    assert not frame["a"].is_in(frame["b"].implode()).any()
    assert not frame["a"].is_in(GenerateSource({"a": field}, seed=1).frame(0, 0, 10)["a"].implode()).any()


def test_values_never_change_between_versions():
    frame = GenerateSource(FIELDS, seed=1).frame(0, 0, 2).select("id", "n", "flag", "city", "name")
    assert frame.rows() == [(10, 3, False, None, "pptkdy"), (12, 2, False, None, "lxysb")]


def test_values_are_within_their_bounds():
    frame = GenerateSource(FIELDS, seed=5).frame(0, 0, 20_000)
    assert set(frame["n"]) == set(range(-3, 4))
    assert frame["id"].to_list()[:3] == [10, 12, 14]
    assert frame["wide"].min() < -(2**62)
    assert frame["wide"].max() > 2**62
    assert 1 <= frame["x"].min() < 1.01 < 1.99 < frame["x"].max() < 2
    assert abs(frame["flag"].mean() - 0.25) < 0.02
    assert abs(frame["city"].null_count() / frame.height - 0.5) < 0.02
    assert abs((frame["city"] == "Rome").mean() - 0.75) < 0.02
    lengths = frame["name"].str.len_bytes()
    assert (lengths.min(), lengths.max()) == (0, 20)
    assert frame["name"].str.contains("^[a-z]*$").all()
    lag = 1_577_836_800_000_000 + np.arange(20_000) * 1_000_000 - frame["at"].to_physical().to_numpy()
    assert (lag.min() >= 0, lag.max() <= 5_000_000, lag.std() > 1_000_000) == (True, True, True)


def test_the_schema_says_what_may_be_null():
    schema = GenerateSource(FIELDS).schema()
    assert schema["city"].nullable
    assert not schema["id"].nullable
    assert schema["day"].dtype == d.Date


def test_a_rate_gives_rows_as_they_are_due():
    clock = ManualClock()
    source = GenerateSource({"id": "sequence", "at": "time"}, rows=100, rate=10, clock=clock)
    reader = source.reader(source.splits()[0], 5, wanted(source.schema()))
    assert reader.poll(1000) is None
    assert reader.retry_after_us == 100_000
    clock.advance("1 s")
    polled = reader.poll(1000)
    assert (polled.offsets, polled.position) == (((5, 10),), 15)
    assert reader.poll(1000) is None
    assert polled.frame["at"].diff()[1] == dt.timedelta(milliseconds=100)
    clock.advance("60 s")
    assert sum(one.frame.height for one in polls(reader, 7)) == 85
    assert reader.ended


@pytest.mark.parametrize(
    ("fields", "more", "message"),
    [
        ({}, {}, "at least one field"),
        ({"a": "foo"}, {}, 'no kind of field "foo"'),
        ({"a": {}}, {}, 'the field "a" has no kind'),
        ({"a": {"kind": "int", "leas": 1}}, {}, 'the field "a": no option "leas"; did you mean "least"'),
        ({"a": {"kind": "int", "least": 2, "most": 1}}, {}, "no number from 2 to 1"),
        ({"a": {"kind": "choice"}}, {}, 'the option "of" is missing'),
        ({"a": {"kind": "choice", "of": [1, "x"]}}, {}, "values of one type"),
        ({"a": {"kind": "choice", "of": [1], "weights": [1, 2]}}, {}, "each with a weight"),
        ({"a": {"kind": "string", "least": 5, "most": 4}}, {}, "found 5 to 4"),
        ({"a": {"kind": "time", "start": "soon"}}, {}, '"soon" is no moment'),
        ({"a": "sequence"}, {"rows": -1}, "found -1"),
        ({"a": "sequence"}, {"rate": 0}, "found 0"),
        ({"a": "sequence"}, {"split_count": 0}, "at least one split"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(fields, more, message):
    with pytest.raises((PlanError, UnknownNameError), match=message):
        GenerateSource(fields, **more).schema()


def test_a_declared_type_must_go_with_the_field():
    with pytest.raises(SourceError, match='column "a" is Int64, not String'):
        rows_of(GenerateSource({"a": "sequence"}, rows=1), wanted({"a": d.String}))


def test_moments_may_be_wall_clock_times():
    fields = {"at": {"kind": "time", "start": "2020-01-01T00:00:00Z", "step": "1 h", "local": True}}
    frame = ps.read(GenerateSource(fields, rows=2)).collect()
    assert frame.schema["at"] == pl.Datetime("us", None)
    assert frame["at"].to_list() == [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 1)]
    script = "CREATE TABLE g (at TIMESTAMP(3)) WITH ('connector' = 'datagen', 'number-of-rows' = '2'); SELECT * FROM g"
    assert ps.sql(script).collect().schema["at"] == pl.Datetime("ms", None)
