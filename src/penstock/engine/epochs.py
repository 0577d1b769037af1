"""Epochs: what a run must store at the end of each, gathered between two steps and written beside the next.

First the pause: states, positions, and what the sinks have sealed are gathered; the steps go on. Beside them
the sinks make their part durable, the segment is written, and the manifest is created: now the epoch is
true. Then each output publishes it, by itself and in order; at last sources are told, and what nothing
needs any more is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from penstock.checkpoint.ledger import CLOSED, EPOCH, STOPPED, Ledger
from penstock.checkpoint.segment import Segment
from penstock.checkpoint.tables import Given, History, Piece, Taken, record_parts
from penstock.connectors.base import Content, Sealed
from penstock.core import files
from penstock.core.clock import Clock, Signal
from penstock.core.errors import PenstockError, SinkError, StateError, SupersededError
from penstock.core.failpoint import hit
from penstock.core.memory import current
from penstock.core.threads import pool
from penstock.core.timespan import SECOND
from penstock.engine.feeds import Feeds, Place
from penstock.engine.journal import Command, Journal, Step, pack
from penstock.engine.migration import Change, changes, forgotten, require_approved, restore_changed
from penstock.engine.outbox import Publisher
from penstock.engine.outputs import Outputs
from penstock.engine.step import Engine

MOST_WAITING_BYTES = 256 << 20
MOST_WAITING = 1_000
CLOSING = 30 * SECOND
"""Bounds of what waits to be published: beyond, no new epoch is begun, and sources are held back."""

KEPT_ON = ("engine", "states", "sources", "counts")
"""What a run goes on with, of a manifest."""


@dataclass
class Gathered:
    """What the pause took.

    Attributes:
        kind: What kind of epoch it is.
        content: What the manifest says, but for blocks that are not written yet.
        states: By node: its value, layout, tables and blobs.
        sealing: By output, what makes its part durable.
        places: Where the splits of all sources will go on.
        journal: The journal of the epoch.
    """

    kind: str
    content: dict[str, Any]
    states: dict[str, Taken]
    sealing: dict[str, Callable[[], Content]]
    places: Mapping[tuple[int, int], Place]
    journal: Sequence[Step | Command] = ()


class Epochs:
    """Ends epochs, and publishes them.

    Args:
        ledger: What is stored.
        engine: Its executors' state is gathered.
        feeds: Their positions.
        outputs: What is sealed.
        clock: Measures the pause.
        signal: Wakes the loop.
        content: What every manifest says besides: the plan, shards.
        histories: What is stored of the tables that were restored; see `restore`.

    Attributes:
        pause_us: How long the last gathering took.
        size: How many bytes the last epoch has stored.
        journal: Takes note of the steps of the open epoch.
        taken_us: How long the last epoch took from the pause to its manifest.
    """

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        feeds: Feeds,
        outputs: Outputs,
        clock: Clock,
        signal: Signal,
        content: Mapping[str, Any],
        histories: dict[str, dict[str, History]] | None = None,
    ) -> None:
        self.ledger = ledger
        self.pause_us = self.size = self.taken_us = 0
        self._engine = engine
        self._feeds = feeds
        self._outputs = outputs
        self._clock = clock
        self._signal = signal
        self._content = dict(content)
        self._histories = histories or {}
        self.journal = Journal()
        self._threads = pool("checkpoint", 1)
        self._writing: Future[None] | None = None
        self._places: dict[int, Mapping[tuple[int, int], Place]] = {}
        made = partial(Publisher, book=ledger, pipeline=ledger.pipeline, clock=clock, signal=signal)
        self.publishers = [
            # Dead letters stay on this machine: another one that goes on from the same bucket has none.
            made(name, writer, remembers=remembers, may_vanish=name.startswith("@") and not ledger.store.local)
            for name, writer, remembers in outputs.writers()
        ]

    # -- the beginning of a run

    def begin(self, base: int, manifest: Mapping[str, Any] | None, ledger: Mapping[str, Any]) -> None:
        """Take over, and publish what former runs have stored and not published.

        Args:
            base: The number of the newest epoch that is whole; -1 if there is none.
            manifest: The manifest that the run goes on from, or None if it starts anew.
            ledger: What the newest manifest knows of the outputs.

        Raises:
            StateError: If what is stored and what the sinks have do not belong together.
        """
        if manifest is not None:
            found = {name: manifest[name] for name in KEPT_ON}
            content: dict[str, Any] = {**self._content, "now": self._clock.now(), **found}
        else:
            # Positions are stored before the first row is read: where "latest" was must not be asked again.
            gathered = self._gather(EPOCH, sealing={})
            content = self._stored(gathered, Segment(self._segment_name()))
        self.ledger.take_over(base, {**content, "ledger": dict(ledger)}, [p.name for p in self.publishers])
        try:
            for publisher in self.publishers:
                publisher.recover(fresh=manifest is None or publisher.name not in ledger)
        except SupersededError:
            raise
        except StateError:
            self.ledger.withdraw()
            raise
        for publisher in self.publishers:
            publisher.catch_up()
            self.ledger.was_published(publisher.name, publisher.published)
        for publisher in self.publishers:
            publisher.start()

    # -- between the steps

    @property
    def busy(self) -> bool:
        """Whether the last epoch is still being written."""
        return self._writing is not None and not self._writing.done()

    @property
    def full(self) -> bool:
        """Whether so much waits to be published that sources are held back."""
        return any(p.waiting > MOST_WAITING or p.waiting_bytes > MOST_WAITING_BYTES for p in self.publishers)

    def check(self) -> None:
        """Raise what has failed beside the steps.

        Raises:
            PenstockError: If an epoch could not be stored or published.
        """
        if self._writing is not None and self._writing.done():
            writing, self._writing = self._writing, None
            writing.result()
        for publisher in self.publishers:
            if publisher.failure is not None:
                raise publisher.failure

    def end(self, kind: str = EPOCH) -> None:
        """End the open epoch, between two steps.

        Raises:
            PenstockError: If a sink cannot seal it, or the last epoch has failed.
        """
        self.wait()
        begun = self._clock.monotonic()
        hit("epoch.before_gather")
        gathered = self._gather(kind, self._outputs.prepare(self.ledger.newest + 1))
        hit("epoch.gathered")
        self.pause_us = self._clock.monotonic() - begun
        self._writing = self._threads.submit(self._write, gathered, begun)

    def wait(self) -> None:
        """Wait until the last epoch is stored.

        Raises:
            PenstockError: If it could not be.
        """
        if self._writing is not None:
            self._writing.exception()  # waits; `check` raises it
        self.check()

    def drain(self) -> None:
        """Wait until all that is stored is published.

        Raises:
            PenstockError: If it could not be.
        """
        self.wait()
        for publisher in self.publishers:
            publisher.finish()
        for publisher in self.publishers:
            publisher.join()
        self.check()
        self._note_published()

    def savepoint(self, name: str | None) -> str:
        """End the epoch, and keep it until somebody removes it; its name.

        Raises:
            PenstockError: If it cannot be stored, or there is a savepoint of that name.
        """
        self.end()
        self.wait()
        number = self.ledger.newest
        chosen = name or f"epoch-{number}"
        self.ledger.store.create_savepoint(chosen, number)
        return chosen

    def close_run(self) -> None:
        """Note that the run has come to its end, and that all is published: the next one starts anew."""
        content: dict[str, Any] = {"now": self._clock.now(), "engine": None, "states": {}, "sources": [], "counts": {}}
        self.ledger.add(CLOSED, content, self._empty(), {})

    def note_stop(self) -> None:
        """Note that the run was stopped, and that all is published: nobody need ask outputs that a plan has no more."""
        newest = self.ledger.read(self.ledger.newest)
        content = {**self._content, "now": newest["now"], **{name: newest[name] for name in KEPT_ON}}
        self.ledger.add(STOPPED, content, self._empty(), {})

    def _empty(self) -> dict[str, Content]:
        return {publisher.name: Content({}) for publisher in self.publishers}

    def _gather(self, kind: str, sealing: dict[str, Callable[[], Content]]) -> Gathered:
        number = self.ledger.newest + 1
        states: dict[str, Taken] = {}

        def saver_of(identity: str) -> Taken:
            states[identity] = Taken(self._histories.get(identity, {}), number)
            return states[identity]

        engine = self._engine.snapshot(saver_of)
        self._histories = {identity: taken.histories for identity, taken in states.items()}
        content = {
            **self._content,
            "now": self._clock.now(),
            "engine": engine,
            "sources": self._feeds.stored(),
            "counts": self._outputs.counts() | self._engine.counts(),
        }
        return Gathered(kind, content, states, sealing, self._feeds.places(), self.journal.seal())

    # -- beside the steps

    def _segment_name(self) -> str:
        return f"{self.ledger.newest + 1:012d}-{files.unique_name()}"

    def _write(self, gathered: Gathered, begun: int) -> None:
        contents = {name: self._made_durable(name, work) for name, work in gathered.sealing.items()}
        segment = Segment(self._segment_name())
        content = self._stored(gathered, segment, write=False)
        payloads = {name: segment.add([one.payload]) for name, one in contents.items() if one.payload}
        self._write_segment(segment)
        sealed = self.ledger.add(gathered.kind, content, contents, payloads)
        self.size, self.taken_us = segment.length, self._clock.monotonic() - begun
        self._places[self.ledger.newest] = gathered.places
        self._hand_out(sealed)
        self._note_published()
        hit("epoch.before_collect")
        self.ledger.collect()
        self._signal.set()

    def _made_durable(self, name: str, work: Callable[[], Content]) -> Content:
        hit("epoch.before_seal")
        try:
            return work()
        except PenstockError:
            raise
        except OSError as failure:
            raise SinkError(f'cannot write "{name}": {failure}') from failure

    def _stored(self, gathered: Gathered, segment: Segment, *, write: bool = True) -> dict[str, Any]:
        """The content of a manifest, all blocks laid into the segment."""
        states: dict[str, Any] = {}
        for identity, taken in gathered.states.items():
            for piece in taken.new:
                self._lay(piece, segment)
            states[identity] = {
                "tables": {name: [p.stored() for p in one.pieces] for name, one in taken.histories.items()},
                "blobs": {name: segment.add([data]) for name, data in taken.blobs.items()},
            }
        journal = segment.add([pack(gathered.journal)]) if gathered.journal else None
        if write:
            self._write_segment(segment)
        return {**gathered.content, "states": states, "journal": journal}

    def _lay(self, piece: Piece, segment: Segment) -> None:
        assert piece.record is not None
        piece.reference, piece.record = segment.add(record_parts(piece.record)), None
        current().relieve()

    def _write_segment(self, segment: Segment) -> None:
        if segment.parts:
            hit("epoch.before_segment")
            self.ledger.store.write_segment(segment.name, _relieved(segment.parts))
            hit("epoch.segment_written")

    def _hand_out(self, sealed: Mapping[str, Sealed]) -> None:
        for publisher in self.publishers:
            publisher.put(sealed[publisher.name])

    def _note_published(self) -> None:
        """Tell the ledger, and sources, what all outputs have."""
        for publisher in self.publishers:
            self.ledger.was_published(publisher.name, publisher.published)
        lowest = min((publisher.published for publisher in self.publishers), default=-1)
        told = [number for number in self._places if number <= lowest]
        if told:
            self._feeds.published(self._places[max(told)])
            for number in told:
                del self._places[number]

    def close(self) -> None:
        """End the threads; what is stored and not published will be by the next run."""
        self._threads.shutdown(wait=True)
        for publisher in self.publishers:
            publisher.close()
        for publisher in self.publishers:
            publisher.join(CLOSING)


def _relieved(parts: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Parts, one by one; what was written may leave memory."""
    for part in parts:
        yield part
        current().relieve()


@dataclass
class Restored:
    """What a checkpoint has given.

    Attributes:
        histories: By node and table, what is stored of it: checkpoints go on where these end.
        changes: What has become of each state.
    """

    histories: dict[str, dict[str, History]]
    changes: list[Change]


def restore(engine: Engine, manifest: Mapping[str, Any], ledger: Ledger, *, approved: bool = False) -> Restored:
    """Give all executors the state of a manifest.

    Args:
        engine: The engine, new.
        manifest: The manifest.
        ledger: Reads its blocks.
        approved: Whether state may be lost, if the plan has changed so.

    Raises:
        StateError: If a block is damaged, or state would be lost.
    """
    given: dict[str, Given] = {}

    def loader_of(identity: str) -> Given:
        stored = manifest["states"].get(identity, {})
        given[identity] = Given(stored.get("tables", {}), stored.get("blobs", {}), ledger.block)
        return given[identity]

    lost = forgotten(manifest, engine, ledger)
    if not approved:
        require_approved([*changes(manifest["engine"], engine), *lost])
    found = [*restore_changed(engine, manifest["engine"], loader_of), *lost]
    engine.restore_counts(manifest["counts"])
    return Restored({identity: one.histories for identity, one in given.items()}, found)
