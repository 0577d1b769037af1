"""Process functions of several inputs: broadcast rules, shared keys, order, failures; against the meaning."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as ps
from penstock.api.stream import stream
from penstock.core.errors import PlanError
from penstock.plan.pipeline import Pipeline
from penstock.testing.case import Case
from penstock.testing.check import agree
from penstock.testing.scene import Kept, Scene
from penstock.testing.strategies import KEY_TYPES, cuts, inputs, orders
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, SLOW_LAW, told

FEW = settings(LAW, max_examples=5)
SLOW = settings(SLOW_LAW, max_examples=15)


class Match(ps.Process):
    output: ClassVar = {"at": ps.Datetime("us", "UTC"), "amount": ps.Int64, "seen": ps.Int64}
    sides: ClassVar = {"rules": {"count": ps.Int64}}
    seen = ps.ValueState(ps.Int64, default=0)
    least = ps.MapState(ps.String, ps.Int64, shared=True)
    changes = ps.ValueState(ps.Int64, default=0, shared=True)

    def on_orders(self, row, ctx):
        self.seen += 1
        if row.amount is not None and row.amount >= self.least.get("amount", 0):
            yield {"amount": row.amount, "seen": self.seen}

    def on_rules(self, row, ctx):
        if row.least is not None and row.least < 0:
            raise ValueError("below zero")
        self.least["amount"] = row.least or 0
        self.changes += 1
        yield ps.side("rules", {"count": self.changes})


def at(second):
    return dt.datetime(1970, 1, 1, 0, 0, second, tzinfo=dt.UTC)


def read(rows, schema, time):
    return ps.read(rows, schema=schema, event_time=time)


def streams(rules):
    orders = read(
        [{"at": at(s), "id": k, "amount": v} for s, k, v in [(1, "a", 4), (4, "b", 9), (5, "a", 7), (9, "b", 1)]],
        {"at": ps.Datetime("us", "UTC"), "id": ps.String, "amount": ps.Int64},
        "at",
    )
    schema = {"when": ps.Datetime("us", "UTC"), "least": ps.Int64}
    return orders, read([{"when": at(s), "least": v} for s, v in rules], schema, "when")


def test_rules_hold_from_their_instant_on():
    orders, rules = streams([(4, 8), (6, None), (7, -1)])
    made = ps.process(Match(), orders=orders.group_by("id"), rules=rules.broadcast())
    assert made.collect().rows() == [("a", at(1), 4, 1), ("b", at(4), 9, 1), ("b", at(9), 1, 2)]
    assert made.side("rules").collect().rows() == [(None, 1), (None, 2)]
    (bad,) = made.errors().collect().to_dicts()
    assert bad["_row_rules"]["least"] == -1
    assert bad["_why"]["reason"] == "Match.on_rules failed: ValueError: below zero"


class Pairs(ps.Process):
    output: ClassVar = {"at": ps.Datetime("us", "UTC"), "both": ps.String}
    mine = ps.ListState(ps.Int64)

    def on_left(self, row, ctx):
        self.mine.append(row.amount)
        ctx.timer("end", after="5 s")

    def on_right(self, row, ctx):
        yield {"both": f"{self.mine} {row.least}"}

    def on_timer(self, timer, ctx):
        self.mine = []


def test_inputs_with_one_key_share_its_state():
    orders, rules = streams([(3, 4), (11, 4)])
    right = rules.with_columns(who=ps.lit("a"))
    made = ps.process(Pairs(), left=orders.group_by("id"), right=right.group_by("who"))
    assert made.collect().rows() == [("a", at(3), "[4] 4"), ("a", at(11), "[] 4")]


class Writes(Match):
    def on_orders(self, row, ctx):
        self.least["amount"] = 1

    def on_rules(self, row, ctx):
        if row.least == 1:
            ctx.timer("no", after="1 s")
        if row.least == 2:
            self.seen = 3
        self.least = {"amount": 1}


def test_keys_do_not_write_what_they_share_and_broadcast_rows_have_no_key():
    orders, rules = streams([(2, 0), (2, 1), (2, 2)])
    made = ps.process(Writes(), orders=orders.group_by("id"), rules=rules.broadcast())
    reasons = [row["_why"]["reason"] for row in made.errors().collect().to_dicts()]
    assert len(reasons) == 6
    assert any("a timer belongs to a key" in one for one in reasons)
    assert any('"seen" is state of a key' in one for one in reasons)
    assert sum("on_orders failed" in one for one in reasons) == 4


def test_what_does_not_fit_is_refused_when_the_plan_is_built():
    orders, rules = streams([])
    with pytest.raises(PlanError, match="Match has no on_other"):
        ps.process(Match(), other=orders.group_by("id"), rules=rules.broadcast())
    with pytest.raises(PlanError, match="neither grouped nor broadcast"):
        ps.process(Match(), orders=orders, rules=rules.broadcast())
    with pytest.raises(PlanError, match="no input is broadcast"):
        ps.process(Match(), orders=orders.group_by("id"))
    with pytest.raises(PlanError, match="needs an input that is grouped"):
        ps.process(Match(), rules=rules.broadcast())
    with pytest.raises(PlanError, match='the key "least" of "right" is Int64'):
        ps.process(Pairs(), left=orders.group_by("id"), right=rules.group_by("least"))
    table = orders.group_by("id").agg(n=ps.count())
    with pytest.raises(PlanError, match="a Table's"):
        ps.process(Pairs(), left=table.group_by("id"), right=rules.group_by("least"))


# -- any rows ------------------------------------------------------------------


class Both(ps.Process):
    output: ClassVar = {"at": ps.Datetime("us", "UTC"), "n": ps.Int64, "rule": ps.Int64}
    n = ps.ValueState(ps.Int64, default=0)
    rules = ps.ListState(ps.Int64, shared=True)

    def on_one(self, row, ctx):
        self.n += 1
        ctx.timer("quiet", after="3 s")
        yield {"n": self.n, "rule": self.rules[-1] if self.rules else None}

    def on_other(self, row, ctx):
        if row.i == 3:
            raise ValueError("three")
        self.rules = [*self.rules[-3:], row.i or 0]

    def on_timer(self, timer, ctx):
        yield {"n": -self.n, "rule": len(self.rules)}
        self.n = 0


@st.composite
def drawn_cases(draw):
    key = draw(st.sampled_from(KEY_TYPES[:3]))
    one = draw(inputs("input1", most_rows=8, most_splits=2, key_types=[key], finite=True, starts=[0]))
    two = draw(inputs("input2", most_rows=5, most_splits=2, key_types=[key], finite=True, starts=[0]))
    left, right = stream(one.node()), stream(two.node())
    made = ps.process(Both(), one=left.group_by("k"), other=right.broadcast())
    pipeline = Pipeline("drawn", made.write(Kept(), name="output"))
    # As the plan reads them: what is broadcast comes first.
    return Case(pipeline, Scene((two, one), draw(orders([two, one]))))


@FEW
@given(drawn_cases())
def test_any_rows(case):
    agree(case, told(case), cuts=1)


@FEW
@given(drawn_cases(), st.data())
def test_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=8))
    stops = {step: data.draw(st.sampled_from([0, 1, 2])) for step in range(len(steps) + 1)}
    try_out(case, told(case), Mode("restarts", steps, 1, 0, stops))


@pytest.mark.slow
@SLOW
@given(drawn_cases())
def test_any_rows_more_often(case):
    agree(case, told(case))


@pytest.mark.slow
@SLOW
@given(drawn_cases(), st.data())
def test_restarts_more_often(case, data):
    steps = data.draw(cuts(case.scene.events(), most=8))
    stops = {step: data.draw(st.sampled_from([0, 1, 2])) for step in range(len(steps) + 1)}
    try_out(case, told(case), Mode("restarts", steps, 1, 0, stops))
