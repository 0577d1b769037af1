"""The reference interpreter: a whole plan by its meanings, one row at a time, in the journal's order.

It is slow and obviously right, and stands by itself: nothing that makes the engine fast is used here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.errors import InvariantError
from penstock.core.timespan import DAY, END, NEVER
from penstock.operators.base import Executable, Meaning, Row
from penstock.operators.read import Read
from penstock.operators.refused import Refused
from penstock.operators.watermark import WatermarkMeaning
from penstock.plan.node import Node, walk
from penstock.plan.pipeline import output_name


@dataclass(frozen=True)
class Arrival:
    """A row comes in.

    Attributes:
        source: Index of its source, in the order in which a walk of the plan meets them.
        split: Index of its split in the source.
        offset: Its offset in the split.
        values: Column values as Python objects.
    """

    source: int
    split: int
    offset: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A split has given its last row.

    Attributes:
        source: Index of the source.
        split: Index of the split in the source.
    """

    source: int
    split: int


@dataclass(frozen=True)
class Tick:
    """The clock has moved.

    Attributes:
        now: The instant that it shows from here on, in microseconds.
    """

    now: int


Event = Arrival | Ended | Tick

BEGINNING = 20_000 * DAY
"""What a manual clock shows at first."""


@dataclass
class Port:
    """What left a node by one of its ports.

    Attributes:
        rows: The rows in order.
        events: For each row, the index of the event that caused it.
    """

    rows: list[Row] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


@dataclass
class Told:
    """What a plan means for some events.

    Attributes:
        nodes: The nodes, inputs before what reads them.
        outputs: By the names of the outputs, what was written.
        refused: By (index of the node, port), what was refused.
        taken: By the index of the node, how many rows it took.
        given: By (index of the node, port), how many rows left.
        watermarks: By the index of the node, the last watermark of its output.
    """

    nodes: list[Executable]
    outputs: dict[str, Port]
    refused: dict[tuple[int, str], Port] = field(default_factory=lambda: defaultdict(Port))
    taken: Counter[int] = field(default_factory=Counter)
    given: Counter[tuple[int, str]] = field(default_factory=Counter)
    watermarks: dict[int, int] = field(default_factory=dict)

    def refused_by(self, port: str) -> list[tuple[Executable, Row]]:
        """All rows that left by a port, with the nodes that refused them."""
        return [(self.nodes[i], row) for (i, name), found in self.refused.items() if name == port for row in found.rows]


def interpret(outputs: Sequence[Node], events: Iterable[Event], splits: Sequence[int]) -> Told:
    """Run a plan by its meanings.

    Args:
        outputs: The outputs of the plan.
        events: What comes in, in order.
        splits: For each source, how many splits it has.

    Raises:
        InvariantError: If a node of the plan has no meaning.
    """
    interpreter = Interpreter(outputs, splits)
    for event in events:
        interpreter.take(event)
    return interpreter.told


class Interpreter:
    """A plan and what it has seen so far; see `interpret`.

    Attributes:
        told: What left the plan so far.
    """

    def __init__(self, outputs: Sequence[Node], splits: Sequence[int]) -> None:
        nodes: list[Executable] = []
        for node in walk(*outputs):
            if not isinstance(node, Executable):
                raise InvariantError(f'"{node.verb}" has no meaning')
            nodes.append(node)
        self.told = Told(nodes, {output_name(node): Port() for node in outputs})
        self._index = {id(node): i for i, node in enumerate(nodes)}
        self._meanings: list[Meaning] = [node.meaning() for node in nodes]
        self._reads = [i for i, node in enumerate(nodes) if isinstance(node, Read)]
        self._written = {self._index[id(node)]: output_name(node) for node in outputs}
        self._splits = splits
        self._ended: set[tuple[int, int]] = set()
        self._advanced = [NEVER] * len(nodes)
        self._watermarks = [NEVER] * len(nodes)
        self._inbox: list[list[list[Row]]] = [[[] for _ in node.inputs] or [[]] for node in nodes]
        self._edges = self._find_edges()
        self._below = [self._sources_of(node) for node in nodes]
        self._event = -1
        self._sequence = 0
        for i in range(len(nodes)):
            self._tick(i, BEGINNING)

    def _find_edges(self) -> dict[tuple[int, str], list[tuple[int, int]]]:
        edges: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        for i, node in enumerate(self.told.nodes):
            port = node.port if isinstance(node, Refused) else "out"
            for number, below in enumerate(node.inputs):
                edges[self._index[id(below)], port].append((i, number))
        return edges

    def _sources_of(self, node: Node) -> list[tuple[int, int]]:
        """The splits that feed a node."""
        reached = {self._index[id(below)] for below in walk(node)}
        sources = [source for source, i in enumerate(self._reads) if i in reached]
        return [(source, split) for source in sources for split in range(self._splits[source])]

    def take(self, event: Event) -> None:
        """Let one thing happen, and all that follows from it."""
        self._event += 1
        if isinstance(event, Arrival):
            place = (event.source, event.split, event.offset)
            read = self._reads[event.source]
            values = {name: event.values.get(name) for name in self.told.nodes[read].schema.names}
            self._inbox[read][0].append(Row(values, place=place, sequence=self._sequence))
            self._sequence += 1
        elif isinstance(event, Ended):
            self._ended.add((event.source, event.split))
            for i, meaning in enumerate(self._meanings):
                if (event.source, event.split) in self._below[i]:
                    meaning.split_ended(event.source, event.split)
        for i in range(len(self.told.nodes)):
            if isinstance(event, Tick):
                self._tick(i, event.now)
            self._run(i)

    def _tick(self, i: int, now: int) -> None:
        """Let the clock move for one node: that comes before the rows that others send it for the same reason."""
        for where, made in self._meanings[i].tick(now):
            self._deliver(i, where, made)

    def _run(self, i: int) -> None:
        """Let one node take its rows, port by port, and then the new watermark."""
        meaning = self._meanings[i]
        for port, rows in enumerate(self._inbox[i]):
            waiting, rows[:] = list(rows), []
            self.told.taken[i] += len(waiting)
            for row in waiting:
                for where, made in meaning.row(port, row):
                    self._deliver(i, where, made)
        incoming = [self._watermarks[self._index[id(below)]] for below in self.told.nodes[i].inputs]
        if not incoming:
            incoming = [END if all(pair in self._ended for pair in self._below[i]) else NEVER]
        if min(incoming) > self._advanced[i]:
            self._advanced[i] = min(incoming)
            for where, made in meaning.advance(min(incoming)):
                self._deliver(i, where, made)
        if isinstance(meaning, WatermarkMeaning):
            self._watermarks[i] = max(self._watermarks[i], meaning.least(self._below[i]))
        else:
            self._watermarks[i] = meaning.watermark(incoming)
        self.told.watermarks[i] = self._watermarks[i]

    def _deliver(self, i: int, port: str, row: Row) -> None:
        self.told.given[i, port] += 1
        if i in self._written:
            kept = self.told.outputs[self._written[i]]
            kept.rows.append(row)
            kept.events.append(self._event)
        if port != "out":
            kept = self.told.refused[i, port]
            kept.rows.append(row)
            kept.events.append(self._event)
            row = Row({**row.values, "_why": self._why(row)}, place=row.place, sequence=row.sequence)
        for reader, number in self._edges[i, port]:
            self._inbox[reader][number].append(row)

    def _why(self, row: Row) -> dict[str, Any]:
        """Where a refused row came from; the engine's words about it are not part of the meaning."""
        source, split, offset = row.place or (None, None, None)
        return {"source": source, "split": split, "offset": offset}
