"""Rows in trees against sorted lists, compiled and as plain Python."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock.core.errors import InvariantError
from penstock.core.schema import Field, Schema
from penstock.plan.ordering import SortKey, row_order
from penstock.state.ordered import OrderedRows

pytestmark = pytest.mark.usefixtures("kernels")

SCHEMA = Schema((Field("k", ps.Int64, nullable=False), Field("v", ps.Float64), Field("s", ps.String)))
TEXTS = [None, "", "a", "ab", "abc", "é", "twelve bytes", "thirteen byte", "thirteen bytes long", "thirteen bytes lonh"]
NUMBERS = [None, 0.0, -1.5, 2.0, float("inf"), float("-inf"), float("nan")]
ORDERS = [
    (SortKey("v"), SortKey("s")),
    (SortKey("s", descending=True, nulls_first=False), SortKey("v", descending=True)),
    (SortKey("v", nulls_first=False), SortKey("s", descending=True)),
]


def rows(generator, count):
    return [
        {"k": generator.randint(0, 2), "v": generator.choice(NUMBERS), "s": generator.choice(TEXTS)}
        for _ in range(count)
    ]


def put(state, given, signs, step, most=-1):
    frame = pl.DataFrame(given, schema=SCHEMA.to_polars())
    columns = frame.get_columns()
    found = state.find(columns, frame.height, step)
    slots = state.rows.add(columns, [], step)
    dropped = state.apply(found.slots, slots, np.array(signs), most)
    if len(dropped):
        state.rows.drop(dropped, step)


def shown(state, key, first=0, last=100):
    slot = state.index.find(state.codec.encode([pl.Series([key])]))
    if slot[0] < 0:
        return []
    _, slots = state.ranks(slot, first, last)
    columns = state.rows.take(slots)
    return [str(row) for row in pl.DataFrame(columns, schema=list(SCHEMA.names)).rows()]


def listed(given):
    return [str(tuple(row.values())) for row in given]


@pytest.mark.parametrize("order", ORDERS)
def test_rows_come_and_go(order):
    generator = random.Random(4)
    state, told = OrderedRows(SCHEMA, ["k"], order), {0: [], 1: [], 2: []}
    for step in range(12):
        new = rows(generator, 6)
        gone = [row for row in told[step % 3] if generator.random() < 0.4]
        put(state, [*gone, *new], [-1] * len(gone) + [1] * len(new), step)
        for row in gone:
            told[row["k"]].remove(row)
        for row in new:
            told[row["k"]].append(row)
        for key, kept in told.items():
            kept.sort(key=row_order(order))
            assert shown(state, key) == listed(kept)
            assert shown(state, key, 1, 3) == listed(kept[1:3])


def test_those_behind_the_last_rank_are_dropped():
    generator, order = random.Random(5), ORDERS[0]
    state, told = OrderedRows(SCHEMA, ["k"], order), {0: [], 1: [], 2: []}
    for step in range(8):
        new = rows(generator, 7)
        put(state, new, [1] * len(new), step, most=3)
        for row in new:
            told[row["k"]].append(row)
        for key, kept in told.items():
            kept.sort(key=row_order(order))
            assert shown(state, key) == listed(kept[:3])
    assert len(state.rows) <= 9


def test_trees_are_built_again_of_the_rows():
    generator, order = random.Random(6), ORDERS[1]
    state = OrderedRows(SCHEMA, ["k"], order)
    put(state, rows(generator, 20), [1] * 20, 0)
    again = OrderedRows(SCHEMA, ["k"], order, seed=9)
    again.rows.entries.fill([state.rows.entries.capture(state.rows.entries.live())])
    again.rows.added = state.rows.added
    again.rebuild(1)
    assert [shown(again, key) for key in range(3)] == [shown(state, key) for key in range(3)]


def test_a_row_that_never_came_cannot_go():
    state = OrderedRows(SCHEMA, ["k"], ORDERS[0])
    with pytest.raises(InvariantError, match="never came"):
        put(state, [{"k": 1, "v": 1.0, "s": "a"}], [-1], 0)


def test_numbers_of_all_kinds_are_in_order():
    schema = Schema((
        Field("u", ps.UInt64), Field("d", ps.Decimal(30, 2)), Field("b", ps.Boolean), Field("n", ps.Int8),
    ))  # fmt: skip
    given = pl.DataFrame(
        {
            "u": [1, 2**64 - 1, 0, None],
            "d": [-(10**27), 10**27, 0, None],
            "b": [True, False, None, True],
            "n": [-3, 3, 0, 1],
        },
        schema=schema.to_polars(),
    )
    for name in schema.names:
        order = (SortKey(name),)
        state = OrderedRows(schema, [], order)
        found = state.find(given.get_columns(), 4, 0)
        state.apply(found.slots, state.rows.add(given.get_columns(), [], 0), None)
        _, slots = state.ranks(found.touched, 0, 9)
        made = pl.DataFrame(state.rows.take(slots), schema=list(schema.names))
        assert made.to_dicts() == sorted(given.to_dicts(), key=row_order(order))
