"""Asynchronous functions: values, failures, order; whatever ends when, in any cut, after restarts while rows wait."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.api.stream import stream
from penstock.core.errors import PlanError, UnsupportedError
from penstock.plan.pipeline import Pipeline
from penstock.testing.case import Case
from penstock.testing.compare import difference
from penstock.testing.driver import Driver
from penstock.testing.scene import Kept, Scene
from penstock.testing.strategies import cuts, inputs, orders
from penstock.testing.trial import check_counts, push
from tests.laws.asked import Asking
from tests.laws.law import LAW, told

SCHEMA = {"k": ps.String, "v": ps.Int64}
ROWS = ps.read([{"k": "a", "v": 4}, {"k": "b", "v": 0}, {"k": "c", "v": None}, {"k": "d", "v": 2}], schema=SCHEMA)


@ps.udf
async def inverse(x: int) -> float:
    await asyncio.sleep(0.01 * (x % 3))
    return 12 / x


async def asked(row):
    await asyncio.sleep(0)
    if row.v == 4:
        raise LookupError("four")
    return None if row.v == 2 else {"k": row.k, "w": "none" if row.v is None else str(row.v)}


def test_a_column_in_the_order_of_rows():
    made = ROWS.with_columns(y=inverse(col("v") + 0), z=col("v") + 1)
    assert made.collect().rows() == [("a", 4, 3.0, 5), ("c", None, None, None), ("d", 2, 6.0, 3)]
    (bad,) = made.errors().collect().to_dicts()
    assert bad["v"] == 0
    assert bad["_why"]["reason"] == "inverse failed: ZeroDivisionError: division by zero"
    assert bad["_why"]["offset"] == 1
    assert ROWS.filter(inverse(col("v")) > 5).collect().rows() == [("d", 2)]


@pytest.mark.parametrize("ordered", [True, False])
def test_rows_that_a_function_makes(ordered):
    made = ROWS.map_async(asked, {"k": ps.String, "w": ps.String}, ordered=ordered, parallelism=2)
    assert sorted(made.collect().rows()) == [("b", "0"), ("c", "none")]
    (bad,) = made.errors().collect().to_dicts()
    assert bad["_why"]["reason"] == "asked failed: LookupError: four"


class Client:
    """What a setup opens: bound to the event loop that it is opened in."""

    def __init__(self):
        self.loop, self.free = asyncio.get_running_loop(), asyncio.Semaphore(1)

    async def get(self, value):
        assert asyncio.get_running_loop() is self.loop
        async with self.free:
            return value + 1


async def opened():
    await asyncio.sleep(0)
    return Client()


@ps.udf(returns=ps.Int64, setup=opened)
async def more(client, x: int):
    return await client.get(x)


def test_setup_runs_once_in_the_loop_of_the_calls():
    assert ROWS.select(y=more(col("v"))).collect()["y"].to_list() == [5, 1, None, 3]


async def stuck(row):
    await asyncio.Event().wait()


async def leaves(row):
    raise SystemExit(row.v)


async def lies(row):
    return {"k": 3}


def reasons(made):
    return {row["_why"]["reason"] for row in made.errors().collect().to_dicts()}


def test_what_takes_too_long_exits_or_gives_another_type_leaves_by_errors():
    one = {"k": ps.String}
    assert reasons(ROWS.map_async(stuck, one, timeout="5 ms")) <= {
        "stuck failed: TimeoutError: no answer within 0.005 s",
        "stuck failed: no answer within 0.005 s",
    }
    left = {f"leaves failed: CoroutineEndedError: SystemExit({v})" for v in (4, 0, None, 2)}
    assert reasons(ROWS.map_async(leaves, one)) == left
    assert reasons(ROWS.map_async(lies, one)) == {'lies: "k": gave int, declared is String'}


def test_calls_that_fail_are_made_again():
    tries = []

    async def third(row):
        tries.append(row.k)
        if tries.count(row.k) < 3:
            raise ConnectionError("away")
        return {"k": row.k}

    made = ROWS.map_async(third, {"k": ps.String}, retry={"attempts": 3, "delay": "1 ms"})
    assert made.collect()["k"].to_list() == ["a", "b", "c", "d"]


def test_what_cannot_be_awaited_is_refused():
    with pytest.raises(PlanError, match="map_async takes an async function"):
        ROWS.map_async(len, {"k": ps.String})
    for verb in (ROWS.map, ROWS.flat_map):
        with pytest.raises(UnsupportedError, match="asked is async, and nothing waits for it here"):
            verb(asked, {"k": ps.String})
    with pytest.raises(UnsupportedError, match="is async"):
        ps.udf(asked, returns=ps.Int64, vectorized=True)
    with pytest.raises(UnsupportedError, match="rows of a Table go again"):
        ROWS.group_by("k").agg(n=ps.count()).with_columns(y=inverse(col("n")))
    with pytest.raises(PlanError, match="256 at most"):
        ROWS.map_async(asked, {"k": ps.String}, parallelism=1000)


# -- whatever ends when --------------------------------------------------------


async def scored(row):
    if row.i is not None and row.i % 3 == 0:
        raise ValueError("three")
    return None if row.i is not None and row.i % 3 == 1 else {"at": row.at, "k": row.k, "i": row.i}


@ps.udf
async def halved(x: int | None) -> float | None:
    if x == 0:
        raise ValueError("zero")
    return None if x is None else x / 2


@st.composite
def drawn_cases(draw):
    one = draw(inputs("input1", most_rows=10, most_splits=2, finite=True))
    rows = stream(one.node())
    ordered = draw(st.booleans())
    if draw(st.booleans()):
        names = {name: one.schema[name].dtype for name in ("at", "k", "i")}
        options = {"ordered": ordered, "parallelism": draw(st.integers(1, 4))}
        made = rows.map_async(scored, names, **options)
    else:
        made, ordered = rows.with_columns(y=halved(col("i"))), True
    if draw(st.booleans()) and made.node.facts.watermarked:
        made, ordered = made.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count(), s=col("i").min()), False
    pipeline = Pipeline("drawn", made.write(Kept(), name="output"))
    case = Case(pipeline, Scene((one,), draw(orders([one]))))
    return case, ordered, draw(cuts(case.scene.events()))


@LAW
@given(drawn_cases(), st.integers(0, 1 << 30))
def test_whatever_ends_when_the_result_is_that_of_calls_that_end_at_once(drawn, seed):
    case, ordered, steps = drawn
    chosen = random.Random(seed)
    one = Asking(Driver(case.pipeline, splits={i.name: len(i.splits) for i in case.scene.inputs}, seed=seed))
    for events in steps:
        push(one.driver, case, events)
        one.step()
        one.hand.finish(chosen, chosen.randrange(4))
        if chosen.random() < 0.3:
            one.driver.checkpoint()
        if chosen.random() < 0.3:
            one.restart(shards=chosen.randrange(1, 4))
    one.settle(chosen)
    expected = told(case).outputs["output"]
    rows, wanted = one.driver.rows(), [row.values for row in expected.rows]
    assert difference(wanted, rows, case.within, ("the reference", "the engine")) is None
    if ordered:
        assert rows == wanted
    check_counts(one.driver)
