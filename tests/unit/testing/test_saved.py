from __future__ import annotations

import polars as pl
import pytest

import penstock as ps
from penstock.core.errors import InvariantError, StateError
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec, KeyLayout
from penstock.testing import Driver, T
from penstock.testing.case import case_of
from penstock.testing.saved import Saved, SavedNode, through_json

ROWS = T("at | k\n00:00:01 | a\n00:00:12 | b")


def windows(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())


def driver():
    return Driver(case_of(windows, ROWS, watermark="0 s").pipeline)


def test_what_a_snapshot_does_not_give_is_forgotten():
    one = driver().push("input", ROWS).checkpoint().step().checkpoint()
    assert list(one.saved.records) == ["output/window-1:10000000/0/keys"]
    one.end().step().checkpoint()
    assert one.saved.records == {}


def test_a_snapshot_must_be_json():
    assert through_json({"a": (1, [2.5, None, "x", True])}) == {"a": [1, [2.5, None, "x", True]]}
    for value in ({1: 2}, {"a": {1, 2}}, float("nan"), b"bytes"):
        with pytest.raises(InvariantError, match="JSON"):
            through_json(value)


def test_a_name_is_given_once():
    node = SavedNode()
    node.save_blob("a", b"1")
    with pytest.raises(InvariantError, match='gives "a" twice'):
        node.save_blob("a", b"2")
    node.finish()
    node.save_blob("a", b"3")
    assert node.blobs == {"a": b"3"}


def test_what_is_not_there_is_told():
    one = driver().push("input", ROWS).step().checkpoint()
    one.saved.nodes["output/window-1"].tables.clear()
    with pytest.raises(StateError, match='no table "10000000/0/keys" is stored; there are none'):
        one.saved.give(driver().engine)
    with pytest.raises(KeyError):
        Saved().give(driver().engine)


def test_an_epoch_that_begins_too_late_is_found():
    table = Arrangement(KeyLayout(1), [])
    keys = KeyCodec(["k"], [ps.Int64], [False]).encode([pl.Series([1, 2])])
    node = SavedNode()
    table.upsert(keys, None, 0)
    node.save_table("t", table, 5)
    table.upsert(keys, None, 1)
    table.upsert(keys, None, 2)
    node.finish()
    with pytest.raises(InvariantError, match="touched in a step before"):
        node.save_table("t", table, 6)
