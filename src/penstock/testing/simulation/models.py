"""Models of what a pipeline talks to: a source that can be read again, and a server that keeps tokens with the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.connectors.base import (
    TRANSACTIONAL,
    Content,
    Polled,
    Reader,
    ReadRequest,
    Sealed,
    Sink,
    Source,
    Split,
    Token,
    Writer,
    WriteRequest,
)
from penstock.core.errors import SinkError, SinkLost, SourceLost
from penstock.core.schema import Schema
from penstock.core.spec import option
from penstock.core.timespan import MILLISECOND
from penstock.testing.simulation.judging import Change, row_of
from penstock.testing.simulation.world import RIVAL, World

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Troubles:
    """How often servers fail; shares of calls.

    Attributes:
        lost: Connections that break.
        slow: Calls that take long.
    """

    lost: float = 0.0
    slow: float = 0.0


# -- the source ----------------------------------------------------------------


@dataclass(eq=False)
class Broker:
    """The rows of a source, split by split, and when each comes.

    Attributes:
        world: Its world.
        frames: By split, its rows.
        moments: By split, when each row comes, in microseconds of the world.
        troubles: How often it fails.
        released: By split, the position before which rows were given up: a run must never need them again.
        wrong: What was found wrong.
    """

    world: World
    frames: Mapping[str, pl.DataFrame]
    moments: Mapping[str, Sequence[int]]
    troubles: Troubles = field(default_factory=Troubles)
    released: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def ask(self) -> None:
        """Reach the broker, or not.

        Raises:
            SourceLost: If the connection is lost.
        """
        self.world.point("source.ask")
        if self.world.random.random() < self.troubles.slow:
            self.world.sleep(self.world.random.randrange(1, 50) * MILLISECOND)
        if self.world.random.random() < self.troubles.lost / 4:
            raise SourceLost("the connection to the simulated source is lost")


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedSource(Source):
    """Reads from a `Broker`."""

    connector: ClassVar[str] = "simulated"

    name: str = option("rows", doc="What the source is called.")
    columns: Schema = field(default_factory=lambda: Schema(()))
    broker: Broker = field(repr=False)

    @property
    def bounded(self) -> bool:
        """Always."""
        return True

    def schema(self) -> Schema:
        """The columns."""
        return self.columns

    def splits(self) -> Sequence[Split]:
        """One per frame."""
        return [Split(name) for name in self.broker.frames]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a row number."""
        return SimulatedReader(self.broker, split.name, int(position or 0), request)

    def default_name(self) -> str:
        """Its name."""
        return self.name

    @property
    def identity(self) -> str:
        """Its name: there is one of it."""
        return self.name


class SimulatedReader(Reader):
    """Gives what has come, in pieces of any size."""

    retry_after_us = 2 * MILLISECOND

    def __init__(self, broker: Broker, split: str, position: int, request: ReadRequest) -> None:
        self._broker, self._split, self._at = broker, split, position
        self._frame = broker.frames[split].select(request.columns)

    def poll(self, max_rows: int) -> Polled | None:
        """Some of the rows that have come."""
        world, moments = self._broker.world, self._broker.moments[self._split]
        self._broker.ask()
        there = self._at
        while there < len(moments) and moments[there] <= world.time:
            there += 1
        count = min(max_rows, there - self._at, world.random.choice([1, 7, 40, 1_000]))
        if count <= 0:
            return None
        first, self._at = self._at, self._at + count
        rival = world.process is not None and RIVAL in world.process.excuses
        if first < self._broker.released.get(self._split, 0) and not rival:
            self._broker.wrong.append(f"row {first} of split {self._split} is read again after it was released")
        return Polled(self._frame.slice(first, count), ((first, count),), (), self._at)

    @property
    def ended(self) -> bool:
        """Whether all rows were given."""
        return self._at >= self._frame.height

    def published(self, position: Any) -> None:
        """All outputs have what comes before: it is given up."""
        released = self._broker.released
        if not self._broker.world.is_dead:
            released[self._split] = max(released.get(self._split, 0), position)


# -- the sink ------------------------------------------------------------------


@dataclass(eq=False)
class Topic:
    """The server's side of a sink: what was committed, in order, and who may commit.

    It hides nothing: an epoch that is committed twice is there twice.

    Attributes:
        world: Its world.
        name: The name of the output.
        troubles: How often it fails.
        durable: Whether the manifest of an epoch cannot be lost any more: no epoch may be committed before.
        epochs: What was committed: tokens and changes.
        wrong: What was found wrong.
    """

    world: World
    name: str
    troubles: Troubles
    durable: Callable[[int], bool]
    epochs: list[tuple[Token, list[Change]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _session: int = 0
    _under_way: list[Sealed] = field(default_factory=list)

    @property
    def last(self) -> Token | None:
        """The token of the last epoch."""
        return self.epochs[-1][0] if self.epochs else None

    def connect(self) -> int:
        """Begin a session, and end all others: what they have under way is committed now or never."""
        self._session += 1
        self.settle()
        return self._session

    def settle(self) -> None:
        """Decide about what is under way and nobody waits for."""
        under_way, self._under_way = self._under_way, []
        if under_way and self.world.random.random() < 0.5:
            self._apply(under_way)

    def commit(self, session: int, epochs: Sequence[Sealed], *, leave: bool = False) -> bool:
        """Commit epochs, all or none; false if the session was ended by another.

        Args:
            session: The session.
            epochs: The epochs.
            leave: Whether they are left under way: committed later, or never.
        """
        if session != self._session:
            return False
        self.settle()
        if leave:
            self._under_way = list(epochs)
        else:
            self._apply(epochs)
        return True

    def _apply(self, epochs: Sequence[Sealed]) -> None:
        for sealed in epochs:
            token, last = sealed.token, self.last
            self.world.note(f"{self.name} has {token.epoch}, {token.rows} rows")
            if last is not None and token.epoch != last.epoch + 1:
                self.wrong.append(f"epoch {token.epoch} is committed after {last.epoch}")
            # What stands in for an epoch that was passed over bears the number of a later run.
            if last is not None and token.incarnation < last.incarnation <= last.epoch:
                self.wrong.append(f"incarnation {token.incarnation} commits after {last.incarnation}")
            if not self.durable(token.epoch) and (last is None or token.epoch > last.epoch):
                self.wrong.append(f"epoch {token.epoch} is committed before its manifest is durable")
            changes = [(row, diff) for row, diff in json.loads(sealed.payload or b"[]")]
            if len(changes) != token.rows:
                self.wrong.append(f"epoch {token.epoch} has {len(changes)} rows, and its token says {token.rows}")
            self.epochs.append((token, changes))


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedSink(Sink):
    """Writes to a `Topic`."""

    connector: ClassVar[str] = "simulated"
    delivery: ClassVar[str] = TRANSACTIONAL
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False
    remembers: ClassVar[bool] = True

    name: str = option("topic", doc="What the output is called.")
    topic: Topic = field(repr=False)

    def writer(self, request: WriteRequest) -> Writer:
        """Open it."""
        return SimulatedWriter(self.topic)

    def default_name(self) -> str:
        """Its name."""
        return self.name


class SimulatedWriter(Writer):
    """A client of a `Topic`."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._world = topic.world
        self._session: int | None = None
        self._open: list[tuple[pl.DataFrame, Any]] = []

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Keep rows of the open epoch."""
        if frame.height:
            self._open.append((frame, diff.copy() if diff is not None else None))

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """The rows become the payload."""
        frames, self._open = self._open, []

        def encode() -> Content:
            self._world.point("sink.encode")
            changes: list[Change] = []
            for frame, diff in frames:
                diffs = [1] * frame.height if diff is None else [int(one) for one in diff]
                changes += zip(map(row_of, frame.rows(named=True)), diffs, strict=True)
            payload = json.dumps(changes).encode() if changes else b""
            return Content({}, payload, len(changes))

        return encode

    def _call(self, name: str) -> bool:
        """Reach the server; whether its answer will come."""
        self._world.point(name)
        random, troubles = self._world.random, self._topic.troubles
        if random.random() < troubles.slow:
            self._world.sleep(random.randrange(1, 100) * MILLISECOND)
        if random.random() < troubles.lost:
            self._session = None
            raise SinkLost("the connection to the simulated sink is lost")
        return random.random() >= troubles.lost

    def last_token(self) -> Token | None:
        """Connect, fence, read."""
        answers = self._call("sink.connect")
        session = self._topic.connect()
        if not answers:
            raise SinkLost("the simulated sink does not answer")
        self._call("sink.read_token")
        self._session = session
        return self._topic.last

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Commit all in one transaction; nothing is skipped."""
        if self._session is None:
            raise SinkError("the engine commits without having asked for the last token")
        answers = self._call("sink.begin")
        for _ in epochs:
            self._world.point("sink.produce")
        self._call("sink.end")
        session, self._session = self._session, None
        leave = not answers and self._world.random.random() < 0.5
        if not self._topic.commit(session, epochs, leave=leave):
            raise SinkLost("the simulated sink has another session")
        self._world.point("sink.committed")
        if not answers:
            raise SinkLost("it is not known whether the simulated sink has committed")
        self._session = session
