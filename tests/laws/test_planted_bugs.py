"""The harness finds mistakes: each of these is made on purpose in an executor, and `check` must see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import penstock as ps
from penstock import col
from penstock.core.delta import Delta
from penstock.core.timespan import MILLISECOND, NEVER
from penstock.operators import window_snapshot
from penstock.operators.base import Environment
from penstock.operators.changelog import ChangelogExecutor
from penstock.operators.group_execution import GroupExecutor
from penstock.operators.stateless import StatelessExecutor
from penstock.operators.union import UnionExecutor
from penstock.operators.watermark import WatermarkExecutor
from penstock.operators.window_execution import WindowExecutor
from penstock.operators.window_parts import Side
from penstock.state.aggregates import AggregateTable
from penstock.state.arrangement import Arrangement
from penstock.testing import CheckFailed, T, check

# With a bound of 5 s the watermark stands a millisecond before the end of a window, and two, when rows come.
ROWS = T("""
    at           | k | v
    00:00:01     | a | 1
    00:00:04     | b | 2
    00:00:14.998 | a | 3
    00:00:06     | a | 4
    00:00:14.999 | a | 5
    00:00:03     | a | 6
    00:00:24     | c | 7
    00:00:25     | b | 8
    00:00:19     | c | 9
""")


def windows(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())


def hops(rows):
    return rows.group_by("k").window(ps.hopping("10 s", every="5 s")).agg(n=ps.count())


def counts(rows):
    return rows.group_by("k").agg(n=ps.count(), total=col("v").sum())


def fails(build, **options):
    with pytest.raises(CheckFailed) as caught:
        check(build, input=ROWS, late=None, watermark="5 s", **options)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _holds_without_the_bug():
    for build in (windows, hops, counts):
        check(build, input=ROWS, late=None, watermark="5 s")


def wrap(monkeypatch, executor, change):
    """Change what an executor gives: `change(self, port, delta, context)` in place of (port, delta)."""
    step = executor.step

    def changed(self, inputs, context):
        for port, delta in step(self, inputs, context):
            yield from change(self, port, delta, context)

    monkeypatch.setattr(executor, "step", changed)


def test_a_late_test_that_is_off_by_one(monkeypatch):
    follow = WatermarkExecutor._follow

    def ahead(self, *given):
        result = follow(self, *given)
        if result.watermarks is not None:
            result.watermarks = result.watermarks + MILLISECOND
        return result

    monkeypatch.setattr(WatermarkExecutor, "_follow", ahead)
    assert "what is sent" in fails(windows)


def test_windows_that_close_a_millisecond_late(monkeypatch):
    step = WindowExecutor.step

    def later(self, inputs, context):
        return step(self, inputs, replace(context, watermark=context.watermark - MILLISECOND))

    monkeypatch.setattr(WindowExecutor, "step", later)
    fails(windows)


def test_windows_that_close_one_watermark_late(monkeypatch):
    step = WindowExecutor.step

    def delayed(self, inputs, context):
        before = getattr(self, "before", context.watermark)
        self.before = context.watermark
        watermark = context.watermark if context.watermark > 2**62 else min(before, context.watermark)
        return step(self, inputs, replace(context, watermark=watermark))

    monkeypatch.setattr(WindowExecutor, "step", delayed)
    assert "row by row" in fails(windows)  # what comes out in the end is right; when it does is not


def test_a_lost_row(monkeypatch):
    def lose(self, port, delta, context):
        whole = port != "out" or delta.length < 3
        yield port, delta if whole else delta.take(np.arange(delta.length - 1))

    wrap(monkeypatch, StatelessExecutor, lose)
    assert "differs" in fails(lambda rows: rows.with_columns(w=col("v") + 1))


def test_a_row_sent_twice(monkeypatch):
    def double(self, port, delta, context):
        yield port, delta
        if context.step == 1:
            yield port, delta

    wrap(monkeypatch, UnionExecutor, double)
    fails(lambda rows: rows.union(rows.filter(col("v") > 6)))


def test_a_merge_that_counts_twice(monkeypatch):
    merge = AggregateTable.merge

    def twice(self, other, step):
        merge(self, other, step)
        return merge(self, other, step)

    monkeypatch.setattr(AggregateTable, "merge", twice)
    assert "differs" in fails(hops)


def test_a_change_that_is_not_taken_back(monkeypatch):
    def forget(self, port, delta, context):
        if port == "out" and delta.diff is not None:
            delta = delta.filter(delta.diff > 0)
        yield port, delta

    wrap(monkeypatch, GroupExecutor, forget)
    fails(counts)


def test_a_row_that_goes_and_was_never_there(monkeypatch):
    def invent(self, port, delta, context):
        if port == "out" and delta.diff is not None:
            gone = delta.columns["n"] + (delta.diff < 0).cast(int)
            delta = Delta({**delta.columns, "n": gone}, delta.length, diff=delta.diff, positions=delta.positions)
        yield port, delta

    wrap(monkeypatch, GroupExecutor, invent)
    assert "not there" in fails(counts)


def test_keys_out_of_order(monkeypatch):
    def reverse(self, port, delta, context):
        yield port, delta.take(np.arange(delta.length)[::-1]) if port == "out" else delta

    wrap(monkeypatch, WindowExecutor, reverse)
    assert "out of order" in fails(windows)


def test_a_watermark_that_runs_ahead(monkeypatch):
    least = WatermarkExecutor._watermark_of_stream

    def ahead(self, context):
        found = least(self, context)
        return found + MILLISECOND if -(2**62) < found < 2**62 else found

    monkeypatch.setattr(WatermarkExecutor, "_watermark_of_stream", ahead)
    assert "watermark" in fails(lambda rows: rows.filter(col("v") > 0), ends=False)


def test_late_rows_that_vanish(monkeypatch):
    def drop(self, port, delta, context):
        if port != "late":
            yield port, delta

    wrap(monkeypatch, WindowExecutor, drop)
    assert "refuses as late" in fails(windows)


def test_a_late_row_from_another_place(monkeypatch):
    monkeypatch.setattr(Environment, "place", lambda self, source, split: ("elsewhere", "9"))
    assert "elsewhere" in fails(windows)


def test_the_wrong_operation(monkeypatch):
    step = ChangelogExecutor.step

    def wrong(self, inputs, context):
        for port, delta in step(self, inputs, context):
            op = delta.columns["op"].replace("+I", "-D")
            yield port, Delta({**delta.columns, "op": op}, delta.length, positions=delta.positions)

    monkeypatch.setattr(ChangelogExecutor, "step", wrong)
    fails(lambda rows: counts(rows).changelog())


def test_a_watermark_that_is_restored_a_millisecond_short(monkeypatch):
    restore = WatermarkExecutor.restore

    def short(self, state, loader):
        restore(
            self,
            {**state, "seen": [[*names, max(NEVER, seen - MILLISECOND)] for *names, seen in state["seen"]]},
            loader,
        )

    monkeypatch.setattr(WatermarkExecutor, "restore", short)
    assert "restarted after step" in fails(windows)


def test_a_table_that_is_not_restored(monkeypatch):
    monkeypatch.setattr(AggregateTable, "load", lambda self, loader, name: None)
    assert "restarted after step" in fails(counts)


def test_a_change_that_the_log_misses(monkeypatch):
    changed = Arrangement.changed
    monkeypatch.setattr(Arrangement, "changed", lambda self: changed(self)[1:])
    assert "restarted after step" in fails(counts)


def test_windows_that_are_sent_again(monkeypatch):
    restore = WindowExecutor.restore

    def again(self, state, loader):
        restore(self, {**state, "fired": NEVER}, loader)

    monkeypatch.setattr(WindowExecutor, "restore", again)
    assert "restarted after step" in fails(hops)


def test_rows_beside_a_window_that_are_not_restored(monkeypatch):
    read = window_snapshot.side_from_bytes

    def too_late(data, names):
        side = read(data, names)
        return Side(side.delta, side.watermarks + 2**60, side.places)

    monkeypatch.setattr(window_snapshot, "side_from_bytes", too_late)
    assert "restarted after step" in fails(hops)
