"""What is due by the clock: nodes wake without rows, before the rows of the step, and the loop sleeps until then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import polars as pl
import pytest

import penstock as ps
from penstock.api.stream import Stream
from penstock.core.clock import Signal
from penstock.core.delta import Delta
from penstock.core.dtypes import Int64
from penstock.core.schema import Field, Schema
from penstock.core.timespan import END, SECOND
from penstock.engine.loop import Loop, LoopOptions
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import Facts, Node
from penstock.testing import Driver, Kept, Pushed, T, check
from penstock.testing.check import at_once, one_by_one
from penstock.testing.oracle import BEGINNING, Arrival, Tick

BEAT = 5 * SECOND


@dataclass(frozen=True, kw_only=True, eq=False)
class Beats(Executable):
    """Says every five seconds of the clock how many rows have come since, if any."""

    verb: ClassVar[str] = "beats"
    stateful: ClassVar[bool] = True

    input: Node

    def derive(self) -> Facts:
        schema = Schema((Field("rows", Int64, nullable=False),))
        return replace(self.input.facts, schema=schema, time=None, watermarked=False)

    def meaning(self) -> Meaning:
        return BeatsMeaning()

    def executor(self, environment: Environment) -> Executor:
        return BeatsExecutor()


class BeatsMeaning(Meaning):
    """Counts; the count goes out when the clock has passed a multiple of five seconds."""

    def __init__(self) -> None:
        self.now, self.rows = 0, 0

    def tick(self, now: int) -> Iterable[Emission]:
        beats, self.now = now // BEAT > self.now // BEAT, now
        return self.say() if beats else []

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        self.rows += 1
        return []

    def advance(self, watermark: int) -> Iterable[Emission]:
        return self.say() if watermark == END else []

    def say(self) -> Iterable[Emission]:
        rows, self.rows = self.rows, 0
        return [("out", Row({"rows": rows}))] if rows else []


class BeatsExecutor(Executor):
    """Counts, and wakes at the next multiple of five seconds after its first row."""

    def __init__(self) -> None:
        self.rows, self.at = 0, 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        if self.rows and context.now >= self.at:
            yield self.say()
        (delta,) = inputs
        if delta is not None:
            if not self.rows:
                self.at = (context.now // BEAT + 1) * BEAT
            self.rows += delta.length
        if context.watermark == END and self.rows:
            yield self.say()

    def say(self) -> Output:
        rows, self.rows = self.rows, 0
        return "out", Delta({"rows": pl.Series("rows", [rows])}, 1)

    def due(self) -> int | None:
        return END if self.rows else None

    def wakes(self) -> int | None:
        return self.at if self.rows else None

    def state_layout(self) -> Any:
        return {"kind": "beats"}

    def snapshot(self, saver: Any) -> Any:
        return [self.rows, self.at]

    def restore(self, state: Any, loader: Any) -> None:
        self.rows, self.at = state


def beats(stream: Stream) -> Stream:
    return Stream(Beats(input=stream.node))


ROWS = T("""
    v
    1
    2
    3
    4
    5
""")


@pytest.mark.parametrize("twice", [False, True])
def test_the_clock_moves_before_the_rows_in_every_cut(twice: bool) -> None:
    expected = [{"rows": 2}, {"rows": 2}, {"rows": 1}]
    ticks = [(1, "4 s"), (2, "2 s"), (4, "7 s")]
    if twice:  # what one wakes to send wakes nobody else before the clock does
        check(lambda s: beats(beats(s)), input=ROWS, ticks=ticks, output=[{"rows": 1}, {"rows": 2}])
    else:
        check(beats, input=ROWS, ticks=ticks, output=expected)


def driver() -> Driver:
    pipeline = ps.Pipeline("p", beats(ps.read(Pushed(columns=ROWS.schema, ends=False))).write(Kept(), name="out"))
    return Driver(pipeline)


def test_a_node_wakes_without_rows_also_after_a_restart() -> None:
    run = driver()
    run.push("input", [{"v": 1}]).step()
    assert run.engine.wakes() == BEGINNING + BEAT
    run.advance("4 s").step().restart()
    assert run.rows() == []
    assert run.engine.wakes() == BEGINNING + BEAT
    assert run.advance("1 s").step().rows() == [{"rows": 1}]
    assert run.engine.wakes() is None


def test_the_clock_of_steps_never_goes_back_also_after_a_restart() -> None:
    run = driver()
    run.advance("100 s").step()
    run.clock.show(BEGINNING)
    run.restart()
    run.push("input", [{"v": 1}]).step()
    assert run.engine.now == BEGINNING + 100 * SECOND
    assert run.engine.wakes() == BEGINNING + 105 * SECOND


class Silent:
    """Feeds that have nothing."""

    signal = Signal()
    feeds: tuple[Any, ...] = ()


def test_the_loop_sleeps_until_a_node_wakes() -> None:
    run = driver()
    loop = Loop(run.engine, Silent(), None, LoopOptions(epoch=60 * SECOND), run.clock)  # type: ignore[arg-type]
    assert loop._patience() == 60 * SECOND
    run.push("input", [{"v": 1}]).step()
    assert loop._patience() == 5 * SECOND
    run.advance("9 s")
    assert 0 < loop._patience() <= 1_000


def test_a_step_begins_where_the_clock_moves() -> None:
    events = [Arrival(0, 0, 0, {"v": 1}), Tick(5), Arrival(0, 0, 1, {"v": 2})]
    assert at_once(events) == [events[:1], events[1:]]
    assert one_by_one(events) == [[event] for event in events]
