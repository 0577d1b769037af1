from __future__ import annotations

from collections import Counter

from hypothesis import Phase, given, settings

from penstock import col
from penstock.api.stream import stream
from penstock.expr.aggregates import AGGREGATES
from penstock.plan.node import UPDATING
from penstock.testing import Input, T
from penstock.testing.plans import ILL_CONDITIONED, cases, fitting, keys_of, numbers

ROWS = stream(Input.of(T("at:Datetime | k:String | i:Int64 | f:Float64 | l:List(Int64) | b:Boolean"), "rows").node())
MANY = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, phases=(Phase.generate,), suppress_health_check=()
)


def test_drawn_plans_have_every_verb():
    seen: Counter[str] = Counter()

    @MANY
    @given(cases(most_rows=2))
    def draw(case):
        seen.update({node.verb for node in case.pipeline.nodes()})

    draw()
    assert set(seen) >= {"filter", "select", "expect", "explode", "union", "group", "window", "changelog", "watermark"}


def test_every_aggregate_that_fits_is_drawn():
    names = {one.term.aggregate for one in fitting(ROWS, tuple(AGGREGATES))}
    assert {"count", "sum", "min", "first"} <= names
    open_ended = {n for n, a in AGGREGATES.items() if any(v is ... for v in a.options.values())}
    # These take bytes, or two numbers.
    unfit = {n for n in AGGREGATES if n.endswith("_merge")} | {"regr_count"}
    assert set(AGGREGATES) - names <= open_ended | ILL_CONDITIONED | unfit


def test_a_table_takes_only_what_can_be_taken_back():
    table = ROWS.group_by("k").agg(n=col("i").count())
    assert table.node.facts.mode == UPDATING
    for one in fitting(table, tuple(AGGREGATES)):
        assert AGGREGATES[one.term.aggregate].retraction != "refused"


def test_keys_and_numbers():
    assert keys_of(ROWS)[0] == "k"
    assert "l" not in keys_of(ROWS)
    assert numbers(ROWS) == ["i", "f"]
