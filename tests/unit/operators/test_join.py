"""Regular joins: what DuckDB says, how much is sent at a time, what a step costs, and what is refused."""

from __future__ import annotations

import datetime as dt
import random
import re

import duckdb
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.operators import join_state
from penstock.state.rows import RowStore
from penstock.testing.driver import Driver
from penstock.testing.scene import Kept, Pushed


def frames(seed: int, rows: int = 60) -> tuple[pl.DataFrame, pl.DataFrame]:
    chance = random.Random(seed)
    keys = [None, 1, 2, 3, 4, 5, 6]
    left = [{"k": chance.choice(keys), "j": chance.choice("ab"), "a": chance.randrange(9)} for _ in range(rows)]
    right = [{"k": chance.choice(keys), "j": chance.choice("abc"), "b": chance.randrange(9)} for _ in range(rows)]
    types = {"k": pl.Int64, "j": pl.String}
    return pl.DataFrame(left, schema={**types, "a": pl.Int64}), pl.DataFrame(right, schema={**types, "b": pl.Int64})


@pytest.mark.parametrize("how", ["inner", "left", "right", "full", "semi", "anti"])
@pytest.mark.parametrize("where", [False, True])
@pytest.mark.parametrize("equal", [False, True])
def test_duckdb_gives_the_same(how: str, where: bool, equal: bool) -> None:
    left, right = frames(hash((how, where, equal)) % 100)
    on = " and ".join(f"l.{c} {'is not distinct from' if equal else '='} r.{c}" for c in "kj")
    on += " and l.a < r.b" if where else ""
    if how in ("semi", "anti"):
        text = f"select l.k, l.j, l.a from l {how} join r on {on}"
    else:
        key = "coalesce(l.k, r.k) k, coalesce(l.j, r.j) j"
        text = f"select {key}, l.a, r.b from l {how} join r on {on}"
    with duckdb.connect() as database:
        database.register("l", left.to_arrow())
        database.register("r", right.to_arrow())
        expected = database.execute(text).fetchall()
    condition = col("a") < col("b") if where else None
    one, other = ps.read(left, name="l"), ps.read(right, name="r")
    found = one.join(other, on=["k", "j"], how=how, where=condition, nulls_equal=equal).collect()
    assert sorted(found.rows(), key=repr) == sorted(expected, key=repr)


def pushed(build, **inputs) -> Driver:
    streams = {
        name: ps.read(Pushed(name=name, columns=ps.Schema.of(types)), name=name) for name, types in inputs.items()
    }
    return Driver(ps.Pipeline("joined", build(**streams).write(Kept(), name="out")))


TYPES = {"k": ps.Int64, "a": ps.Int64}


@pytest.mark.parametrize("how", ["inner", "left", "full"])
def test_many_matches_come_in_many_deltas(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_state, "pairs_of", lambda environment, node: 100)
    driver = pushed(lambda left, right: left.join(right, on="k", how=how), left=TYPES, right=TYPES)
    driver.push("left", [{"k": 1, "a": i} for i in range(50)]).step()
    driver.push("right", [{"k": 1, "a": i} for i in range(40)]).step()
    sent = driver.sent()
    assert max(len(changes) for _, changes in sent) <= 200
    assert len(sent) >= 20
    assert len(driver.rows()) == 2000


def test_a_step_costs_what_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by the rows that are looked at, for ever more rows of other keys in the state."""
    looked = []
    columns = RowStore.columns
    monkeypatch.setattr(RowStore, "columns", lambda self, slots: looked.append(len(slots)) or columns(self, slots))
    costs = []
    for size in (10, 1000):
        driver = pushed(lambda left, right: left.join(right, on="k", how="full"), left=TYPES, right=TYPES)
        driver.push("left", [{"k": i, "a": i} for i in range(size)]).step()
        looked.clear()
        driver.push("right", [{"k": 3, "a": 0}]).step()
        costs.append(sum(looked))
    assert costs[0] == costs[1] <= 4


def test_a_step_sends_its_net() -> None:
    driver = pushed(lambda left, right: left.join(right, on="k", how="left"), left=TYPES, right=TYPES)
    driver.push("left", [{"k": 1, "a": 1}]).push("right", [{"k": 1, "a": 2}]).step()
    assert driver.changes() == [({"k": 1, "a": 1, "a_right": 2}, 1)]


def test_a_semi_join_keeps_of_the_right_side_how_many() -> None:
    driver = pushed(lambda left, right: left.join(right, on="k", how="semi"), left=TYPES, right=TYPES)
    driver.push("right", [{"k": 1, "a": i} for i in range(100)]).step()
    (join,) = [made.executor for made in driver.plan.nodes if made.node.verb == "join"]
    assert join.state_size()[0] == 1


def test_columns_and_facts() -> None:
    one = ps.read([{"k": 1, "a": 1}], name="one")
    other = ps.read([{"id": 1, "a": 2.0, "b": 1}], name="other")
    inner = one.join(other, left_on="k", right_on="id")
    assert inner.columns == ["k", "a", "a_right", "b"]
    assert not isinstance(inner, ps.Table)
    table = one.group_by("k").agg(n=ps.count())
    assert table.join(other, left_on="k", right_on="id", how="left").key is None
    assert table.join(other.group_by("id").agg(m=ps.count()), left_on="k", right_on="id", how="left").key == ("k",)
    assert "without bound" in inner.node.describe()
    assert one.join(other, left_on=col("k") > 0, right_on=col("b") > 0).columns == ["k", "a", "id", "a_right", "b"]


def test_columns_that_nobody_uses_are_not_kept() -> None:
    driver = Driver(
        ps.Pipeline(
            "joined",
            ps.read(Pushed(name="left", columns=ps.Schema.of({**TYPES, "wide": ps.String})), name="left")
            .join(ps.read(Pushed(name="right", columns=ps.Schema.of(TYPES)), name="right"), on="k")
            .select("k", "a_right")
            .write(Kept(), name="out"),
        ),
        optimized=True,
    )
    (join,) = [made.node for made in driver.plan.nodes if made.node.verb == "join"]
    assert join.left.schema.names == ("k",)
    driver.push("left", [{"k": 1, "a": 1, "wide": "w"}]).push("right", [{"k": 1, "a": 2}]).step()
    assert driver.rows() == [{"k": 1, "a_right": 2}]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"on": "k", "how": "outer"}, "outer"),
        ({"on": "x"}, '"x"'),
        ({}, "equal keys"),
        ({"on": "k", "how": "cross"}, "none"),
        ({"on": "k", "left_on": "k"}, "not both"),
        ({"left_on": "k"}, "both"),
        ({"left_on": "k", "right_on": "t"}, "equal types"),
        ({"on": "k", "where": col("k") > 0}, "both sides"),
        ({"on": "k", "where": col("left.k")}, "boolean"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict, told: str) -> None:
    one, other = ps.read([{"k": 1}], name="one"), ps.read([{"k": 1, "t": "x"}], name="other")
    with pytest.raises(PlanError, match=told):
        one.join(other, **options)


def test_what_can_fail_is_computed_before() -> None:
    one = ps.read([{"k": 1, "t": "1"}], name="one")
    with pytest.raises(UnsupportedError, match="with_columns"):
        one.join(one, left_on=col("t").cast(ps.Int64), right_on=col("k"))


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize(("verb", "text"), [("intersect", "intersect"), ("except_", "except")])
def test_duckdb_gives_the_same_sets(verb: str, text: str, every: bool) -> None:
    left, right = (frame.rename({frame.columns[-1]: "v"}) for frame in frames(7, 200))
    with duckdb.connect() as database:
        database.register("l", left.to_arrow())
        database.register("r", right.to_arrow())
        expected = database.execute(f"select * from l {text} {'all' * every} select * from r").fetchall()
    found = getattr(ps.read(left, name="l"), verb)(ps.read(right, name="r"), all=every)
    assert found.key == (None if every else ("k", "j", "v"))
    assert sorted(found.collect().rows(), key=repr) == sorted(expected, key=repr)


def test_sets_need_equal_columns() -> None:
    one, other = ps.read([{"k": 1}], name="one"), ps.read([{"k": 1, "t": "x"}], name="other")
    for left, right in ((one, other), (other, one)):
        with pytest.raises(PlanError, match="equal columns"):
            left.intersect(right)


def test_a_row_that_comes_once_more_is_sent_once_more() -> None:
    """Not all copies again: otherwise a row that comes n times costs n x n."""
    driver = pushed(lambda left, right: left.except_(right, all=True), left=TYPES, right=TYPES)
    for count in (1, 2, 3):
        driver.push("left", [{"k": 1, "a": 1}]).step()
        assert driver.sent()[-1][1] == [({"k": 1, "a": 1}, 1)]
        assert len(driver.rows()) == count
    driver.push("right", [{"k": 1, "a": 1}]).step()
    assert driver.sent()[-1][1] == [({"k": 1, "a": 1}, -1)]


def test_an_unknown_column_says_of_which_side() -> None:
    orders, pays = ps.read([{"id": 1, "sum": 2}], name="orders"), ps.read([{"order": 1, "paid": 2}], name="pays")
    keys = {"left_on": "id", "right_on": "order"}
    for options, message in (
        ({"on": "id"}, 'in the right side "pays"'),
        ({"left_on": "id", "right_on": "odrer"}, 'no column "odrer" in the right side "pays"; did you mean "order"?'),
        ({"left_on": col("ids") + 1, "right_on": "order"}, 'no column "ids" in the left side "orders"; did you mean'),
        (keys | {"where": col("right.pade") > 1}, 'no column "pade" in the right side "pays"; did you mean "paid"?'),
        (keys | {"where": col("left.x") > 1}, 'no column "x" in the left side "orders"'),
        (keys | {"where": col("summ") > 1}, 'no column "summ" in either side of the join; did you mean "sum"?'),
    ):
        with pytest.raises(UnknownNameError, match=re.escape(message)):
            orders.join(pays, **options)
    with pytest.raises(UnknownNameError, match='the right side has a column "order"'):
        orders.join(pays, left_on="order", right_on="id")


def test_a_full_join_has_a_key_only_if_rows_without_partner_cannot_share_it() -> None:
    left = ps.read([{"k": 1}], schema={"k": ps.Int64}, name="left").group_by("k").agg(n=ps.count())
    right = ps.read([{"k": 1}], schema={"k": ps.Int64}, name="right").group_by("k").agg(m=ps.count())
    full = {"on": "k", "how": "full"}
    assert left.join(right, **full, nulls_equal=True).key == ("k",)
    # Null is no partner of null, and a pair may fail the condition: both rows come, with one key.
    assert left.join(right, **full).key is None
    assert left.join(right, **full, nulls_equal=True, where=col("left.n") > col("right.m")).key is None


def table(name: str, dtype: ps.DType, *columns: str) -> ps.Table:
    """A Table by some columns, of which a join compares others."""
    types = dict.fromkeys(["k", "i", *columns], dtype)
    return (
        ps.read(Pushed(name=name, columns=ps.Schema.of(types)), name=name)
        .group_by(*columns)
        .agg(**{c: col(c).max() for c in ("k", "i") if c not in columns})
    )


def test_rows_without_partner_may_share_a_key_that_is_not_all_that_is_compared() -> None:
    left, right = table("left", ps.Int64, "k"), table("right", ps.Int64, "k")
    options = {"on": ["k", "i"], "nulls_equal": True}
    # (1, 1) on the left and (1, 2) on the right are no partners, and both have the key 1.
    assert left.join(right, how="full", **options).key is None
    assert left.join(right, how="left", **options).key == ("k",)
    # Of a left row without partner the right key is null, and the other way round: both may be (null, null).
    left, right = table("left", ps.Int64, "a"), table("right", ps.Int64, "b")
    assert left.join(right, on="k", how="full", nulls_equal=True).key is None
    assert left.join(right, on="k", how="left", nulls_equal=True).key == ("a", "b")


def test_a_key_that_one_side_never_has_tells_the_rows_of_a_full_join_apart() -> None:
    rows = ps.read([{"a": 1, "k": 1}], schema={"a": ps.Int64, "k": ps.Int64}, name="rows")
    left = rows.with_columns(a=col("a").fill_null(0)).group_by("a").agg(k=col("k").max())
    assert left.join(table("right", ps.Int64, "k"), on="k", how="full").key == ("a", "k")


def test_a_key_that_is_compared_as_another_type_may_be_unique_no_more() -> None:
    """2**53 and 2**53 + 1 are one float."""
    whole, real = table("whole", ps.Int64, "k"), table("real", ps.Float64, "k")
    assert whole.join(real, on="k", how="left").key is None
    assert real.join(whole, on="k", how="left").key is None
    assert whole.join(table("other", ps.Int32, "k"), on="k", how="left").key == ("k",)
    driver = pushed(
        lambda left, right: left.group_by("k").agg(a=col("a").max()).join(
            right.group_by("k").agg(b=col("a").max()), on="k", how="left"
        ),
        left=TYPES, right={"k": ps.Float64, "a": ps.Int64},
    )  # fmt: skip
    driver.push("left", [{"k": 2**53, "a": 1}, {"k": 2**53 + 1, "a": 2}]).step()
    assert [row["k"] for row in driver.rows()] == [2.0**53, 2.0**53]


def test_a_key_stays_where_that_of_the_other_side_does_not_come_out() -> None:
    left, right = table("left", ps.Int64, "a"), table("right", ps.Int64, "b")
    for options in ({"left_on": "k", "right_on": "b"}, {"left_on": "k", "right_on": "b", "how": "left"}):
        joined = left.join(right, **options)
        assert joined.key == joined.node.narrowed({"a"}).facts.key == ("a",)


def timed(name: str) -> ps.Stream:
    columns = {"at": ps.Datetime("us", "UTC"), "k": ps.Int64, name: ps.Int64}
    source = Pushed(name=name, columns=ps.Schema.of(columns), ends=False)
    return ps.read(source, name=name, event_time="at", watermark="0 s")


def second(number: int) -> dt.datetime:
    return dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number)


def test_rows_of_either_side_expire_by_themselves() -> None:
    joined = timed("a").join(timed("b"), on="k").state("pairs", ttl_left="10 s", ttl_right="3 s")
    driver = Driver(ps.Pipeline("test", joined.write(Kept(), name="out")))
    driver.push("a", [{"at": second(0), "k": 1, "a": 1}]).push("b", [{"at": second(0), "k": 1, "b": 1}]).step()
    driver.push("a", [{"at": second(3), "k": 1, "a": 2}]).push("b", [{"at": second(9), "k": 1, "b": 2}]).step()
    driver.push("a", [{"at": second(11), "k": 1, "a": 3}]).push("b", [{"at": second(13), "k": 1, "b": 3}]).step()
    assert [(row["a"], row["b"]) for row in driver.rows()] == [(1, 1), (1, 2), (2, 2), (3, 2), (3, 3)]


def test_rows_that_have_expired_are_forgotten() -> None:
    joined = timed("a").join(timed("b"), on="k").state("pairs", ttl="10 s")
    driver = Driver(ps.Pipeline("test", joined.write(Kept(), name="out")))
    kept = []
    for number in range(100):
        driver.push("a", [{"at": second(number), "k": number, "a": 1}] * 3)
        driver.push("b", [{"at": second(number), "k": -1, "b": 1}]).step()
        kept.append(max(one.state_rows for one in driver.engine.statistics()))
    assert max(kept) <= 4 * 11


def test_which_joins_expire() -> None:
    one, other = timed("a"), timed("b")
    inner = one.join(other, on="k")
    assert inner.node.unbounded_state == "all rows of both sides"
    assert inner.state("n", ttl_left="1 s").node.unbounded_state == "all rows of the right side"
    assert inner.state("n", ttl="1 s").node.unbounded_state is None
    with pytest.raises(UnsupportedError, match="inner and cross joins of Streams"):
        one.join(other, on="k", how="left").state("n", ttl="1 s")
    with pytest.raises(PlanError, match="by one time"):
        inner.state("n", ttl_left="1 s", ttl_right=ps.processing_time("1 s"))
    with pytest.raises(UnsupportedError, match="no two sides"):
        one.group_by("k").agg(n=ps.count()).state("n", ttl_left="1 s")
    plain = ps.read([{"k": 1}], name="plain")
    with pytest.raises(UnsupportedError, match="the rows have none"):
        plain.join(plain, on="k").state("n", ttl="1 s")
