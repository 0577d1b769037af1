"""Lookups: what a miss gives, what a failure gives, order, caches, bounds. No test waits: calls end when it says so."""

from __future__ import annotations

from collections import deque

import polars as pl
import pytest

import penstock as ps
from penstock.api.stored import from_json, to_json
from penstock.api.stream import stream
from penstock.connectors.memory import MemorySink, MemorySource
from penstock.core.errors import PlanError, SourceError, SourceLost, UnsupportedError
from penstock.core.schema import Schema
from penstock.plan.pipeline import Pipeline
from penstock.testing import check
from penstock.testing.driver import Driver
from penstock.testing.notation import T
from penstock.testing.scene import Input, Kept
from tests.laws.asked import Asking, Known

COLUMNS = Schema.of({"id": ps.Int64, "name": ps.String})
USERS = [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}, {"id": 2, "name": "bo"}]
ORDERS = T(
    """
    n | user
    1 | 1
    2 | 2
    3 | 3
    4 |
    5 | 1
    """
)


def source(rows=USERS, script=()):
    return Known(list(rows), COLUMNS, deque(script))


def asking(known, **options):
    """A driver over one source `input` of n and user, whose users are looked up."""
    one = Input.of([{"n": 0, "user": 0}], "input", event_time="", ends=True)
    found = stream(one.node()).lookup(known, left_on="user", right_on="id", **options)
    return Asking(Driver(Pipeline("p", found.write(Kept(), name="output"))))


def push(one, *users, first=1):
    frame = pl.DataFrame(
        {"n": range(first, first + len(users)), "user": users}, schema={"n": pl.Int64, "user": pl.Int64}
    )
    one.driver.push("input", frame)
    one.step()


def pairs(one):
    return [(row["n"], row["name"]) for row in one.driver.rows()]


# -- what comes out --------------------------------------------------------------


def test_an_inner_lookup_drops_a_row_without_an_answer():
    check(
        lambda orders: orders.lookup(USERS, left_on="user", right_on="id"),
        input=ORDERS,
        output=T("n | name\n1 | ann\n2 | bob\n2 | bo\n5 | ann"),
    )


def test_a_left_lookup_gives_it_with_nulls():
    check(
        lambda orders: orders.lookup(USERS, left_on="user", right_on="id", how="left"),
        input=ORDERS,
        output=T("n | user | name\n1 | 1 | ann\n2 | 2 | bob\n2 | 2 | bo\n3 | 3 |\n4 | |\n5 | 1 | ann"),
    )


def test_a_key_may_be_computed_and_equal_names_get_a_suffix():
    check(
        lambda orders: orders.rename(n="name").lookup(USERS, left_on=ps.coalesce("user", 2), right_on="id"),
        input=ORDERS,
        output=T(
            """
            name | user | id | name_right
            1 | 1 | 1 | ann
            2 | 2 | 2 | bob
            2 | 2 | 2 | bo
            4 | | 2 | bob
            4 | | 2 | bo
            5 | 1 | 1 | ann
            """
        ),
    )


def test_columns_that_nobody_uses_are_not_asked_for():
    known = source()
    one = Input.of([{"n": 0, "user": 0}], "input", event_time="", ends=True)
    found = stream(one.node()).lookup(known, left_on="user", right_on="id").select("n")
    one = Asking(Driver(Pipeline("p", found.write(Kept(), name="output")), optimized=True))
    lookup = next(node for node in one.driver.pipeline.nodes() if node.verb == "lookup")
    assert lookup.table.names == ("id",)
    push(one, 2, 3)
    one.settle()
    assert one.driver.rows() == [{"n": 1}, {"n": 1}]


# -- order and waiting -------------------------------------------------------------


def test_ordered_rows_wait_for_those_before_them():
    one = asking(source(), batch=1, how="left", cache="1 h")
    push(one, 1, 3)
    one.hand.finish()
    one.step()
    assert pairs(one) == [(1, "ann"), (2, None)]
    push(one, 2, 1, 4, 3, first=3)
    assert pairs(one) == [(1, "ann"), (2, None)]
    one.hand.work.pop(1)()  # of 4
    one.step()
    assert pairs(one) == [(1, "ann"), (2, None)]
    one.hand.finish()
    one.step()
    assert pairs(one)[2:] == [(3, "bob"), (3, "bo"), (4, "ann"), (5, None), (6, None)]


def test_unordered_rows_go_as_they_are_answered():
    one = asking(source(), batch=1, how="left", cache="1 h", ordered=False)
    push(one, 1)
    one.settle()
    push(one, 2, 1, 4, first=2)
    assert pairs(one)[1:] == [(3, "ann")]
    one.hand.work.pop(1)()
    one.step()
    assert pairs(one)[2:] == [(4, None)]


def test_distinct_keys_are_asked_in_batches_and_so_many_calls_at_a_time():
    known = source()
    one = asking(known, batch=2, parallelism=1)
    push(one, 1, 2, 1, 3, 4, 2, 5)
    assert len(one.hand.work) == 1
    one.settle()
    assert known.asked == [[(1,), (2,)], [(3,), (4,)], [(5,)]]


def test_what_waits_goes_into_one_call():
    known = source()
    one = asking(known, parallelism=1)
    push(one, 1)
    push(one, 2, first=2)
    push(one, 2, 3, first=3)
    one.settle()
    assert known.asked == [[(1,)], [(2,), (3,)]]


def test_rows_that_wait_are_asked_for_again_after_a_restart():
    known = source()
    one = asking(known)
    push(one, 1, 2)
    one.restart(shards=2)
    assert not one.hand.work
    push(one, 1, first=3)
    one.settle()
    assert pairs(one) == [(1, "ann"), (2, "bob"), (2, "bo"), (3, "ann")]
    assert known.asked == [[(1,), (2,)], [(1,)]]


def test_too_many_waiting_rows_hold_the_sources():
    one = asking(source(), capacity=2)
    assert not one.calls.full
    push(one, 1, 2)
    assert one.calls.full
    one.settle()
    assert not one.calls.full


# -- failures ----------------------------------------------------------------------


def test_a_call_that_fails_is_tried_again_later_and_later():
    known = source(script=[SourceLost("away")] * 3)
    one = asking(known, retry={"attempts": 5, "delay": "1 s", "most": "3 s"}, breaker=False)
    push(one, 1)
    waited = []
    for _ in range(3):
        one.hand.finish()
        one.step()
        waited.append((one.calls.due() - one.driver.clock.monotonic()) / 1e6)
        one.driver.advance(f"{int(waited[-1] * 1_000)} ms")
        one.step()
    assert waited == [1, 2, 3]
    one.settle()
    assert pairs(one) == [(1, "ann")]


def test_when_all_tries_have_failed_the_run_fails():
    one = asking(source(script=[SourceLost("the door is locked")] * 2), retry=1, breaker=False)
    push(one, 1)
    with pytest.raises(SourceLost, match='"known" does not answer: the door is locked'):
        one.settle()


def test_or_the_rows_leave_as_errors():
    known = source(script=[SourceLost("away"), None, SourceLost("away")])
    one = asking(known, retry=1, breaker=False, on_failure="dead_letter", batch=1, parallelism=1, how="left")
    push(one, 1, 2, None)
    one.settle()
    assert pairs(one) == [(2, "bob"), (2, "bo"), (3, None)]
    (bad,) = one.driver.errors
    assert (bad["n"], bad["user"], bad["_why"]["offset"]) == (1, 1, 0)
    assert bad["_why"]["reason"] == "known does not answer: away"


def test_a_refusal_is_not_tried_again():
    known = source(script=[SourceError("no such table")])
    one = asking(known)
    push(one, 1)
    with pytest.raises(SourceLost, match="no such table"):
        one.settle()
    assert len(known.asked) == 1


def test_an_open_circuit_asks_nobody_and_then_one():
    known = source(script=[SourceLost("away")] * 3)
    options = {"retry": {"attempts": 9, "delay": "1 ms"}, "breaker": {"failures": 2, "pause": "10 s"}}
    one = asking(known, batch=1, parallelism=4, **options)
    push(one, 1, 2)
    one.hand.finish()
    one.driver.advance("1 s")
    one.step()
    assert not one.hand.work
    one.driver.advance("5 s")
    push(one, 3, first=3)
    assert not one.hand.work
    one.driver.advance("5 s")
    one.step()
    assert len(one.hand.work) == 1  # one call tries it, and fails
    one.hand.finish()
    one.step()
    one.driver.advance("9 s")
    one.step()
    assert not one.hand.work
    one.driver.advance("1 s")
    one.step()
    one.hand.finish()
    one.step()
    assert len(one.hand.work) == 2  # it is closed again
    one.settle()
    assert pairs(one) == [(1, "ann"), (2, "bob"), (2, "bo")]


def test_a_call_that_takes_too_long_has_failed_and_its_answer_does_not_count():
    known = source()
    one = asking(known, timeout="1 s", retry={"attempts": 2, "delay": "1 ms"}, breaker=False, parallelism=2)
    push(one, 1)
    late = one.hand.work.pop()
    one.driver.advance("1001 ms")
    one.step()
    one.driver.advance("1 ms")
    one.step()
    assert len(one.hand.work) == 1
    late()
    one.step()
    assert pairs(one) == []
    one.settle()
    assert pairs(one) == [(1, "ann")]


def test_calls_that_never_end_fail_what_waits():
    one = asking(source(), timeout="1 s", retry=9, breaker=False, parallelism=2, batch=1)
    push(one, 1, 2, 3)
    one.hand.work.clear()  # nobody answers
    one.driver.advance("1001 ms")
    with pytest.raises(SourceLost, match="its calls do not end"):
        one.step()


def test_a_key_without_rows_is_asked_for_again():
    known = source()
    one = asking(known, retry={"misses": 2, "miss_delay": "5 s"}, how="left", ordered=False)
    push(one, 1, 3)
    one.hand.finish()
    one.step()
    assert pairs(one) == [(1, "ann")]
    assert not one.hand.work
    known.rows.append({"id": 3, "name": "cyd"})
    one.driver.advance("5 s")
    one.step()
    one.settle()
    assert pairs(one) == [(1, "ann"), (2, "cyd")]


# -- caches ------------------------------------------------------------------------


def test_answers_are_kept_for_a_time():
    known = source()
    one = asking(known, cache="10 s", how="left")
    push(one, 1, 3)
    one.settle()
    known.rows.clear()
    one.driver.advance("9 s")
    push(one, 1, 3, first=3)
    assert pairs(one) == [(1, "ann"), (2, None), (3, "ann"), (4, None)]
    one.driver.advance("1 s")
    push(one, 1, first=5)
    one.settle()
    assert pairs(one)[4:] == [(5, None)]


def test_an_answer_may_live_on_while_it_is_used_and_misses_need_not_be_kept():
    known = source()
    one = asking(known, cache={"idle": "10 s", "misses": False}, how="left")
    push(one, 1, 3)
    one.settle()
    for n in range(3):
        one.driver.advance("9 s")
        push(one, 1, first=10 + n)
    assert known.asked == [[(1,), (3,)]]
    push(one, 3, first=20)
    one.settle()
    assert known.asked[1:] == [[(3,)]]


def test_a_cache_forgets_what_was_not_used_for_the_longest_time():
    rows = [{"id": i, "name": str(i)} for i in range(40)]
    known = source(rows)
    one = asking(known, cache={"rows": 16})
    for n in range(40):
        one.driver.advance("1 s")
        push(one, 0, n, first=n)
        one.settle()
    assert not any((0,) in keys for keys in known.asked[1:])
    assert len(known.asked) == 40
    lookup = next(made for made in one.driver.plan.nodes if made.node.verb == "lookup")
    assert len(lookup.executor.answers) <= 16
    assert [name for _, name in pairs(one)] == [text for n in range(40) for text in ("0", str(n))]


def test_a_source_that_is_loaded_whole_is_loaded_anew():
    known = source()
    one = asking(known, cache="full", how="left")
    push(one, 1, 3)
    one.settle()
    assert known.asked == []
    known.rows.append({"id": 3, "name": "cyd"})
    push(one, 3, first=3)
    one.driver.advance("1 h")
    push(one, 3, first=4)  # answered by what there is while it is loaded
    assert pairs(one) == [(1, "ann"), (2, None), (3, None), (4, None)]
    one.hand.finish()
    push(one, 3, first=5)
    assert pairs(one)[4:] == [(5, "cyd")]


def test_rows_that_come_with_the_table_do_not_wait():
    one = asking(source(), cache="full", how="left")
    push(one, 1)
    one.hand.finish()
    push(one, 2, 3, first=2)
    assert pairs(one) == [(1, "ann"), (2, "bob"), (2, "bo"), (3, None)]
    assert not one.calls.waits


# -- plans -------------------------------------------------------------------------


def test_a_table_is_refused():
    rows = ps.read([{"k": 1}]).group_by("k").agg(n=ps.count())
    with pytest.raises(UnsupportedError, match="a Table cannot be looked up for"):
        rows.lookup(USERS, left_on="k", right_on="id")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left_on": "n", "right_on": "nme"}, 'no column "nme"'),
        ({"left_on": "n", "right_on": "name"}, "compares equal types"),
        ({"left_on": "n", "right_on": "id", "how": "full"}, 'no how "full"'),
        ({"left_on": "n", "right_on": "id", "retry": {"tries": 1}}, 'no option of retry "tries"'),
        ({"left_on": "n", "right_on": "id", "on_failure": "ignore"}, 'no on_failure "ignore"'),
        ({"left_on": "n", "right_on": "id", "parallelism": 0}, "parallelism of a lookup is 1 at least"),
        ({}, "needs as many keys"),
    ],
)
def test_what_cannot_be_asked_is_said_when_the_plan_is_built(options, message):
    with pytest.raises(PlanError, match=message):
        ps.read([{"n": 1}]).lookup(source(), **options)


def test_a_function_must_say_what_it_gives_and_what_never_ends_cannot_be_loaded():
    rows = ps.read([{"n": 1}])
    with pytest.raises(PlanError, match="does not say which columns"):
        rows.lookup(person, left_on="n", right_on="id")
    from penstock.connectors.generate import GenerateSource

    with pytest.raises(PlanError, match="never ends"):
        rows.lookup(GenerateSource(fields={"id": {"kind": "sequence"}}), left_on="n", right_on="id")


def person(id):
    return {"name": f"number {id}"} if id % 2 else None


def test_a_plan_with_a_lookup_is_stored_and_read_again():
    rows = ps.read(MemorySource([{"n": 1}, {"n": 2}], name="rows"))
    found = rows.lookup(person, left_on="n", right_on="id", schema={"name": ps.String}, cache="1 min")
    sink = MemorySink(name="kept")
    text = to_json(ps.Pipeline("p", found.write(sink)))
    again = from_json(text, bind={"rows": rows.node.source, "kept": sink})
    assert next(n for n in again.nodes() if n.verb == "lookup").options == found.node.options
