"""Runs the steps of stored epochs again, exactly: the debugger of a run that is over.

From a checkpoint that is still kept, with its journal and the same input, every delta on every edge comes
again as it was. Nothing is written anywhere. What the input does not give again, such as a topic whose old
records are gone, ends a replay with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.checkpoint.ledger import Ledger
from penstock.core.clock import Clock, SystemClock
from penstock.core.delta import Delta
from penstock.core.errors import StateError
from penstock.engine.compile import PhysicalNode, PhysicalPlan, compile_plan, sources_of
from penstock.engine.epochs import restore
from penstock.engine.feeds import Feed, Feeds
from penstock.engine.journal import Command, Splits, Step, unpack
from penstock.engine.step import Engine, Taken
from penstock.operators.asking import AskingExecutor
from penstock.operators.base import SplitState
from penstock.plan.pipeline import Pipeline, identities


@dataclass(frozen=True)
class Replayed:
    """A step that was run again.

    Attributes:
        epoch: The epoch that it belongs to.
        number: Its number, as in the run.
        now: Its clock.
        rows: How many rows it took.
    """

    epoch: int
    number: int
    now: int
    rows: int


@dataclass(frozen=True)
class Told:
    """What somebody told the run then; a replay only tells of it.

    Attributes:
        epoch: The epoch that it belongs to.
        command: What, and when.
    """

    epoch: int
    command: Command


def _refuse_calls(plan: PhysicalPlan) -> None:
    for made in plan.nodes:
        if isinstance(made.executor, AskingExecutor):
            raise StateError(
                f'the steps of "{made.identity}" cannot be run again: it asks an outside source, whose answers the '
                "journal does not have"
            )


class _Nowhere:
    def write(self, output: int, delta: Delta) -> None:
        """Rows of a replay go nowhere."""

    def refuse(self, node: PhysicalNode, port: str, delta: Delta) -> None:
        """As `write`."""


class Replay:
    """A run, from a checkpoint on, step by step.

    Args:
        pipeline: The plan as it ran: optimised.
        ledger: What is stored of it.
        begin: The epoch to begin with; the oldest that is kept if None.
        watch: Shown every delta that leaves a node.
        clock: Waits for input that does not come at once.

    Attributes:
        engine: The engine; its state is that after the last step.

    Raises:
        StateError: If the checkpoint is not kept, or damaged.
        StartError: If a source is not there.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ledger: Ledger,
        begin: int | None = None,
        *,
        watch: Callable[[PhysicalNode, str, Delta], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock or SystemClock()
        self.begin, manifest = self._beginning(begin)
        reads, names = sources_of(pipeline), identities(pipeline.outputs)
        self._feeds = Feeds.open(
            reads, 1 << 30, identities=[names[id(read)] for read in reads], stored=manifest["sources"]
        )
        self._order = [source["order"] for source in manifest["sources"]]
        self._by_name = {(feed.source, self._feeds.splits[feed.source][feed.split]): feed for feed in self._feeds.feeds}
        try:
            plan = compile_plan(pipeline, self._feeds.splits, shards=manifest["shards"])
            self.engine = Engine(plan, _Nowhere(), clock=self._clock)
            _refuse_calls(plan)
            self.engine.split_names = self._feeds.splits
            self.engine.tap = watch
            restore(self.engine, manifest, ledger)
        except BaseException:
            self.close()
            raise

    def _beginning(self, begin: int | None) -> tuple[int, Mapping[str, Any]]:
        kept = self._ledger.store.manifests()
        for number in kept if begin is None else [begin]:
            if number not in kept:
                raise StateError(f"the epoch {number} is not kept any more", hint=f"kept: {', '.join(map(str, kept))}")
            manifest = self._ledger.read(number)
            if manifest["engine"] is not None:
                return number, manifest
        raise StateError("no checkpoint is kept that could be run again")

    def steps(self) -> Iterator[Replayed]:
        """Run step after step, to the end of what is stored; see `entries`."""
        return (entry for entry in self.entries() if isinstance(entry, Replayed))

    def entries(self) -> Iterator[Replayed | Told]:
        """Run step after step, to the end of what is stored, with what the run was told between them.

        Raises:
            StateError: If a journal is damaged.
            SourceError: If the input is not what it was.
        """
        for epoch in self._ledger.store.manifests():
            if epoch <= self.begin:
                continue
            stored = self._ledger.read(epoch).get("journal")
            splits: Splits = {}
            for step in unpack(bytes(self._ledger.block(stored))) if stored else ():
                if isinstance(step, Command):
                    yield Told(epoch, step)
                    continue
                splits = splits if step.splits is None else step.splits
                yield self._run(epoch, step, splits)

    def _run(self, epoch: int, step: Step, splits: Splits) -> Replayed:
        taken = [
            Taken(feed.source, feed.split, part.frame, part.offsets, part.bad)
            for feed, end in ((self._feed(source, split), end) for source, split, end in step.taken)
            for part in feed.take_to(end, self._clock)
        ]
        number = self.engine.steps
        decided = {(feed.source, feed.split): state for feed, state in self._decided(splits)}
        self.engine.step(taken, step.now, decided)
        return Replayed(epoch, number, step.now, sum(part.frame.height + len(part.bad) for part in taken))

    def _feed(self, source: int, split: int) -> Feed:
        """The feed of a split of the run: splits may be found in another order now."""
        return self._by_name[source, self._order[source][split]]

    def _decided(self, splits: Splits) -> Iterator[tuple[Feed, SplitState]]:
        for (source, split), state in splits.items():
            yield self._feed(source, split), state

    def close(self) -> None:
        """Close the sources."""
        self._feeds.close()
