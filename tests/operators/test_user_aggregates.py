"""Aggregates of users: values, nulls, failures, retraction, merging, references, and any stream of rows."""

from __future__ import annotations

import collections
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError, UnsupportedError
from penstock.operators import OPERATORS
from penstock.plan.serde import nodes_from_json, nodes_to_json
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, conditions
from penstock.testing.strategies import cuts, windows
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, SLOW_LAW, told

FEW = settings(LAW, max_examples=4)
SLOW = settings(SLOW_LAW, max_examples=15)


@ps.aggregate(returns=ps.Int64)
class Squares:
    """The sum of squares."""

    value: int = 0

    def add(self, x):
        self.value += x * x

    def retract(self, x):
        self.value -= x * x

    def merge(self, other):
        self.value += other.value

    def result(self):
        return self.value


@ps.aggregate
class Values:
    """All values with their numbers, nulls too, as text; no result for two values."""

    counts = collections.Counter()  # noqa: RUF012  (each state has one of its own)

    def add(self, x: int | None, by: float | None):
        self.counts[x, str(by)] += 1

    def retract(self, x, by):
        self.counts[x, str(by)] -= 1

    def merge(self, other):
        self.counts.update(other.counts)

    def result(self) -> str | None:
        found = {str(key): n for key, n in self.counts.items() if n}
        if len(found) == 2:
            raise LookupError("two")
        return json.dumps(sorted(found.items())) if found else None


@ps.aggregate(returns=ps.Int64)
class Fussy:
    """A sum that takes no 1, and of which `add` begins before it fails."""

    def __init__(self):
        self.parts = []

    def add(self, x):
        self.parts.append(x)
        if x == 1:
            raise ValueError("one")

    def retract(self, x):
        self.parts.remove(x)

    def merge(self, other):
        self.parts += other.parts

    def result(self):
        return sum(self.parts)


@ps.aggregate(returns=ps.List(ps.Int64), ordered=True)
class Recent:
    """The last three values, until there were five of them."""

    seen = 0

    def __init__(self):
        self.last = collections.deque(maxlen=3)

    def add(self, x):
        self.seen += 1
        if self.seen > 5:
            raise OverflowError("five")
        self.last.append(x)

    def merge(self, other):
        self.seen += other.seen
        self.last.extend(other.last)

    def result(self):
        return list(self.last)


ROWS = T("""
    at       | k | v:Int64 | w:Float64
    00:00:01 | a | 4       | 1.5
    00:00:04 | b | 0       | null
    00:00:05 | c | null    | 2.5
    00:00:02 | a | 2       | null
    00:00:03 | b | 1       | 1.0
    00:00:32 | a | 2       | 1.0
""")


def test_running_values():
    check(
        lambda s: s.group_by("k").agg(p=Squares(col("v")), even=Squares(col("v") + 1).filter(col("v") < 3)),
        input=ROWS,
        output=[
            {"k": "a", "p": 24, "even": 18},
            {"k": "b", "p": 1, "even": 5},
            {"k": "c", "p": 0, "even": 0},
        ],
    )


def test_with_other_aggregates_and_arithmetic():
    check(
        lambda s: s.group_by("k").agg(p=Squares(col("v")) / ps.count(), n=ps.count()),
        input=ROWS,
        output=[{"k": "a", "p": 8.0, "n": 3}, {"k": "b", "p": 0.5, "n": 2}, {"k": "c", "p": 0.0, "n": 1}],
    )


def test_nulls_count_where_the_annotation_takes_them():
    check(
        lambda s: s.filter(col("k") == "c").group_by("k").agg(p=Values(col("v"), col("w"))),
        input=ROWS,
        output=[{"k": "c", "p": "[[\"(None, '2.5')\", 1]]"}],
    )


def test_a_row_that_cannot_be_added_is_refused_before_anything_counts_it():
    check(
        lambda s: s.group_by("k").agg(p=Fussy(col("v")), n=ps.count()),
        input=ROWS,
        output=[{"k": "a", "p": 8, "n": 3}, {"k": "b", "p": 0, "n": 1}, {"k": "c", "p": 0, "n": 1}],
        errors=1,
    )
    rows = ps.read([{"k": "b", "v": 1}], schema={"k": ps.String, "v": ps.Int64})
    (bad,) = rows.group_by("k").agg(p=Fussy(col("v"))).errors().collect().to_dicts()
    assert bad["v"] == 1
    assert bad["_why"]["reason"] == "Fussy failed: ValueError: one"


@ps.aggregate(returns=ps.Int64)
class Holds:
    def add(self, x):
        self.held = object() if x == 2 else x

    def result(self):
        return "text" if self.held == 4 else self.held


def test_state_that_cannot_be_stored_and_results_of_another_type():
    rows = ps.read([{"k": "b", "v": v} for v in (2, 4, 3, 4)], schema={"k": ps.String, "v": ps.Int64})
    made = rows.group_by("k").agg(p=Holds(col("v")))
    reasons = [row["_why"]["reason"] for row in made.errors().collect().to_dicts()]
    # Where a key has no row yet, one after which it has no result is the first such.
    assert reasons[0] == "Holds failed: NotStorableError: a value of the type object cannot be stored"
    assert set(reasons[1:]) == {"no result for the key: Holds(v) failed, or gave another type"}
    assert len(reasons) == 3


def test_merged_in_windows():
    check(
        lambda s: s.group_by("k").window(ps.hopping("10 s", every="5 s")).agg(p=Squares(col("v"))),
        input=ROWS,
        errors=None,
    )
    check(
        lambda s: s.group_by("k").window(ps.session("2 s")).agg(p=Fussy(col("v")), n=ps.count()),
        input=ROWS,
        output=[
            {"k": "a", "p": 6, "n": 2},
            {"k": "b", "p": 0, "n": 1},
            {"k": "c", "p": 0, "n": 1},
            {"k": "a", "p": 2, "n": 1},
        ],
        errors=1,
    )


def test_a_window_without_a_result_leaves_by_errors():
    check(
        lambda s: s.group_by("k").window(ps.tumbling("10 s")).agg(p=Values(col("v"), col("w"))),
        input=ROWS,
        output=[{"k": "c"}, {"k": "a"}],
        errors=2,
    )


@ps.aggregate(returns=ps.Int64)
class Plain:
    def add(self, x: int):
        self.x = x

    def result(self):
        return None


def test_what_has_no_merge_or_retract_is_refused_where_it_is_needed():
    rows = ps.read([{"k": "b", "v": 1}], schema={"k": ps.String, "v": ps.Int64})
    with pytest.raises(UnsupportedError, match="Plain cannot take rows back") as refused:
        rows.group_by("k").agg(v=col("v").sum()).group_by("v").agg(p=Plain(col("v")))
    assert "method retract" in str(refused.value)
    timed = rows.with_event_time(ps.from_epoch("v", "s"), watermark="1 s")
    for made in (ps.hopping("10 s", every="5 s"), ps.session("1 s")):
        with pytest.raises(UnsupportedError, match="Plain has no merge"):
            timed.group_by("k").window(made).agg(p=Plain(col("v")))
        with pytest.raises(UnsupportedError, match="Recent follows the order of rows"):
            timed.group_by("k").window(made).agg(p=Recent(col("v")))
    with pytest.raises(UnsupportedError, match="over a frame"):
        timed.with_columns(p=Plain(col("v")).over("k", rows=3))
    with pytest.raises(UnsupportedError, match="Recent cannot take rows back"):
        rows.as_table("k").group_by("k").agg(p=Recent(col("v")))


def test_types_are_checked_when_the_plan_is_built():
    rows = ps.read([{"k": "b", "v": 1}], schema={"k": ps.String, "v": ps.Int64})
    with pytest.raises(PlanError, match='"x" of Plain is Int64, found String'):
        rows.group_by("v").agg(p=Plain(col("k")))
    with pytest.raises(PlanError, match=r"Plain takes 1 argument\(s\) \(x\), found 2"):
        rows.group_by("v").agg(p=Plain(col("k"), 2))
    for body, message in (
        ({}, "has no method add"),
        ({"add": lambda self, x: None, "result": lambda self: 1}, "does not say what it gives"),
    ):
        with pytest.raises(PlanError, match=message):
            ps.aggregate(type("Bad", (), body))
    with pytest.raises(PlanError, match="an aggregate is a class"):
        ps.aggregate(len, returns=ps.Int64)
    with pytest.raises(PlanError, match="cannot be made without arguments"):
        ps.aggregate(
            type("Bad", (), {"add": lambda self, x: None, "result": lambda self: 1, "__init__": lambda self, x: None}),
            returns=ps.Int64,
        )


def test_a_stored_plan_names_the_class():
    rows = ps.read([{"k": "b", "v": 3}], name="rows", schema={"k": ps.String, "v": ps.Int64})
    made = rows.group_by("k").agg(p=Squares(col("v")).filter(col("v") > 1))
    stored = json.loads(json.dumps(nodes_to_json((made.node,))))
    (again,) = nodes_from_json(stored, OPERATORS, lambda value: made.node.inputs[0].source)
    assert again.aggregates == made.node.aggregates


# -- any stream of rows --------------------------------------------------------


def drawn_aggregates(rows, *, ordered):
    """Some aggregates over the columns of some rows."""
    found = [ps.count()]
    numbers = [f.name for f in rows.schema if f.dtype == ps.Int64]
    small = [(col(name) % 4) for name in numbers]
    found += [one(x) for x in small for one in (Squares, Fussy)]
    found += [Values(x, None) for x in small]
    found += [Recent(x) for x in small] if ordered else []
    chosen = st.lists(st.sampled_from(found), min_size=1, max_size=3)

    @st.composite
    def filtered(draw):
        made = {f"a{i}": one for i, one in enumerate(draw(chosen))}
        if draw(st.booleans()) and draw(st.booleans()):
            made["a0"] = made["a0"].filter(draw(conditions(rows)))
        return made

    return filtered()


@st.composite
def running(draw, rows):
    """Aggregates of rows, perhaps of a Table."""
    if draw(st.booleans()):
        table = rows.group_by("k").agg(t=col("k").count() % 5)
        return table.group_by("t").agg(**draw(drawn_aggregates(table, ordered=False)))
    return rows.group_by(*draw(st.sampled_from([["k"], []]))).agg(**draw(drawn_aggregates(rows, ordered=True)))


@st.composite
def in_windows(draw, rows):
    """Aggregates of rows in windows of all kinds."""
    options = {}
    made = draw(st.one_of(windows(zones=False), st.sampled_from([ps.session("2 s"), ps.count_window(3, every=2)])))
    if not isinstance(made, type(ps.count_window(3))):
        options = draw(st.sampled_from([{}, {"emit": "change"}, {"allowed_lateness": "3 s"}]))
    ordered = isinstance(made, type(ps.tumbling("1 s")))
    keys = draw(st.sampled_from([["k"], []]))
    return rows.group_by(*keys).window(made, **options).agg(**draw(drawn_aggregates(rows, ordered=ordered)))


@FEW
@given(cases(running))
def test_any_rows_running(case):
    agree(case, told(case), cuts=1)


@FEW
@given(cases(in_windows))
def test_any_rows_in_windows(case):
    agree(case, told(case), cuts=1)


@FEW
@given(st.one_of(cases(running), cases(in_windows)), st.data())
def test_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    stops = {step: data.draw(st.sampled_from([0, 1, 2, 3])) for step in range(len(steps) + 1)}
    try_out(case, told(case), Mode("restarts", steps, data.draw(st.integers(1, 3)), 0, stops))


@pytest.mark.slow
@SLOW
@given(cases(running))
def test_any_rows_running_more_often(case):
    agree(case, told(case))


@pytest.mark.slow
@SLOW
@given(cases(in_windows))
def test_any_rows_in_windows_more_often(case):
    agree(case, told(case))


@pytest.mark.slow
@SLOW
@given(st.one_of(cases(running), cases(in_windows)), st.data())
def test_restarts_more_often(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    stops = {step: data.draw(st.sampled_from([0, 1, 2, 3])) for step in range(len(steps) + 1)}
    try_out(case, told(case), Mode("restarts", steps, data.draw(st.integers(1, 3)), 0, stops))
