"""The way out: sealed epochs are published in order, each output by itself, beside the steps.

What may have become visible is never computed again: it comes from the checkpoint that was made before it
was published. Every epoch has a token that the sink keeps with it; after a restart, or when the outcome of
a call is unknown, the sink is asked for its last token, and publishing goes on behind that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from penstock.connectors.base import Sealed, Token, Writer
from penstock.core.clock import Clock, Signal
from penstock.core.errors import PenstockError, SinkError, SinkLost, StateError, SupersededError
from penstock.core.failpoint import hit
from penstock.core.threads import Worker, lock
from penstock.core.timespan import MILLISECOND, MINUTE, SECOND

MOST_AT_ONCE = 64
"""How many epochs one transaction of a sink may carry."""

FIRST_PAUSE, LONGEST_PAUSE = 50 * MILLISECOND, 5 * SECOND
PATIENCE = 10 * MINUTE
"""For how long a sink that cannot be reached is asked again before the pipeline fails."""


class Book(Protocol):
    """What checkpoints know of the epochs of an output."""

    newest: int
    """The number of the newest epoch of this run."""

    def admissible(self, output: str) -> tuple[int, int]:
        """The lowest epoch that the output can have a token of, and the last that is known to be published."""
        ...

    def sealed(self, output: str, epoch: int) -> Sealed | None:
        """What is stored of an epoch for an output; None if it is kept no longer."""
        ...

    def begin(self, output: str) -> None:
        """Note that an output begins with the newest epoch: it has none before."""
        ...

    def comes_again(self, output: str, token: Token) -> bool:
        """Whether an output with this token has rows of epochs whose checkpoints were damaged and passed over."""
        ...

    def superseded(self) -> bool:
        """Whether another process has taken over."""
        ...


class Publisher:
    """Publishes the epochs of one output.

    Args:
        name: The output.
        writer: Its writer.
        remembers: Whether its sink keeps tokens.
        book: What is stored.
        pipeline: The name of the pipeline.
        clock: Measures pauses between attempts.
        signal: Set when something was published, or has failed.
        may_vanish: Whether an output that remembers nothing begins anew, though epochs were published to it.

    Attributes:
        published: The last epoch that the sink has.
        waiting_bytes: Bytes of epochs that wait to be published.
        failure: Why it gave up, or None.
    """

    def __init__(
        self,
        name: str,
        writer: Writer,
        *,
        remembers: bool,
        book: Book,
        pipeline: str,
        clock: Clock,
        signal: Signal,
        may_vanish: bool = False,
    ) -> None:
        self.name = name
        self.writer = writer
        self.published = -1
        self.waiting_bytes = 0
        self.failure: BaseException | None = None
        self._remembers = remembers
        self._may_vanish = may_vanish
        self._book = book
        self._pipeline = pipeline
        self._clock = clock
        self._signal = signal
        self._wake = Signal()
        self._queue: deque[Sealed] = deque()
        self._missing: list[Sealed] = []
        self._lock = lock()
        self._finishing = self._closed = False
        self._worker: Worker | None = None

    # -- at the start

    def recover(self, *, fresh: bool = False) -> None:
        """Ask the sink what it has; nothing is published yet, so that a run that must not begin changes nothing.

        Args:
            fresh: Whether the run starts anew: an output that remembers nothing begins with it.

        Raises:
            StateError: If what the sink has and what is stored do not belong together: nothing is guessed.
            SinkError: If the sink cannot be reached.
        """
        lowest, known = self._book.admissible(self.name)
        last = max(known, lowest - 1)
        if self._remembers:
            last = self._asked(lambda token: self._check(token, lowest, known, fresh=fresh))
        missing = [self._stored(epoch) for epoch in range(last + 1, self._book.newest + 1)]
        if not self._remembers:
            missing = [sealed for sealed in missing if sealed.token.rows]  # nobody asks for tokens of empty epochs
        self.published, self._missing = last, missing

    def catch_up(self) -> None:
        """Publish what is stored and is missing in the sink.

        Raises:
            SinkError: If it cannot be.
        """
        missing, self._missing = self._missing, []
        self._publish(missing)
        self.published = self._book.newest

    def _stored(self, epoch: int) -> Sealed:
        found = self._book.sealed(self.name, epoch)
        if found is None:
            raise StateError(
                f'the output "{self.name}" has no epoch {epoch}, and neither has the state directory any more',
                hint="the state directory is older than the output: restore the newer one, or use a new place for both",
            )
        return found

    def _check(self, token: Token | None, lowest: int, known: int, *, fresh: bool) -> int:
        """The last epoch that the sink has, if that can be true."""
        if token is None and (fresh or self._may_vanish):
            self._book.begin(self.name)
            return self._book.newest - 1
        if token is None:
            if known >= lowest:
                raise StateError(
                    f'the output "{self.name}" remembers no epoch, but {known} was published to it',
                    hint="was it emptied, or its tokens removed? Use a new state directory to write it anew",
                )
            return lowest - 1
        if (token.pipeline, token.process) != (self._pipeline, 0):
            raise StateError(f'the output "{self.name}" belongs to the pipeline "{token.pipeline}"')
        if token.epoch > self._book.newest and self._book.superseded():
            raise SupersededError("another process has taken over this pipeline")
        if not lowest - 1 <= token.epoch <= self._book.newest:
            raise StateError(
                f'the output "{self.name}" has the epoch {token.epoch} of this pipeline; the state directory knows '
                f"epochs {lowest} to {self._book.newest}",
                hint="is this the state directory that wrote it? Write to a new place, or give the pipeline a new name",
            )
        if self._book.comes_again(self.name, token):
            raise StateError(
                f'the output "{self.name}" has the epoch {token.epoch}, whose checkpoint is damaged',
                hint="going on from an older one would write its rows twice; restore what is damaged from a copy",
            )
        stored = self._book.sealed(self.name, token.epoch) if token.epoch >= lowest else None
        if stored is not None and stored.token.digest != token.digest:
            raise StateError(
                f'the epoch {token.epoch} of the output "{self.name}" is not the one that is stored',
                hint="two state directories write to one output",
            )
        return token.epoch

    # -- while it runs

    def start(self) -> None:
        """Publish what is put, in a thread of its own."""
        self._worker = Worker(f"publish-{self.name}", self._run).start()

    def put(self, sealed: Sealed) -> None:
        """Let an epoch, whose checkpoint is durable, be published."""
        with self._lock:
            self._queue.append(sealed)
            self.waiting_bytes += len(sealed.payload)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How many epochs wait to be published."""
        return len(self._queue)

    def _run(self) -> None:
        try:
            while True:
                self._wake.clear()
                with self._lock:
                    batch = [self._queue[i] for i in range(min(MOST_AT_ONCE, len(self._queue)))]
                if batch:
                    self._publish(batch)
                    with self._lock:
                        for _ in batch:
                            self.waiting_bytes -= len(self._queue.popleft().payload)
                    self._signal.set()
                elif self._finishing or self._closed:
                    return
                else:
                    self._clock.wait(self._wake, None)
        except BaseException as failure:  # noqa: BLE001  (the loop raises it again)
            self.failure = failure
            self._signal.set()

    def _publish(self, batch: Sequence[Sealed]) -> None:
        left = list(batch)
        while left:
            hit("publish.before_commit")
            try:
                self.writer.commit(left)
                hit("publish.after_commit")
                self.published = left[-1].token.epoch
                return
            except SinkLost:
                left = self._ask_again(left)
            except PenstockError:
                raise
            except OSError as failure:
                raise SinkError(f'cannot write "{self.name}": {failure}') from failure

    def _ask_again(self, left: Sequence[Sealed]) -> list[Sealed]:
        """What is still to be published after the outcome of a call was lost."""
        if not self._remembers:
            self._pause(FIRST_PAUSE)
            return list(left)
        first, last = left[0].token.epoch, left[-1].token.epoch
        done = self._asked(lambda token: self._between(token, first - 1, last))
        self.published = max(self.published, done)
        return [sealed for sealed in left if sealed.token.epoch > done]

    def _between(self, token: Token | None, low: int, high: int) -> int:
        found = token.epoch if token is not None else self._book.admissible(self.name)[0] - 1
        if found > high and self._book.superseded():
            raise SupersededError("another process has taken over this pipeline")
        if not low <= found <= high:
            raise StateError(f'the output "{self.name}" has the epoch {found}; it must have one of {low} to {high}')
        return found

    def _asked(self, check: Callable[[Token | None], int]) -> int:
        """The last epoch of the sink, asked until it answers."""
        pause, spent = FIRST_PAUSE, 0
        while True:
            if self._book.superseded():
                raise SupersededError("another process has taken over this pipeline")
            try:
                return check(self.writer.last_token())
            except SinkLost:
                if self._closed or spent > PATIENCE:
                    raise
            self._pause(pause)
            spent += pause
            pause = min(2 * pause, LONGEST_PAUSE)

    def _pause(self, span: int) -> None:
        self._clock.wait(Signal(), span)

    def finish(self) -> None:
        """End the thread once all that was put is published, or publishing has failed."""
        self._finishing = True
        self._wake.set()

    def close(self) -> None:
        """As `finish`, but wait for a sink that cannot be reached no longer."""
        self._closed = True
        self.finish()

    def join(self, timeout_us: int | None = None) -> bool:
        """Wait for the end of the thread; whether it has ended."""
        return self._worker is None or self._worker.join(timeout_us)
