"""Kinds of changes, and what changes add up to."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from penstock.core.changelog import net, operations
from penstock.core.errors import InvariantError

ROWS = pl.DataFrame({"k": ["a", "a", "b", "c", None, None], "n": [1, 2, 1, 1, 1, 2]})
DIFF = np.array([-1, 1, 1, -1, -1, 1], dtype=np.int8)


def test_a_key_that_goes_and_comes_is_an_update():
    assert operations(ROWS, DIFF, ["k"]).to_list() == ["-U", "+U", "+I", "-D", "-U", "+U"]


def test_a_key_may_change_more_than_once():
    rows = pl.DataFrame({"k": ["a"] * 5})
    assert operations(rows, np.array([1, -1, 1, -1, -1], dtype=np.int8)[:5], ["k"]).to_list() == [
        "+I", "-U", "+U", "-D", "-D",
    ]  # fmt: skip


def test_without_a_key_rows_only_come_and_go():
    assert operations(ROWS, DIFF, []).to_list() == ["-D", "+I", "+I", "-D", "-D", "+I"]


def test_columns_of_any_name_may_be_the_key():
    rows = pl.DataFrame({"diff": [1, 1], "op": [1, 1]})
    assert operations(rows, np.array([-1, 1], dtype=np.int8), ["diff", "op"]).to_list() == ["-U", "+U"]


def test_what_is_left_comes_in_the_order_in_which_it_came_last():
    rows = pl.DataFrame({"k": ["a", "b", "a", "a", "b"], "n": [1, 1, 1, 2, 1]})
    left = net(rows, np.array([1, 1, -1, 1, 1], dtype=np.int8))
    assert left.rows() == [("a", 2), ("b", 1), ("b", 1)]


def test_floats_and_nested_values_add_up_too():
    rows = pl.DataFrame({"x": [float("nan"), float("nan"), 1.0], "l": [[1], [1], None]})
    assert_frame_equal(net(rows, np.array([1, -1, 1], dtype=np.int8)), rows[2:])


def test_a_row_that_goes_more_often_than_it_came_is_a_fault():
    with pytest.raises(InvariantError, match="'k': 'a'"):
        net(pl.DataFrame({"k": ["a"]}), np.array([-1], dtype=np.int8))


def test_nothing_adds_up_to_nothing():
    assert net(ROWS.clear(), np.empty(0, dtype=np.int8)).shape == (0, 2)
    assert operations(ROWS.clear(), np.empty(0, dtype=np.int8), ["k"]).to_list() == []
