"""Types of plain Python values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from penstock.connectors.formats._infer import common_type
from penstock.core import dtypes as d
from penstock.core.errors import PlanError


def conflict(one, other):
    raise PlanError(f"{one} and {other}")


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([], d.Null),
        ([None, 1], d.Int64),
        ([1, 2.5], d.Float64),
        ([True, None], d.Boolean),
        ([2**63], d.UInt64),
        ([1, 2**63, None], d.UInt64),
        ([2**63, -1], d.Decimal(38, 0)),
        ([1, 2**64], d.Decimal(38, 0)),
        ([-(2**63) - 1, 1], d.Decimal(38, 0)),
        ([2**63, 1.5], d.Float64),
        ([2**63, Decimal("1.5")], d.Decimal(38, 1)),
        ([[2**63], [1]], d.List(d.UInt64)),
        ([{"a": [1]}, {"a": [2**70]}], d.Struct({"a": d.List(d.Decimal(38, 0))})),
        ([b"x"], d.Binary),
        ([dt.date(2020, 1, 1)], d.Date),
        ([dt.datetime(2020, 1, 1)], d.Datetime("us")),
        ([dt.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))], d.Datetime("us", "Europe/Berlin")),
        ([dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))], d.Datetime("us", "UTC")),
        ([dt.time(1), None], d.Time),
        ([dt.timedelta(1)], d.Duration("us")),
        ([Decimal("1.5"), Decimal("2.25"), 3], d.Decimal(38, 2)),
        ([[1], [None, 2.5], None], d.List(d.Float64)),
        ([{"a": 1}, {"b": "x", "a": None}], d.Struct({"a": d.Int64, "b": d.String})),
    ],
)
def test_the_common_type_of_values(values, dtype):
    assert common_type(values, conflict) == dtype


@pytest.mark.parametrize("values", [[1, "x"], [True, 1], [[1], ["x"]], [{"a": 1}, {"a": "x"}], [10**38], [-(10**38)]])
def test_values_of_different_types_are_a_conflict(values):
    with pytest.raises(PlanError, match=" and "):
        common_type(values, conflict)
    assert common_type(values, lambda one, other: d.Json) is not None


def test_other_classes_cannot_be_in_a_row():
    with pytest.raises(PlanError, match="a value of object"):
        common_type([object()], conflict)
