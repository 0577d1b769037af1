"""What holds the output back: which operator waits until when, for which source and split, and what releases it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.core.timespan import END, MILLISECOND, NEVER
from penstock.engine.compile import PhysicalNode
from penstock.engine.step import Engine
from penstock.operators.watermark import WatermarkExecutor

HOLDING = (
    "window",
    "keyed_window",
    "window_rows",
    "window_join",
    "sort",
    "asof_join",
    "interval_join",
    "sliding_window",
)
"""The verbs that keep rows or results until event time has come so far; others only forget then."""

CLOSING = ("window", "keyed_window", "window_rows", "window_join")
"""Those of them that keep windows: they wait for the end of one less 1 ms."""


def waiting(engine: Engine) -> list[dict[str, Any]]:
    """The operators that hold results, in the order of execution, as JSON; between two steps.

    Each has `operator` and `verb`; `until`, the watermark in microseconds at which its next result leaves (None: when
    the input has ended); `window_end`, if it keeps windows; `wakes`, the instant of the clock at which it sends, if it
    does; `watermark`, how far it has come there; `rows` of state; `held_by`: the splits that are behind, and what
    brings them on, see `WatermarkExecutor.holders`.
    """
    return [found for made in engine.plan.nodes if (found := _waits(engine, made)) is not None]


def _waits(engine: Engine, made: PhysicalNode) -> dict[str, Any] | None:
    if made.node.verb not in HOLDING:
        return None
    due, wakes = made.executor.sends(), made.executor.wakes()
    if (due is None or due <= NEVER) and wakes is None:
        return None
    known = due is not None and NEVER < due < END
    watermark = min(engine.watermarks[i] for i in made.inputs)
    holders = list(_holders(engine, made, due)) if known and due is not None and watermark < due else []
    return {
        "operator": made.identity,
        "verb": made.node.verb,
        "until": due if known else None,
        "window_end": due + MILLISECOND if known and due is not None and made.node.verb in CLOSING else None,
        "wakes": wakes,
        "watermark": watermark if NEVER < watermark < END else None,
        "rows": made.executor.state_size()[0],
        "held_by": holders,
    }


def _holders(engine: Engine, made: PhysicalNode, due: int) -> Iterator[dict[str, Any]]:
    """The splits that are behind, of every way up from an operator to where watermarks are made."""
    ways = [(index, due) for index in made.inputs]
    seen = set()
    while ways:
        index, needed = ways.pop(0)
        above = engine.plan.nodes[index]
        if (index, needed) in seen or engine.watermarks[index] >= needed:
            continue
        seen.add((index, needed))
        if isinstance(above.executor, WatermarkExecutor):
            yield from above.executor.holders(needed)
            continue
        if above.inputs:
            ways += [(i, _incoming(above, needed)) for i in above.inputs]


def _incoming(made: PhysicalNode, needed: int) -> int:
    """How far its inputs must have come: windows that take late rows, and joins, hold the watermark back."""
    found = needed
    while found < END and (short := needed - made.executor.watermark([found] * len(made.inputs))) > 0:
        found += short
    return found
