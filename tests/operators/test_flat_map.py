"""Rows by functions of users: `map` and `flat_map`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import pytest

import penstock as ps
from penstock import col
from penstock.operators import flat_map
from penstock.testing import T, check

ROWS = T("""
    at       | k | v:Int64
    00:00:01 | a | 4
    00:00:04 | b | 0
    00:00:05 | c | null
    00:00:02 | a | 2
""")
SCHEMA = {"at": ps.Datetime("us", "UTC"), "k": str, "i": ps.Int64}


def parts(row):
    for i in range(row.v):
        yield {"at": row["at"], "k": row.k, "i": i}


class Line(TypedDict):
    """A row."""

    k: str
    n: int | None


def lines(row: dict[str, object]) -> Iterator[Line]:
    yield {"k": str(row["k"]), "n": None}


@pytest.mark.parametrize("most", [1, 3, 1 << 16])
def test_many_rows_of_one_with_event_time(monkeypatch, most):
    monkeypatch.setattr(flat_map, "MOST_ROWS", most)
    check(
        lambda s: s.flat_map(parts, SCHEMA).window(ps.tumbling("10 s")).agg(n=ps.count()),
        input=ROWS,
        output=[{"n": 6}],
        errors=1,
    )


def test_one_row_or_none():
    check(
        lambda s: s.map(lambda row: {"w": row.k * 2} if row.v else None, {"w": str}),
        input=ROWS,
        output=[{"w": "aa"}, {"w": "aa"}],
    )


def test_rows_that_go_again():
    check(
        lambda s: s.group_by("k").agg(n=col("v").sum()).map(lambda row: {"w": row.n // 4}, {"w": ps.Int64}),
        input=ROWS,
        errors=None,
    )


def test_columns_of_the_annotation():
    rows = ps.read([{"k": "a"}]).flat_map(lines)
    assert str(rows.schema) == "k: String, n: Int64"
    assert rows.collect().rows() == [("a", None)]


def test_what_is_not_declared_is_refused():
    rows = ps.read([{"at": "2026-01-01T00:00:00Z", "v": 1}]).cast(at=ps.Datetime("us", "UTC"))
    timed = rows.with_event_time("at")

    def reasons(made):
        return made.errors().collect()["_why"].struct.field("reason").to_list()

    (one,) = reasons(timed.map(lambda row: {"at": row.at.replace(hour=1)}, {"at": SCHEMA["at"]}))
    assert 'changed the event time "at"' in one
    assert "flat_map takes several rows, found dict" in reasons(rows.flat_map(lambda row: {"v": 1}, {"v": int}))[0]
    assert 'the column "w" is not declared' in reasons(rows.map(lambda row: {"w": 1}, {"v": int}))[0]
    assert "a row is a dict, found int" in reasons(rows.map(lambda row: 1, {"v": int}))[0]
    assert "the row has no column 'w'" in reasons(rows.map(lambda row: {"v": row.w}, {"v": int}))[0]
    with pytest.raises(ps.PlanError, match="which columns it gives"):
        rows.map(lambda row: row)
    with pytest.raises(ps.PlanError, match="not deterministic"):
        rows.agg(n=ps.count()).map(lambda row: row, {"n": int}, deterministic=False)
