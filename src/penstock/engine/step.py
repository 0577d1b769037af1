"""One step of a plan: what the sources gave goes through all nodes, and nothing is left in flight.

The engine has no clock, no threads and no files of its own: it is handed the input of a step and what
was decided about splits, and hands out what the sinks and the dead-letter tables get. That makes a
run reproducible, and lets a test drive it by hand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock.core.clock import Clock, SystemClock
from penstock.core.delta import Delta, Positions, Run, concat
from penstock.core.errors import InvariantError, PenstockError
from penstock.core.lazy import pl
from penstock.core.timespan import END, NEVER
from penstock.engine import guards
from penstock.engine.compile import PhysicalNode, PhysicalPlan
from penstock.engine.metrics import NodeMetrics, NodeStatistics
from penstock.operators.base import Loader, Saver, SplitState, StepContext, check_layout, check_nodes
from penstock.operators.read import Read
from penstock.operators.why import undecoded, unquoted, without_values
from penstock.plan.node import UPDATING

if TYPE_CHECKING:
    from penstock.connectors.base import BadRow


@dataclass(frozen=True)
class Taken:
    """Rows taken from one split for a step.

    Attributes:
        source: Index of the source.
        split: Index of the split in the source.
        frame: The decoded rows.
        offsets: Their offsets as runs `(first, count)`.
        bad: Rows that could not be decoded.
    """

    source: int
    split: int
    frame: pl.DataFrame
    offsets: tuple[tuple[int, int], ...]
    bad: tuple[BadRow, ...] = ()


class Outlet(Protocol):
    """Who takes what leaves the plan."""

    def write(self, output: int, delta: Delta) -> None:
        """Take rows of an output, by its index in the pipeline."""
        ...

    def refuse(self, node: PhysicalNode, port: str, delta: Delta) -> None:
        """Take refused rows that no output takes."""
        ...


class Nobody:
    """The outlet of an engine that has none yet."""

    def write(self, output: int, delta: Delta) -> None:
        """Refuse.

        Raises:
            InvariantError: Always.
        """
        raise InvariantError("rows leave an engine that nobody has connected")

    def refuse(self, node: PhysicalNode, port: str, delta: Delta) -> None:
        """As `write`."""
        self.write(node.index, delta)


class Engine:
    """Runs a physical plan, one step at a time.

    Args:
        plan: What to run.
        outlet: Who takes what leaves; may be set later, before the first step.
        guarded: Whether to check every delta; by default what `PENSTOCK_GUARDS` says.
        clock: Measures how long nodes take; no result depends on it.

    Attributes:
        tap: Shown every delta that leaves a node, if somebody looks.
    """

    def __init__(
        self, plan: PhysicalPlan, outlet: Outlet | None, *, guarded: bool | None = None, clock: Clock | None = None
    ) -> None:
        self.plan = plan
        self.outlet: Outlet = outlet or Nobody()
        self.guarded = guards.wanted() if guarded is None else guarded
        self.clock = clock or SystemClock()
        count = len(plan.nodes)
        self.metrics = [NodeMetrics() for _ in range(count)]
        self.watermarks = [NEVER] * count
        self.steps = 0
        self.sequence = 0
        self.now = NEVER
        self.reasons: Counter[str] = Counter()
        self.tap: Callable[[PhysicalNode, str, Delta], None] | None = None
        self._inbox: list[list[list[Delta]]] = [[[] for _ in made.inputs] or [[]] for made in plan.nodes]
        self._outputs = {index: i for i, index in enumerate(plan.writes)}
        self._descendants = [self._reached(i) for i in range(count)]

    def _reached(self, start: int) -> list[int]:
        found: set[int] = set()
        for made in self.plan.nodes[start + 1 :]:
            if any(i == start or i in found for i in made.inputs):
                found.add(made.index)
        return sorted(found)

    def step(
        self, taken: Sequence[Taken], now: int, splits: Mapping[tuple[int, int], SplitState] | None = None
    ) -> None:
        """Push rows through the whole plan.

        Args:
            taken: Rows by split, in the order in which they were taken: the journal's order.
            now: The clock; that of the step, unless an earlier one had come further.
            splits: What was decided about splits at the start of the step.

        Raises:
            PenstockError: If something cannot go on; nothing of the step must be published then.
        """
        states = splits or {}
        self.now = max(self.now, now)
        self._feed(taken)
        for made in self.plan.nodes:
            self._run(made, self.now, states, last=True)
        self.steps += 1

    def _feed(self, taken: Sequence[Taken]) -> None:
        by_source: dict[int, list[Delta]] = defaultdict(list)
        for part in taken:
            runs = []
            for first, count in part.offsets:
                runs.append(Run(part.source, part.split, first, self.sequence, count))
                self.sequence += count
            if part.frame.height:
                by_source[part.source].append(Delta.of_frame(part.frame, positions=Positions(tuple(runs))))
            if part.bad:
                self._undecoded(part)
        for source, deltas in by_source.items():
            self._inbox[self.plan.reads[source]][0] += deltas

    def _undecoded(self, part: Taken) -> None:
        made = self.plan.nodes[self.plan.reads[part.source]]
        read = made.node
        if not isinstance(read, Read):
            raise InvariantError(f"source {part.source} is no read")
        names = self._split_name(part)
        self.metrics[made.index].rows_in += len(part.bad)
        bad = (
            [row._replace(reason=unquoted(row.reason, read.schema.names)) for row in part.bad]
            if read.masks
            else part.bad
        )
        self._deliver(made, "errors", undecoded(bad, read.schema, read.name, names))

    def _split_name(self, part: Taken) -> str:
        names = self.split_names[part.source] if part.source < len(self.split_names) else ()
        return names[part.split] if part.split < len(names) else str(part.split)

    split_names: Sequence[Sequence[str]] = ()
    """For each source the names of its splits, for the reasons of undecoded rows."""

    def _run(self, made: PhysicalNode, now: int, states: Mapping[tuple[int, int], SplitState], *, last: bool) -> None:
        """Call one node if it has rows or something is due, and hand on what leaves it."""
        inbox = self._inbox[made.index]
        inputs = [concat(parts) if parts else None for parts in inbox]
        for parts in inbox:
            parts.clear()
        incoming = [self.watermarks[i] for i in made.inputs] or [self._read_watermark(made, states)]
        watermark = min(incoming)
        rows = sum(delta.length for delta in inputs if delta is not None)
        due = made.executor.due() if last else None
        wakes = made.executor.wakes() if last else None
        always = last and (made.node.verb == "watermark" or made.executor.called())
        if rows or always or (due is not None and watermark >= due) or (wakes is not None and now >= wakes):
            self._call(made, inputs, rows, StepContext(self.steps, now, watermark, states, last))
        if last:
            after = made.executor.watermark(incoming)
            if self.guarded:
                guards.check_watermark(self.watermarks[made.index], after, made.identity)
            self.watermarks[made.index] = after

    def wakes(self) -> int | None:
        """The instant of the clock at which some node must be called even without rows; None if none must."""
        return min((at for made in self.plan.nodes if (at := made.executor.wakes()) is not None), default=None)

    def _read_watermark(self, made: PhysicalNode, states: Mapping[tuple[int, int], SplitState]) -> int:
        source = self.plan.reads.index(made.index)
        of_source = [state.ended for (one, _), state in states.items() if one == source]
        return END if of_source and all(of_source) else NEVER

    def _call(self, made: PhysicalNode, inputs: Sequence[Delta | None], rows: int, context: StepContext) -> None:
        metrics = self.metrics[made.index]
        metrics.rows_in += rows
        metrics.deltas += 1
        begun = self.clock.monotonic()
        waiting = False
        try:
            for port, delta in made.executor.step(inputs, context):
                metrics.busy_us += self.clock.monotonic() - begun
                if waiting and port == "out":
                    # What is below runs before the node goes on, so that fan-out stays within the step's budget.
                    for index in self._descendants[made.index]:
                        self._run_below(index, context)
                    waiting = False
                if delta.length:
                    self._deliver(made, port, delta)
                    waiting = waiting or port == "out"
                begun = self.clock.monotonic()
        except PenstockError as failure:
            raise failure.at(made.node.where) from failure.__cause__
        metrics.busy_us += self.clock.monotonic() - begun

    def _run_below(self, index: int, context: StepContext) -> None:
        if any(self._inbox[index]):
            self._run(self.plan.nodes[index], context.now, context.splits, last=False)

    def _deliver(self, made: PhysicalNode, port: str, delta: Delta) -> None:
        self.metrics[made.index].rows_out[port] += delta.length
        if self.guarded:
            self._check(made, port, delta)
        if self.tap is not None:
            self.tap(made, port, delta)
        output = self._outputs.get(made.index)
        if output is not None:
            self.outlet.write(output, delta)
            return
        edges = made.edges.get(port)
        if not edges:
            if port != "out":
                self._count_reasons(delta)
                self.outlet.refuse(made, port, delta)
            return
        for edge in edges:
            self._inbox[edge.node][edge.port].append(delta)

    def _check(self, made: PhysicalNode, port: str, delta: Delta) -> None:
        node = made.node if port == "out" else made.nodes[0]
        updating = port == "out" and node.facts.mode == UPDATING
        guards.check_delta(delta, node.port_schema(port), updating=updating, edge=f"{made.identity}.{port}")

    def _count_reasons(self, delta: Delta) -> None:
        reasons = without_values(delta.columns["_why"].struct.field("reason")).value_counts()
        for reason, count in reasons.iter_rows():
            if len(self.reasons) < 1_000 or reason in self.reasons:
                self.reasons[reason] += count

    def needless(self) -> list[int]:
        """The sources of which no output needs another row: behind them is a limit that was reached, on every way."""
        if not any(made.executor.satisfied() for made in self.plan.nodes):
            return []
        wanted = set(self.plan.writes)
        for made in reversed(self.plan.nodes):
            if made.index in wanted and not made.executor.satisfied():
                wanted.update(made.inputs)
        return [source for source, index in enumerate(self.plan.reads) if index not in wanted]

    def counts(self) -> dict[str, Any]:
        """Rows per port of every node, and reasons, as JSON."""
        nodes = {
            made.identity: {"in": metrics.rows_in, "out": dict(metrics.rows_out)}
            for made, metrics in zip(self.plan.nodes, self.metrics, strict=True)
        }
        return {"nodes": nodes, "reasons": dict(self.reasons)}

    def restore_counts(self, counts: Mapping[str, Any]) -> None:
        """Go on counting."""
        for made, metrics in zip(self.plan.nodes, self.metrics, strict=True):
            found = counts["nodes"].get(made.identity, {"in": 0, "out": {}})
            metrics.rows_in, metrics.rows_out = found["in"], Counter(found["out"])
        self.reasons = Counter(counts["reasons"])

    @property
    def rows_in(self) -> int:
        """Rows taken from sources, the undecoded included."""
        return sum(self.metrics[index].rows_in for index in self.plan.reads)

    def snapshot(self, saver_of: Callable[[str], Saver]) -> dict[str, Any]:
        """The state of all nodes, between two steps, as JSON; tables go to the savers.

        Args:
            saver_of: Gives the saver of a node, by its identity; asked once for every node that has state.

        Raises:
            InvariantError: If a step has not ended.
        """
        if any(parts for inbox in self._inbox for parts in inbox):
            raise InvariantError("a step has not ended: rows are on their way")
        nodes: dict[str, Any] = {}
        for made in self.plan.nodes:
            nodes[made.identity] = {"watermark": self.watermarks[made.index]}
            layout = made.executor.state_layout()
            if layout is not None:
                state = made.executor.snapshot(saver_of(made.identity))
                nodes[made.identity] |= {"layout": layout, "state": state}
        return {"steps": self.steps, "sequence": self.sequence, "now": self.now, "nodes": nodes}

    def restore(self, value: Mapping[str, Any], loader_of: Callable[[str], Loader]) -> None:
        """Go on from a snapshot; called once, before the first step. Shards and seeds may be others.

        Args:
            value: What `snapshot` gave.
            loader_of: Gives the loader of a node, by its identity; asked once for every node that has state.

        Raises:
            StateError: If what is stored does not fit the plan: the message names what differs.
        """
        stored = value["nodes"]
        layouts = {made.identity: made.executor.state_layout() for made in self.plan.nodes}
        check_nodes(
            [name for name, node in stored.items() if "layout" in node],
            [name for name, layout in layouts.items() if layout is not None],
        )
        for name, layout in layouts.items():
            if layout is not None:
                check_layout(name, stored[name]["layout"], layout)
        self.restore_parts(value, loader_of)

    def restore_parts(self, value: Mapping[str, Any], loader_of: Callable[[str], Loader]) -> None:
        """As `restore`, for what is there; executors of which nothing is stored begin empty.

        Raises:
            StateError: If what is stored is damaged.
        """
        for made in self.plan.nodes:
            node = value["nodes"].get(made.identity)
            if node is None:
                continue
            self.watermarks[made.index] = node["watermark"]
            if made.executor.state_layout() is None or "state" not in node:
                continue
            try:
                made.executor.restore(node["state"], loader_of(made.identity))
            except PenstockError as failure:
                raise failure.at(made.node.where) from failure.__cause__
        self.steps, self.sequence, self.now = value["steps"], value["sequence"], value.get("now", NEVER)

    def statistics(self) -> tuple[NodeStatistics, ...]:
        """A picture of all nodes."""
        found = []
        for made, metrics in zip(self.plan.nodes, self.metrics, strict=True):
            keys, size = made.executor.state_size()
            found.append(
                NodeStatistics(
                    made.identity, made.label, metrics.rows_in, metrics.rows_out["out"], metrics.rows_out["late"],
                    metrics.rows_out["errors"], metrics.busy_us, keys, size,
                )
            )  # fmt: skip
        return tuple(found)

    @property
    def watermark(self) -> int:
        """The least watermark of the nodes that follow event time; NEVER if none does."""
        found = [self.watermarks[m.index] for m in self.plan.nodes if m.node.verb == "watermark"]
        return min(found) if found else NEVER
