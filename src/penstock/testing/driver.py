"""Drive the engine by hand: push rows, move the clock, end or silence splits, look at what came out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.core.clock import Signal
from penstock.core.delta import Delta
from penstock.core.errors import InvariantError, one_of
from penstock.core.lazy import pl
from penstock.core.timespan import NEVER, duration
from penstock.engine.compile import PhysicalNode, compile_plan, sources_of
from penstock.engine.step import Engine, Taken
from penstock.operators.base import SplitState
from penstock.operators.read import Read
from penstock.optimize import optimize
from penstock.plan.node import UPDATING
from penstock.plan.pipeline import Pipeline, output_name
from penstock.testing.compare import Change, fold
from penstock.testing.notation import Drawn
from penstock.testing.oracle import BEGINNING
from penstock.testing.saved import Saved
from penstock.testing.scene import frame_of

if TYPE_CHECKING:
    import polars as pl


class ManualClock:
    """A clock that stands still until it is told to go on; waiting moves it.

    Args:
        now: The first instant, in microseconds since 1970-01-01 UTC.
    """

    def __init__(self, now: int = BEGINNING) -> None:
        self._start = now
        self._now = now

    def now(self) -> int:
        """The instant, in microseconds."""
        return self._now

    def monotonic(self) -> int:
        """Microseconds since the clock was made."""
        return self._now - self._start

    def wait(self, signal: Signal, timeout_us: int | None) -> bool:
        """Let the time pass at once; true if the signal is set.

        Raises:
            InvariantError: If nothing would ever end the waiting.
        """
        if signal.is_set():
            return True
        if timeout_us is None:
            raise InvariantError("waiting for ever on a manual clock")
        self._now += max(0, timeout_us)
        return signal.is_set()

    def advance(self, span: Any) -> None:
        """Let time pass, such as `"10 s"`."""
        self._now += duration(span)

    def show(self, now: int) -> None:
        """Show an instant from here on."""
        self._now = now


@dataclass
class Caught:
    """An outlet that keeps what leaves the plan, and after which step it did.

    Attributes:
        outputs: By output, the step and the rows.
        refused: By (index of the physical node, port), the rows.
        step: The number of the step that runs.
    """

    outputs: dict[int, list[tuple[int, Delta]]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[tuple[int, str], list[Delta]] = field(default_factory=lambda: defaultdict(list))
    step: int = 0

    def write(self, output: int, delta: Delta) -> None:
        """Keep rows of an output."""
        self.outputs[output].append((self.step, delta))

    def refuse(self, node: PhysicalNode, port: str, delta: Delta) -> None:
        """Keep refused rows."""
        self.refused[node.index, port].append(delta)


class Driver:
    """The engine without its loop and threads: a step runs when it is told to, with what was pushed before.

    Sources and sinks of the pipeline are not opened. All edges are guarded.

    Args:
        pipeline: What to run; `penstock.testing.Pushed` and `Kept` are sources and sinks for plans of tests.
        splits: How many splits each source has, by its name; one if it is not named.
        shards: Over how many shards keys are spread.
        seed: Seeds hash indices.
        clock: Where time comes from.
        optimized: Whether the optimiser's rules are applied first.

    Raises:
        PlanError: If the plan cannot run.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        splits: Mapping[str, int] | None = None,
        shards: int = 1,
        seed: int = 0,
        clock: ManualClock | None = None,
        optimized: bool = False,
    ) -> None:
        self.pipeline = pipeline.with_outputs(optimize(pipeline.outputs)) if optimized else pipeline
        self.clock = clock or ManualClock()
        self.reads = sources_of(self.pipeline)
        counts = [(splits or {}).get(read.name, 1) for read in self.reads]
        self._names = [[str(i) for i in range(count)] for count in counts]
        self._shards, self._seed = shards, seed
        self.caught = Caught()
        self.saved = Saved()
        self._build()
        self._states = {(s, p): SplitState() for s, count in enumerate(counts) for p in range(count)}
        self._offsets: Counter[tuple[int, int]] = Counter()
        self._waiting: list[Taken] = []

    def _build(self) -> None:
        self.plan = compile_plan(self.pipeline, self._names, shards=self._shards, seed=self._seed)
        self.engine = Engine(self.plan, self.caught, guarded=True, clock=self.clock)
        self.engine.split_names = self._names

    # -- restarts

    def checkpoint(self) -> Driver:
        """Save the state of all nodes: what has changed since the last time."""
        self.saved.take(self.engine)
        return self

    def restart(self, *, shards: int | None = None, seed: int | None = None) -> Driver:
        """Save the state and go on with a new engine from what was saved, as a process does that is started again.

        What waits for the next step, what was decided about splits and what came out stays, and so do the counts.

        Args:
            shards: Over how many shards keys are spread from now on; as before, if not given.
            seed: Seeds hash indices from now on; as before, if not given.
        """
        self.checkpoint()
        self._shards = self._shards if shards is None else shards
        self._seed = self._seed if seed is None else seed
        metrics = self.engine.metrics
        self._build()
        self.engine.metrics = metrics
        self.saved.give(self.engine)
        return self

    # -- input

    def push(self, source: str, rows: Any, *, split: int = 0) -> Driver:
        """Let rows wait for the next step.

        Args:
            source: The name of the source.
            rows: A drawn table, a Polars frame with the source's columns, or a list of dicts.
            split: The index of the split.

        Raises:
            UnknownNameError: If there is no such source.
        """
        number, read = self._source(source)
        self.take(number, split, self._frame(read, rows))
        return self

    def take(self, source: int, split: int, frame: pl.DataFrame) -> None:
        """Let a frame of the source's columns wait for the next step; the source by its index."""
        read = self.reads[source]
        first = self._offsets[source, split]
        self._offsets[source, split] += frame.height
        wanted = frame.select(read.schema.names)
        self._waiting.append(Taken(source, split, wanted, ((first, frame.height),)))

    def _source(self, name: str) -> tuple[int, Read]:
        for number, read in enumerate(self.reads):
            if read.name == name:
                return number, read
        raise one_of("source", name, [read.name for read in self.reads])

    def _frame(self, read: Read, rows: Any) -> pl.DataFrame:
        if isinstance(rows, pl.DataFrame):
            return rows
        types = {f.name: f.dtype for f in read.columns}
        return frame_of(rows.typed(types) if isinstance(rows, Drawn) else rows, read.columns)

    def end(self, source: str | None = None, *, split: int | None = None) -> Driver:
        """Say that a split (or all of a source, or all) gives no more rows."""
        return self._decide(source, split, ended=True)

    def silence(self, source: str | None = None, *, split: int | None = None) -> Driver:
        """Say that a split (or all of a source, or all) has been silent since now."""
        return self._decide(source, split, silent_since=self.clock.now())

    def wake(self, source: str | None = None, *, split: int | None = None) -> Driver:
        """Say that a split is no longer silent."""
        return self._decide(source, split, silent_since=None)

    def _decide(self, source: str | None, split: int | None, **changes: Any) -> Driver:
        number = None if source is None else self._source(source)[0]
        for pair, state in self._states.items():
            if number in (None, pair[0]) and split in (None, pair[1]):
                self.decide(pair, state._replace(**changes))
        return self

    def decide(self, pair: tuple[int, int], state: SplitState) -> None:
        """Set what is decided about a split, by the indices of source and split."""
        self._states[pair] = state

    def advance(self, span: Any) -> Driver:
        """Let time pass, such as `"10 s"`."""
        self.clock.advance(span)
        return self

    def step(self) -> Driver:
        """Push all that waits through the whole plan."""
        waiting, self._waiting = self._waiting, []
        self.engine.step(waiting, self.clock.now(), dict(self._states))
        self.caught.step += 1
        return self

    # -- output

    def changes(self, output: str | None = None, *, step: int | None = None) -> list[Change]:
        """The rows of an output (the only one, if it is not named) with +1 or -1, in order.

        Args:
            output: Its name.
            step: Only those of a step.
        """
        return [change for number, change in self.timed(output) if step in (None, number)]

    def timed(self, output: str | None = None) -> list[tuple[int, Change]]:
        """The changes of an output, each with the number of its step."""
        return [(number, change) for number, sent in self.sent(output) for change in sent]

    def sent(self, output: str | None = None) -> list[tuple[int, list[Change]]]:
        """What was sent to an output at a time, each with the number of its step: a step may send several times."""
        found: list[tuple[int, list[Change]]] = []
        for number, delta in self.caught.outputs[self._output(output)]:
            diffs: Iterable[int] = [1] * delta.length if delta.diff is None else delta.diff
            found.append((number, list(zip(rows_of(delta), diffs, strict=True))))
        return found

    def rows(self, output: str | None = None) -> list[dict[str, Any]]:
        """The rows of an output: those of a Stream in order, those of a Table that its changes add up to."""
        changes = self.changes(output)
        node = self.pipeline.outputs[self._output(output)]
        return fold(changes) if node.facts.mode == UPDATING else [row for row, _ in changes]

    def frame(self, output: str | None = None) -> pl.DataFrame:
        """As `rows`, as a Polars frame."""
        return frame_of(self.rows(output), self.pipeline.outputs[self._output(output)].schema)

    def _output(self, name: str | None) -> int:
        names = [output_name(node) for node in self.pipeline.outputs]
        if name is None and len(names) == 1:
            return 0
        if name not in names:
            raise one_of("output", str(name), names)
        return names.index(name)

    def refused(self, port: str) -> list[tuple[PhysicalNode, dict[str, Any]]]:
        """All refused rows (`"late"`, `"errors"`) that no output takes, with the node that refused them."""
        return [
            (self.plan.nodes[index], row)
            for (index, name), deltas in sorted(self.caught.refused.items(), key=lambda item: item[0])
            for delta in deltas
            for row in rows_of(delta)
            if name == port
        ]

    @property
    def late(self) -> list[dict[str, Any]]:
        """The late rows that no output takes, with `_why`."""
        return [row for _, row in self.refused("late")]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The bad rows that no output takes, with `_why`."""
        return [row for _, row in self.refused("errors")]

    @property
    def watermark(self) -> int:
        """The least watermark of the plan in microseconds; NEVER if there is none."""
        return self.engine.watermark if self.engine.steps else NEVER


def rows_of(delta: Delta) -> Sequence[dict[str, Any]]:
    """The rows of a delta as Python values."""
    if not delta.columns:
        return [{} for _ in range(delta.length)]
    return list(delta.frame().rows(named=True))
