"""What the simulator holds against outputs."""

from __future__ import annotations

import datetime as dt

import pytest

from penstock.testing.simulation.judging import CHANGELOG, CHANGES, ROWS, compare, row_of

A, B = row_of({"k": 1}), row_of({"k": 2})


def test_rows_are_equal_wherever_they_come_from():
    moment = dt.datetime(2024, 1, 1, 2, 3, 4, 500_000, tzinfo=dt.UTC)
    assert row_of({"a": 1, "t": moment}) == row_of({"t": "2024-01-01T02:03:04.500Z", "a": 1})
    assert row_of({"t": moment}) != row_of({"t": "2024-01-01T02:03:04Z"})


@pytest.mark.parametrize(
    ("found", "whole", "said"),
    [
        ([(A, 1), (B, 1)], True, None),
        ([(B, 1), (A, 1)], True, None),
        ([(A, 1)], False, None),
        ([(A, 1)], True, "1 rows are missing"),
        ([(A, 1), (B, 1), (B, 1)], True, "1 rows too many"),
        ([(A, 1), (A, 1)], False, "1 rows too many"),
    ],
)
def test_rows(found, whole, said):
    wrong = compare(ROWS, found, [(A, 1), (B, 1)], whole=whole)
    assert wrong is None if said is None else said in wrong


def test_changes_add_up():
    assert compare(CHANGES, [(A, 1), (A, -1), (B, 1)], [(B, 1)], whole=True) is None
    assert compare(CHANGES, [(A, 1)], [(B, 1)], whole=False) is None  # on the way
    assert "not there" in compare(CHANGES, [(A, -1), (A, 1), (B, 1)], [(B, 1)], whole=True)


def test_changelogs_are_changes():
    rows = [(row_of({"op": op, "k": 1}), 1) for op in ("+I", "-U", "+U")]
    assert compare(CHANGELOG, rows, rows[:1], whole=True) is None
    assert "not there" in compare(CHANGELOG, rows[1:], rows[:1], whole=True)
