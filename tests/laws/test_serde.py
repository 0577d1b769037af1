"""Every node survives being stored: the plan that comes back means the same, to the last parameter."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

from hypothesis import given

import penstock as ps
from penstock import col
from penstock.connectors.sqlite import SqliteSource
from penstock.operators import OPERATORS
from penstock.plan.node import walk
from penstock.plan.serde import canonical, nodes_from_json, nodes_to_json
from penstock.plan.watermark import Silence
from penstock.testing import Input, Kept, T
from penstock.testing.check import agree
from penstock.testing.plans import cases
from penstock.testing.scene import connector
from tests.laws.law import LAW, told


def stored(outputs):
    return nodes_from_json(json.loads(canonical(nodes_to_json(outputs))), OPERATORS, connector)


def assert_survives(outputs):
    back = stored(outputs)
    assert [node.fingerprint for node in walk(*back)] == [node.fingerprint for node in walk(*outputs)]
    for one, other in zip(walk(*outputs), walk(*back), strict=True):
        assert one.facts == other.facts
        assert one.parameters().keys() == other.parameters().keys()
    assert nodes_to_json(back) == nodes_to_json(outputs)
    return back


def nothing(moment):
    """No windows."""
    return []


@ps.udf
def doubled(x: int) -> int:
    """Twice."""
    return x * 2


def as_it_is(row):
    """The same."""
    return row


def name_of(number):
    """No name."""


class Last(ps.Process):
    """Gives what it was made with."""

    output = MappingProxyType({"name": ps.String})

    def __init__(self, name):
        self.name = name

    def on_row(self, row, ctx):
        yield {"name": self.name}


async def waited(row):
    return {"k": str(row.v)}


@ps.udf
async def waiting(x: int) -> int:
    return x


@ps.aggregate(returns=ps.Int64)
class Total:
    value = 0

    def add(self, x):
        self.value += x

    def result(self):
        return self.value


def everything():
    """A plan that has every verb."""
    given = Input.of(T("at:Datetime | k:String | v:Int64 | l:List(Int64)"), "rows", watermark="5 s")
    rows = ps.api.stream.stream(replace(given.node(), silence=Silence(1_000, "hold")))
    good = rows.explode("l").expect(small=col("l") < 5).inspect("here").filter(col("v").is_not_null())
    both = good.union(good.with_columns(v=col("v") + 1)).with_columns(gap=col("at") - col("at"))
    windows = both.group_by("k").window(ps.hopping("10 s", every="2 s", offset="1 s")).agg(n=ps.count())
    days = both.window(ps.cumulative("3 d", every="1 d", zone="Europe/Berlin")).agg(n=ps.count())
    tumbling = both.window(ps.tumbling("1 d", zone="Asia/Kolkata")).agg(n=col("v").count().filter(col("v") > 0))
    table = both.group_by("k").agg(n=ps.count()).state("counts")
    sessions = both.group_by("k").window(ps.session("10 s", split_when=col("v") > 9)).agg(n=ps.count())
    again = both.window(ps.tumbling("10 s"), emit=ps.every("2 s"), allowed_lateness="3 s").agg(n=ps.count())
    clock = both.window(ps.session(col("gap")), on=ps.processing_time()).agg(n=ps.count())
    once = both.group_by("k").window(ps.global_window(), emit=ps.every(rows=7)).agg(n=ps.count())
    streams = [
        both.with_columns(w=doubled(col("v"))).map(as_it_is, {"v": int}),
        both.map_batches(as_it_is, dict(zip(both.columns, (f.dtype for f in both.schema), strict=True))),
        both.group_by("k").process(Last("x")),
        windows,
        sessions,
        again,
        clock,
        once,
        windows.late(),
        days,
        tumbling,
        table,
        table.changelog(),
        rows.errors(),
    ]
    streams += [table.join(good, on="k", how="full", where=col("n") > col("v")), good.join(good, how="cross")]
    near = good.join(good, left_on=["k", col("v") > 1], right_on=["k", col("v") > 2], within=("-1 s", "2 s"))
    streams += [near, near.late(), good.join(good, on="k", window=ps.tumbling("5 s"), nulls_equal=True)]
    streams += [good.join_asof(good, by="k", strategy="nearest", tolerance="1 s")]
    whole = both.drop("l").dedup("v", within="1 h")
    ranked = whole.as_table("k", delete=col("v") < 0).group_by("v").top_n(2, by="k", nulls="last", rank="r")
    framed = whole.sort("at").with_columns(m=col("v").sum().over("k", range="1 s"), d=col("v").shift(2).over("k"))
    streams += [ranked, framed, whole.limit(3), whole.dedup("k", keep="last", by="v")]
    whole = whole.drop("gap")
    tops = whole.group_by("k").window(ps.tumbling("1 d", zone="Asia/Kolkata")).top_n(2, by="v", rank="r", offset=1)
    streams += [tops, whole.window(ps.hopping("4 s", every="2 s"), on=ps.processing_time()).rows()]
    streams += [whole.window(ps.custom(nothing), emit="change").agg(n=ps.count())]
    count = {"n": ps.count()}
    streams += [whole.window(windows).agg(**count) for windows in (ps.sliding("4 s"), ps.hybrid(3, "1 s"))]
    zone = ps.when(col("v") > 1).then(ps.lit("Asia/Kolkata")).otherwise(ps.lit("UTC"))
    streams += [whole.window(ps.cumulative("1 w", every="1 d", zone=zone)).agg(**count)]
    plain = ps.api.stream.stream(Input.of(T("v:Int64 | m:Datetime"), "plain").node())
    streams += [plain.with_event_time(ps.ingestion_time())]
    streams += [plain.with_event_time("m", watermark=ps.punctuated(col("m")))]
    asked = plain.lookup(name_of, left_on="v", right_on="id", schema={"name": ps.String}, cache={"rows": 9}, retry=2)
    streams += [asked, plain.lookup(SqliteSource("t", path="x"), left_on="v", right_on="id", schema={"id": ps.Int64})]
    streams += [plain.with_event_time("m", watermark="1 s", align="pace", drift="3 s")]
    streams += [plain.map_async(waited, {"k": ps.String}, ordered=False, retry=2), plain.select(w=waiting(col("v")))]
    streams.append(plain.group_by("m").agg(w=Total(col("v")).filter(col("v") > 1)))
    streams.append(good.join(good, on="k", as_of="processing_time", load="end"))
    return tuple(one.write(Kept(), name=f"o{i}").node for i, one in enumerate(streams))


def test_every_verb():
    outputs = everything()
    assert {node.verb for node in walk(*outputs)} == set(OPERATORS)
    assert_survives(outputs)


def test_what_a_fingerprint_tells_apart():
    rows = ps.api.stream.stream(Input.of(T("k:String | v:Int64"), "rows").node())
    plans = [
        rows.filter(col("v") > 1), rows.filter(col("v") > 2), rows.filter(col("v") >= 1), rows.select("k"),
        rows.group_by("k").agg(n=ps.count()), rows.group_by("k").agg(m=ps.count()),
    ]  # fmt: skip
    assert len({plan.node.fingerprint for plan in plans}) == len(plans)
    assert rows.filter(col("v") > 1).node.fingerprint == plans[0].node.fingerprint


@LAW
@given(cases())
def test_drawn_plans(case):
    back = assert_survives(case.pipeline.outputs)
    moved = case.with_outputs(back)
    agree(moved, told(moved), cuts=0)
