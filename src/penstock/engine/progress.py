"""Which splits are silent or ended: decided at a step's start, from the step's clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.engine.compile import PhysicalPlan
from penstock.engine.feeds import Feed
from penstock.operators.base import SplitState
from penstock.operators.watermark import Watermark


class Progress:
    """Decides about splits; every decision is handed to the step, so that a run can be repeated."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._idle = self._idle_times(plan)

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

    def next_decision(self, feeds: Iterable[Feed]) -> int | None:
        """The instant at which a split may become silent, or None."""
        waiting = [
            feed.empty_since + self._idle[feed.source]
            for feed in feeds
            if feed.empty_since is not None and feed.source in self._idle and not feed.ended
        ]
        return min(waiting, default=None)
