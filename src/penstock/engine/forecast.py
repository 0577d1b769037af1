"""How state without bound will grow: the plan says what grows, the first rows of the input say how fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log
from typing import Any

from penstock.connectors.blackhole import BlackholeSink
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import PlanError
from penstock.core.timespan import END, MILLISECOND, NEVER, SECOND
from penstock.engine.assembly import Assembly
from penstock.engine.compile import PhysicalNode
from penstock.engine.options import JobOptions, LoopOptions
from penstock.plan.pipeline import Pipeline

STEPS = 20
"""In how many steps a sample is taken."""

AHEAD = (1_000_000, 100_000_000)
"""After how many rows of input the state is foretold."""

LEAST = 16
"""With fewer entries than that nothing can be said of their growth."""


@dataclass(frozen=True)
class Growth:
    """How the state of one operator grows.

    Attributes:
        operator: Its identity.
        what: What grows, for people.
        rows: How many entries it has after the sample.
        bytes: How many bytes an entry takes.
        exponent: Entries grow as this power of the rows of input: 1 = each row makes one, 0 = no more come.
            None: there are too few to tell.
        foretold: By rows of input, the bytes of the state.
    """

    operator: str
    what: str
    rows: int
    bytes: int
    exponent: float | None
    foretold: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Forecast:
    """What a sample of the input says.

    Attributes:
        sampled: How many rows it had.
        span_us: How far event time went in it; None if there is none.
        growths: What grows without bound.
    """

    sampled: int
    span_us: int | None
    growths: tuple[Growth, ...]


def forecast(pipeline: Pipeline, rows: int = 10_000, *, wait: int = 5 * SECOND, clock: Clock | None = None) -> Forecast:
    """Run a pipeline over the first rows of its input, into nothing, and tell how its state will grow.

    Nothing is written or stored, and nothing is told to sources. Functions of users are called. Entries are taken to
    grow as a power of the rows (Heaps' law), fitted to the second half of the sample; what is not in the sample - an
    operator whose keys repeat only later - is not in the forecast.

    Args:
        pipeline: What would run.
        rows: How many rows of input to take.
        wait: For how long to wait for them, in microseconds.
        clock: The time.

    Raises:
        PlanError: If a source gives its rows only once.
        StartError: If a source is not there.
    """
    if not list(pipeline.grown()):
        return Forecast(0, None, ())
    for node in pipeline.nodes():
        if getattr(getattr(node, "source", None), "connector", None) == "flow":
            raise PlanError("a flow gives its rows once: a sample would take them away", where=node.where)
    clock = clock or SystemClock()
    outputs: tuple[Any, ...] = tuple(
        replace(output, sink=BlackholeSink(name=f"forecast{number}")) for number, output in enumerate(pipeline.outputs)
    )
    options = JobOptions(control=False, loop=LoopOptions(step_rows=max(1, rows // STEPS)))
    parts = Assembly.open(pipeline.with_outputs(outputs), options, clock)
    try:
        return _sampled(parts, rows, clock, wait)
    finally:
        parts.close()


def _sampled(parts: Assembly, rows: int, clock: Clock, wait: int) -> Forecast:
    engine, loop, until = parts.engine, parts.loop, clock.monotonic() + wait
    grown = {id(node): what for node, what in parts.pipeline.grown()}
    watched = [(made, grown[id(node)]) for made in engine.plan.nodes for node in made.nodes if id(node) in grown]
    half: tuple[int, list[int]] | None = None
    first = NEVER
    while engine.rows_in < rows and clock.monotonic() < until:
        loop.feeds.signal.clear()
        if not loop.once():
            if loop.feeds.ended:
                break
            clock.wait(loop.feeds.signal, 20 * MILLISECOND)
        if first == NEVER and NEVER < engine.watermark < END:
            first = engine.watermark
        if half is None and engine.rows_in * 2 >= rows:
            half = engine.rows_in, [made.executor.state_size()[0] for made, _ in watched]
    span = engine.watermark - first if NEVER < first <= engine.watermark < END else None
    at, sizes = half or (0, [0] * len(watched))
    growths = (
        _growth(made, what, (at, size), engine.rows_in) for (made, what), size in zip(watched, sizes, strict=True)
    )
    return Forecast(engine.rows_in, span, tuple(growths))


def _growth(made: PhysicalNode, what: str, half: tuple[int, int], rows: int) -> Growth:
    entries, size = made.executor.state_size()
    each = size // max(1, entries)
    if entries < LEAST or not 0 < half[0] < rows or not half[1]:
        return Growth(made.identity, what, entries, each, None, ())
    exponent = min(1.0, max(0.0, log(entries / half[1]) / log(rows / half[0])))
    foretold = tuple((ahead, int(entries * (ahead / rows) ** exponent) * each) for ahead in AHEAD if ahead > rows)
    return Growth(made.identity, what, entries, each, round(exponent, 3), foretold)


def forecast_lines(found: Forecast, size: Any, span: Any) -> Iterator[str]:
    """A forecast for people.

    Args:
        found: It.
        size: Writes a number of bytes.
        span: Writes a length of time, given in microseconds.
    """
    if not found.growths:
        yield "no state grows without bound"
        return
    time = f", {span(found.span_us)} of event time" if found.span_us else ""
    yield f"after {found.sampled:,} rows{time}"
    for one in found.growths:
        yield f"{one.what}"
        if one.exponent is None:
            yield f"  {one.rows:,} entries: too few to tell how they grow"
            continue
        later = ", ".join(f"{size(count)} after {rows:,} rows" for rows, count in one.foretold)
        yield f"  {one.rows:,} entries of {one.bytes:,} bytes, growing as rows^{one.exponent:g}: {later}"
