"""Joins by time: what DuckDB says, what is late, what state is bounded by, and what is refused."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from typing import Any, ClassVar

import duckdb
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.api.stream import stream
from penstock.core.errors import PlanError
from penstock.expr.ast import Term
from penstock.operators.base import Executable
from penstock.plan.node import UPDATING, Facts, Node
from penstock.testing import T, check
from penstock.testing.driver import Driver
from penstock.testing.scene import Kept, Pushed

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
COLUMNS = ps.Schema.of({"at": ps.Datetime("us", "UTC"), "k": ps.Int64, "v": ps.Int64})


def rows(seed: int, count: int = 80) -> pl.DataFrame:
    chance = random.Random(seed)
    times = sorted(chance.sample(range(1000), count))
    keys = [None, 1, 2, 3]
    made = [{"at": START + dt.timedelta(seconds=t), "k": chance.choice(keys), "v": chance.randrange(9)} for t in times]
    return pl.DataFrame(made, schema=COLUMNS.to_polars())


def duck(text: str, left: pl.DataFrame, right: pl.DataFrame) -> list[Any]:
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        for name, frame in (("l", left), ("r", right)):
            plain = frame.with_columns(pl.col("at").cast(pl.Int64))
            database.register(name, plain.to_arrow())
        return sorted(database.execute(text).fetchall(), key=repr)


def found_of(joined: Any) -> list[Any]:
    frame = joined.collect()
    times = [name for name, dtype in frame.schema.items() if dtype.is_temporal()]
    return sorted(frame.with_columns(pl.col(name).cast(pl.Int64) for name in times).rows(), key=repr)


def read(frame: pl.DataFrame, name: str) -> Any:
    return ps.read(frame, name=name, event_time="at", watermark="0 s")


@pytest.mark.parametrize("how", ["inner", "left", "right", "full", "semi", "anti"])
def test_duckdb_gives_the_same_within_an_interval(how: str) -> None:
    left, right = rows(1), rows(2)
    on = "l.k = r.k and r.at - l.at between -20000000 and 35000000"
    columns = "l.at, l.k, l.v" if how in ("semi", "anti") else "l.at, coalesce(l.k, r.k), l.v, r.at, r.v"
    expected = duck(f"select {columns} from l {how} join r on {on}", left, right)
    joined = read(left, "l").join(read(right, "r"), on="k", how=how, within=("-20 s", "35 s"))
    assert found_of(joined) == expected


@pytest.mark.parametrize(("strategy", "sign"), [("backward", ">="), ("forward", "<=")])
@pytest.mark.parametrize("how", ["left", "inner"])
def test_duckdb_gives_the_same_as_of_a_time(strategy: str, sign: str, how: str) -> None:
    left, right = rows(3), rows(4)
    text = f"select l.at, l.k, l.v, r.at, r.v from l asof {how} join r on l.k = r.k and l.at {sign} r.at"
    expected = duck(text, left, right)
    joined = read(left, "l").join_asof(read(right, "r"), by="k", how=how, strategy=strategy, tolerance="2000 s")
    assert found_of(joined) == expected


def test_polars_gives_the_same_nearest() -> None:
    left, right = rows(5).drop_nulls(), rows(6).drop_nulls()
    expected = left.join_asof(
        right, on="at", by="k", strategy="nearest", tolerance="9s", coalesce=False, check_sortedness=False
    )
    joined = read(left, "l").join_asof(read(right, "r"), by="k", strategy="nearest", tolerance="9 s").collect()
    # Of equal distances Polars takes another one than we do: those are left out.
    assert joined.height == expected.height
    far = (joined["at_right"] - joined["at"]).abs().to_list()
    other = (expected["at_right"] - expected["at"]).abs().to_list()
    assert far == other


def test_late_rows_of_both_sides_are_in_one_table() -> None:
    check(
        lambda a, b: a.join(b, on="k", within=("-5 s", "5 s")),
        input=[
            T("""
                at       | k | v
                00:00:01 | a | 1
                ~ 00:00:12
                00:00:03 | a | 2
            """),
            T("""
                at       | k | w
                00:00:02 | a | x
                ~ 00:00:12
                00:00:04 | a | y
            """),
        ],
        output=T("""
            at       | k | v | at_right | w
            00:00:01 | a | 1 | 00:00:02 | x
        """),
        late=2,
    )


def pushed(build: Any) -> Driver:
    made = [
        ps.read(Pushed(name=name, columns=COLUMNS, ends=False), name=name, event_time="at", watermark="1 s")
        for name in ("left", "right")
    ]
    return Driver(ps.Pipeline("joined", build(*made).write(Kept(), name="out")))


@pytest.mark.parametrize(
    "build",
    [
        lambda left, right: left.join(right, on="k", how="full", within=("-3 s", "3 s")),
        lambda left, right: left.join_asof(right, by="k"),
        lambda left, right: left.join_asof(right, by="k", strategy="nearest", tolerance="3 s"),
    ],
)
def test_state_is_bounded(build: Any) -> None:
    driver = pushed(build)
    (join,) = [made for made in driver.plan.nodes if "join" in made.node.verb]
    sizes = []
    for step in range(60):
        times = [START + dt.timedelta(seconds=10 * step + i) for i in range(10)]
        some = [{"at": time, "k": i % 3, "v": i} for i, time in enumerate(times)]
        driver.push("left", some).push("right", some).step()
        sizes.append(join.executor.state_size())
    assert max(size for size, _ in sizes) < 40
    assert sizes[-1] <= max(sizes[:20])


def test_the_watermark_is_held_back_by_what_waits() -> None:
    driver = pushed(lambda left, right: left.join(right, on="k", within=("-3 s", "5 s")))
    at = [{"at": START + dt.timedelta(seconds=20), "k": 1, "v": 1}]
    driver.push("left", at).push("right", at).step()
    (join,) = [made.index for made in driver.plan.nodes if made.node.verb == "interval_join"]
    behind = driver.engine.watermarks[join] - int(START.timestamp() * 1e6)
    assert behind == (20 - 1 - 5) * 1_000_000 - 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Versions(Executable):
    """A Table of versions, as `as_table` gives it: the join reads what it is made of."""

    verb: ClassVar[str] = "as_table"
    input: Node
    keys: tuple[str, ...]
    delete: Term | None = None

    def derive(self) -> Facts:
        below = self.input.facts
        return Facts(schema=below.schema, mode=UPDATING, key=self.keys, time=below.time, watermarked=True)


def test_a_temporal_join_takes_the_version_of_the_time() -> None:
    def build(orders: Any, rates: Any) -> Any:
        table = stream(Versions(input=rates.node, keys=("c",), delete=col("rate").is_null().term))
        return orders.join(table, on="c", as_of="event_time", how="left")

    check(
        build,
        input=[
            T("""
                at       | c | n
                00:00:04 | e | 1
                00:00:05 | e | 2
                00:00:09 | e | 3
                00:00:02 | e | 4
            """),
            T("""
                at       | c | rate:Int64
                00:00:03 | e | 10
                00:00:05 | e | 11
                00:00:08 | e | null
            """),
        ],
        output=T("""
            at       | c | n | at_right | rate:Int64
            00:00:02 | e | 4 | null     | null
            00:00:04 | e | 1 | 00:00:03 | 10
            00:00:05 | e | 2 | 00:00:05 | 11
            00:00:09 | e | 3 | null     | null
        """),
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"within": "5 s"}, "pair of durations"),
        ({"within": ("5 s", "1 s")}, "above its upper"),
        ({"within": ("0 s", "1 s"), "closed": "open"}, "closed"),
        ({"within": ("0 s", "1 s"), "as_of": "event_time"}, "not several"),
        ({"as_of": "event_time"}, "Table of versions"),
        ({"as_of": "now"}, "as_of"),
        ({"within": ("0 s", "1 s"), "how": "cross"}, "how"),
        ({"window": "1 s"}, "takes windows"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], told: str) -> None:
    one = read(rows(1), "one")
    with pytest.raises(PlanError, match=told):
        one.join(one, on="k", **options)


def test_what_needs_a_time_says_so() -> None:
    plain, timed = ps.read([{"k": 1}], name="plain"), read(rows(1), "timed")
    with pytest.raises(PlanError, match="right side has none"):
        timed.join(plain, on="k", within=("0 s", "1 s"))
    with pytest.raises(PlanError, match="left side is a Table"):
        timed.group_by("k").agg(n=ps.count()).join_asof(timed, by="k")
    with pytest.raises(PlanError, match="tolerance"):
        timed.join_asof(timed, by="k", strategy="nearest")
    table = stream(Versions(input=timed.node, keys=("k", "v")))
    with pytest.raises(PlanError, match="whole key"):
        timed.join(table, on="k", as_of="event_time")


def test_a_pipeline_can_refuse_joins_without_bound() -> None:
    one, other = (
        ps.read(Pushed(name=name, columns=COLUMNS, ends=False), name=name, event_time="at", watermark="1 s")
        for name in ("one", "other")
    )
    with pytest.raises(PlanError, match="all rows of both sides"):
        ps.Pipeline("p", one.join(other, on="k").write(Kept(), name="out"), unbounded="error")
    bounded = [one.join(other, on="k", within=("0 s", "1 s")), one.join(other, on="k", window=ps.tumbling("1 s"))]
    for joined in [*bounded, one.join_asof(other, by="k", tolerance="1 s")]:
        assert not list(ps.Pipeline("p", joined.write(Kept(), name="out"), unbounded="error").growing())
    (told,) = ps.Pipeline("p", one.join_asof(other, by="k").write(Kept(), name="out")).growing()
    assert "one row per key" in told
