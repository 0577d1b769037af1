"""How the rows of splits come in time, read from the watermarks of a running plan."""

from __future__ import annotations

from penstock.engine.metrics import SplitStatistics
from penstock.engine.step import Engine
from penstock.operators.watermark import WatermarkExecutor
from penstock.plan.watermark import Bounded


def splits_of(engine: Engine, held: frozenset[tuple[int, int]]) -> tuple[SplitStatistics, ...]:
    """The splits below all watermarks that state a bound of disorder.

    Args:
        engine: What runs.
        held: Which splits are not read, by source and split.
    """
    found = []
    for made in engine.plan.nodes:
        executor = made.executor
        if not isinstance(executor, WatermarkExecutor) or not isinstance(executor.stated, Bounded):
            continue
        for pair, times in executor.times.items():
            source, split = executor.environment.place(*pair)
            bounds = times.bounds()
            found.append(
                SplitStatistics(
                    source, split, executor.seen[pair], executor.stated.delay, times.rows, times.behind, times.late,
                    bounds["most"], bounds["nearly_all"], bounds["all"], times.ahead, pair in held,
                )
            )  # fmt: skip
    return tuple(found)
