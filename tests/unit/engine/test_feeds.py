"""Cutting what was polled, and reading ahead within a bound."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.connectors.base import BadRow, Polled, Reader
from penstock.core.clock import Signal, SystemClock
from penstock.core.errors import SourceError
from penstock.engine.feeds import Feed, cut


def polled(rows: int, bad: list[int]) -> Polled:
    """Rows 0..rows-1 of which some are bad."""
    good = [row for row in range(rows) if row not in bad]
    runs: list[tuple[int, int]] = []
    for row in good:
        if runs and sum(runs[-1]) == row:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((row, 1))
    return Polled(pl.DataFrame({"x": good}), tuple(runs), tuple(BadRow(b, "bad", None) for b in sorted(bad)), rows)


@given(st.integers(1, 30), st.sets(st.integers(0, 29)), st.integers(1, 30))
def test_cut_keeps_every_row_and_its_offset(rows: int, bad: set[int], at: int) -> None:
    whole = polled(rows, [b for b in bad if b < rows])
    head, rest = cut(whole, at)
    parts = [head] if rest is None else [head, rest]
    assert head.frame.height == min(at, whole.frame.height)
    seen = [first + i for part in parts for first, count in part.offsets for i in range(count)]
    assert seen == whole.frame["x"].to_list() == pl.concat([p.frame for p in parts])["x"].to_list()
    assert [b.offset for part in parts for b in part.bad] == [b.offset for b in whole.bad]


class Endless(Reader):
    """Gives a chunk per poll, for ever or until it fails."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.polls = 0
        self.fail_after = fail_after

    def poll(self, max_rows: int) -> Polled:
        self.polls += 1
        if self.fail_after is not None and self.polls > self.fail_after:
            raise OSError("gone")
        return Polled(pl.DataFrame({"x": range(1000)}), ((1000 * (self.polls - 1), 1000),), (), self.polls)

    @property
    def ended(self) -> bool:
        return False


def test_reading_ahead_stops_at_the_bound() -> None:
    clock, reader, signal = SystemClock(), Endless(), Signal()
    feed = Feed(0, 0, reader, inline=False, bound=50_000, signal=signal)
    feed.start(clock, "test")
    clock.wait(Signal(), 200_000)
    held = reader.polls
    assert 2 <= held <= 10
    clock.wait(Signal(), 100_000)
    assert reader.polls == held
    assert feed.take(10, 0) is not None
    feed.close()


def drain(feed: Feed, rows: list[int]) -> None:
    """Take rows until the feed fails, and note how many each time."""
    clock = SystemClock()
    while True:
        found = feed.take(300, 0)
        rows.append(found.frame.height if found is not None else 0)
        clock.wait(Signal(), 1_000)


def test_rows_read_before_a_failure_come_before_it() -> None:
    feed = Feed(0, 0, Endless(fail_after=2), inline=False, bound=1 << 30, signal=Signal())
    feed.start(SystemClock(), "test")
    rows = []
    with pytest.raises(SourceError, match="gone"):
        drain(feed, rows)
    assert sum(rows) == 2000
    feed.close()


def test_a_split_that_had_ended_is_not_open_again_before_its_reader_has_looked() -> None:
    feed = Feed(0, 0, Endless(), inline=False, bound=1 << 30, signal=Signal(), ended=True)
    assert feed.ended
    assert not Feed(0, 0, Endless(), inline=False, bound=1 << 30, signal=Signal()).ended
