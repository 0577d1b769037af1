"""Which splits are silent or ended: decided at a step's start, from the step's clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.core.timespan import END
from penstock.engine.compile import PhysicalPlan
from penstock.engine.feeds import Feed
from penstock.operators.base import SplitState
from penstock.operators.watermark import Watermark, WatermarkExecutor
from penstock.plan.watermark import Alignment


class Progress:
    """Decides about splits; every decision is handed to the step, so that a run can be repeated."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._idle = self._idle_times(plan)
        self._aligned: list[tuple[Alignment, WatermarkExecutor]] = [
            (made.node.align, made.executor)
            for made in plan.nodes
            if isinstance(made.node, Watermark)
            and made.node.align is not None
            and isinstance(made.executor, WatermarkExecutor)
        ]

    def _idle_times(self, plan: PhysicalPlan) -> dict[int, int]:
        """For each unbounded source the shortest idle time that a watermark above it states."""
        found: dict[int, int] = {}
        for made in plan.nodes:
            node = made.node
            if isinstance(node, Watermark) and not node.facts.bounded:
                for source, index in enumerate(plan.reads):
                    if index < made.index:
                        found[source] = min(found.get(source, node.silence.idle), node.silence.idle)
        return found

    def decide(self, feeds: Iterable[Feed], now: int) -> Mapping[tuple[int, int], SplitState]:
        """The state of each split. Only one that was polled at its end can be silent."""
        found = {}
        for feed in feeds:
            idle = self._idle.get(feed.source)
            silent = None
            if idle is not None and feed.empty_since is not None and now - feed.empty_since >= idle:
                silent = feed.empty_since + idle
            found[feed.source, feed.split] = SplitState(feed.ended, silent)
        return found

    def held(self) -> frozenset[tuple[int, int]]:
        """The splits that are too far ahead of their group to be read: by source and split."""
        groups: dict[str, list[tuple[tuple[int, int], int, int]]] = {}
        for align, executor in self._aligned:
            active = [pair for pair in executor.seen if pair not in executor.ended and pair not in executor.silent]
            members = groups.setdefault(align.group, [])
            members += [(pair, executor.seen[pair], align.drift) for pair in active]
        found = set()
        for members in groups.values():
            least = min((seen for _, seen, _ in members), default=END)
            found |= {pair for pair, seen, drift in members if seen - drift > least}
        return frozenset(found)

    def next_decision(self, feeds: Iterable[Feed]) -> int | None:
        """The instant at which a split may become silent, or None."""
        waiting = [
            feed.empty_since + self._idle[feed.source]
            for feed in feeds
            if feed.empty_since is not None and feed.source in self._idle and not feed.ended
        ]
        return min(waiting, default=None)
