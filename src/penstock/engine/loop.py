"""The loop: poll, step, write, end the epoch, wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from penstock.checkpoint.ledger import EPOCH, FINAL
from penstock.core.clock import Clock, SystemClock
from penstock.core.timespan import MILLISECOND
from penstock.engine.calls import Calls
from penstock.engine.epochs import Epochs
from penstock.engine.feeds import Feeds
from penstock.engine.options import LEAST_ROWS, MOST_ROWS, LoopOptions
from penstock.engine.outputs import ErrorRate, Outputs
from penstock.engine.pressure import Pressure
from penstock.engine.progress import Progress
from penstock.engine.step import Engine

BUSY_PATIENCE = 100 * MILLISECOND


class StepBudget:
    """Rows per step: what can be done within the latency budget, as the last steps tell."""

    def __init__(self, options: LoopOptions) -> None:
        self.options = options
        self.rows = options.step_rows or 8 * LEAST_ROWS

    def learn(self, rows: int, took: int) -> None:
        """Adapt to a step that took so many microseconds for so many rows."""
        if self.options.step_rows is not None or rows < self.rows // 2:
            return
        wanted = self.rows * self.options.latency // max(took, 1)
        # Half the way at most in one go: one slow step says little.
        self.rows = max(LEAST_ROWS, min(MOST_ROWS, max(self.rows // 2, min(wanted, self.rows * 2))))


class Loop:
    """Drives an engine from its feeds until the input ends or somebody stops it.

    Args:
        engine: What runs.
        feeds: Its input.
        outputs: Where its rows go.
        options: How.
        clock: Its time.
        epochs: Stores and publishes epochs; None for runs that store nothing, and publish as they go.
        pressure: Keeps the process within its memory budget; None = it has none.
    """

    def __init__(
        self,
        engine: Engine,
        feeds: Feeds,
        outputs: Outputs,
        options: LoopOptions,
        clock: Clock | None = None,
        epochs: Epochs | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self.engine = engine
        self.feeds = feeds
        self.outputs = outputs
        self.options = options
        self.epochs = epochs
        self.pressure = pressure
        self.clock = clock or SystemClock()
        self.progress = Progress(engine.plan)
        self.calls = Calls(engine, self.clock, feeds.signal)
        self.budget = StepBudget(options)
        self.rate = ErrorRate(engine.plan.pipeline.max_error_rate)
        self.sealed = 0
        self.stopping = False
        self.again = False
        """Whether the run is to go on from its last checkpoint once this loop has stopped."""
        self._over = False
        self._asked: deque[Callable[[], None]] = deque()
        self._sealed_at = self.clock.monotonic()

    def stop(self) -> None:
        """Ask the loop to end after the step it is in; windows stay open, and what is done is published."""
        self.stopping = True
        self.feeds.signal.set()

    def begin_again(self) -> None:
        """Ask the loop to end, so that the run can go on with other splits."""
        self.again = True
        self.stop()

    def tell(self, command: str, argument: str | None = None) -> None:
        """Note in the journal what the run is told to do, in the loop's thread."""
        if self.epochs is not None:
            self.epochs.journal.tell(self.clock.now(), command, argument)

    def ask(self, work: Callable[[], None]) -> None:
        """Let something be done between two steps, in the loop's thread."""
        self._asked.append(work)
        self.feeds.signal.set()

    def run(self) -> bool:
        """Run to the end of the input (true) or until stopped (false).

        Raises:
            PenstockError: If the pipeline cannot go on; the open epoch is not published.
        """
        while not self.stopping:
            # Cleared before polling, so that what comes in meanwhile is not overslept.
            self.feeds.signal.clear()
            while self._asked:
                self._asked.popleft()()
            held = self._held()
            rows = 0 if held else self.once()
            if self._over and not rows and not held and not self.calls.waits:
                self._finish(ended=True)
                return True
            self._seal_if_due()
            if not rows and not self.calls.answered and (self.calls.waits or not self._over):
                self.clock.wait(self.feeds.signal, self._patience())
        self._finish(ended=False)
        return False

    def once(self) -> int:
        """Take one step; how many rows it took."""
        now, begun = self.clock.now(), self.clock.monotonic()
        self.feeds.stop(self.engine.needless())
        self.calls.hand_in()
        most = self.budget.rows if self.pressure is None else min(self.budget.rows, self.pressure.rows)
        taken = self.feeds.hold(now) if self.calls.full else self.feeds.take(most, now, self.progress.held())
        rows = sum(part.frame.height + len(part.bad) for part in taken)
        errors = self.outputs.refused["errors"]
        states = self.progress.decide(self.feeds.feeds, now)
        self.engine.step(taken, now, states)
        self.calls.hand_out()
        if self.epochs is not None:
            self.epochs.journal.note(now, self.feeds.ends(taken), states)
        # What this step was told counts: a split that ends meanwhile is told of in the next one.
        self._over = all(state.ended for state in states.values())
        self.rate.add(rows, self.outputs.refused["errors"] - errors)
        self.budget.learn(rows, self.clock.monotonic() - begun)
        if self.pressure is not None:
            self.pressure.learn(rows)
        return rows

    def _held(self) -> bool:
        """Whether so much waits to be published that no more rows are taken: back-pressure of the sinks."""
        if self.epochs is None:
            return False
        self.epochs.check()
        return self.epochs.full

    def _seal_if_due(self) -> None:
        if self.clock.monotonic() - self._sealed_at < self.options.epoch:
            return
        if self.epochs is None:
            self._publish()
        elif self.epochs.busy:
            return
        else:
            self.seal()

    def seal(self) -> None:
        """End the epoch now.

        Raises:
            PenstockError: If it cannot be stored.
        """
        assert self.epochs is not None
        self.epochs.end()
        self._sealed_at = self.clock.monotonic()
        self.sealed += 1

    def _publish(self, *, even_if_empty: bool = False) -> None:
        self._sealed_at = self.clock.monotonic()
        if self.outputs.dirty or even_if_empty:
            self.outputs.publish(self.sealed)
            self.sealed += 1

    def _finish(self, *, ended: bool) -> None:
        """Publish what is left, even if it is nothing: an empty output is an output too."""
        if self.epochs is None:
            self._publish(even_if_empty=True)
            return
        if not ended and not self.again:
            self.tell("stop")
        self.epochs.end(FINAL if ended else EPOCH)
        self.epochs.drain()
        if ended:
            self.epochs.close_run()
        else:
            self.epochs.note_stop()
        self.sealed += 1

    def _patience(self) -> int:
        """How long to wait for rows: until the epoch is due, a split may become silent, or a node wakes."""
        due = [self._sealed_at + self.options.epoch - self.clock.monotonic()]
        if self.epochs is not None and self.epochs.busy:
            due = [BUSY_PATIENCE]  # the end of the epoch's writing wakes the loop
        silent, wakes = self.progress.next_decision(self.feeds.feeds), self.engine.wakes()
        due += [moment - self.clock.now() for moment in (silent, wakes) if moment is not None]
        called = self.calls.due()
        if called is not None:
            due.append(called - self.clock.monotonic())
        inline = any(feed.inline and not feed.ended for feed in self.feeds.feeds)
        if inline:
            due.append(min(f.reader.retry_after_us for f in self.feeds.feeds if f.inline and not f.ended))
        if any(feed.empty_since is not None and not feed.ended for feed in self.feeds.feeds):
            due.append(1_000 * MILLISECOND)
        return max(MILLISECOND, min(due))
