"""The handle of a running pipeline: status, stop, wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from penstock.connectors.flow import FlowSink
from penstock.control.server import Server
from penstock.core import files
from penstock.core.clock import Clock, Signal, SystemClock
from penstock.core.errors import JobError, PenstockError, PlanError, one_of
from penstock.core.threads import Worker
from penstock.core.timespan import END, HOUR, MILLISECOND, MINUTE, NEVER
from penstock.engine.assembly import Assembly
from penstock.engine.commands import handlers
from penstock.engine.metrics import Statistics
from penstock.engine.options import JobOptions
from penstock.engine.recovery import LATEST
from penstock.engine.timing import splits_of
from penstock.plan.guarantee import guarantee
from penstock.plan.pipeline import Pipeline, output_name

ASK_EVERY = 20 * MILLISECOND

T = TypeVar("T")

STARTING, RUNNING, FINISHED, STOPPED, FAILED = "starting", "running", "finished", "stopped", "failed"


class Job:
    """A pipeline that runs, or has run: `ps.start` and `ps.run` give it.

    Any thread may ask it. It goes on by itself from its last checkpoint where a source or sink was away
    (`JobOptions.restarts`); what else fails ends it, and `wait` raises that.

    Attributes:
        pipeline: What runs.
        options: How.
        notes: What happened on the way that people should know: restarts, damage that was passed over.
    """

    def __init__(self, pipeline: Pipeline, options: JobOptions, clock: Clock | None = None) -> None:
        self.pipeline = pipeline
        self.options = options
        self.notes: list[str] = []
        self._clock = clock or SystemClock()
        self._state = STARTING
        self._begun = self._clock.monotonic()
        self._ended: int | None = None
        self._worker: Worker | None = None
        self._restarts = 0
        self._stopping = False
        self._wake = Signal()
        self._server: Server | None = None
        self._run = files.unique_name()
        self._parts = self._opened(options)
        self._rows_before = self._parts.engine.rows_in

    def __repr__(self) -> str:
        return f'<Job "{self.pipeline.name}": {self._state}>'

    def _opened(self, options: JobOptions, *, again: bool = False) -> Assembly:
        parts = Assembly.open(self.pipeline, options, self._clock, self._run, again=again)
        self.notes += parts.notes()
        return parts

    def run(self) -> None:
        """Run in this thread until the input ends or `stop` is called.

        Raises:
            PenstockError: Why it failed; what was published before stays, and the next run goes on behind it.
        """
        self._state = RUNNING
        failed: BaseException | None = None
        try:
            if self.options.state is not None and self.options.control:
                self._server = Server(self.options.state, self.pipeline.name, handlers(self))
            finished = self._run_on()
            self._state = FINISHED if finished else STOPPED
        except PenstockError as failure:
            self._state, failed = FAILED, failure
            raise
        except BaseException as failure:
            self._state, failed = FAILED, failure
            if isinstance(failure, (KeyboardInterrupt, SystemExit)):
                raise
            raise JobError(
                f'the pipeline "{self.pipeline.name}" failed: {type(failure).__name__}: {failure}'
            ) from failure
        finally:
            self._ended = self._clock.monotonic()
            try:
                self.close()
            finally:
                for sink in self._flow_sinks().values():
                    sink.channel().end(failed)

    def _run_on(self) -> bool:
        """Run, and go on from the last checkpoint as long as the policy says so."""
        policy, attempt, reopen = self.options.restarts, 0, False
        while True:
            ran = False
            try:
                if reopen:
                    self._reopen()
                ran = True
                finished = self._parts.loop.run()
                if not self._parts.loop.again or self._stopping:
                    return finished
                self.notes.append("a source has new splits: they are read from here on")
            except KeyboardInterrupt:
                # Of Polars, which lets Ctrl-C break a query in any thread; whether to end is said in the main one.
                if self._worker is None or self._parts.epochs is None:
                    raise
                self.notes.append("a step was interrupted; going on from the last checkpoint")
            except PenstockError as failure:
                # Parts that could not be opened again are those of the last attempt still: what they did counts once.
                attempt = 0 if ran and self._parts.loop.sealed else attempt
                begun = attempt > 0 or not ran
                if self._parts.epochs is None or self._stopping or not policy.allows(failure, attempt, again=begun):
                    raise
                self.notes.append(f"{failure.message}; going on from the last checkpoint")
                self._parts.close()  # while it waits it holds nothing: the lock least of all
                if self._clock.wait(self._wake, policy.wait(attempt)) and self._stopping:
                    raise
                attempt += 1
            reopen = True

    def _reopen(self) -> None:
        self._restarts += 1
        self._parts.close()
        options = replace(self.options, resume=LATEST)
        self._parts = self._opened(options, again=True)
        if self._stopping:
            self._parts.loop.stop()

    def start(self) -> Job:
        """Run in a thread of its own."""
        # Kept before it starts: an interrupt in between must find it.
        self._worker = Worker(f"job-{self.pipeline.name}", self.run)
        self._worker.start()
        return self

    def stop(self) -> None:
        """End after the step it is in: what is done is published, windows that are open stay so.

        It returns at once; `wait` waits for the end. The next run goes on there.
        """
        self._stopping = True
        self._wake.set()
        for sink in self._flow_sinks().values():
            sink.channel().release()
        self._parts.loop.stop()

    def flow(self, output: str) -> Any:
        """The rows of an output, as a `penstock.flow.Source` of dicts, while the pipeline runs; to be run once.

        The output is written to a `penstock.connectors.flow.FlowSink`, whose guarantee holds. It completes when the
        pipeline ends, and fails with it. A reader that is slow holds the pipeline back.

        Args:
            output: The name of the output.

        Raises:
            PlanError: If there is no such output, or it is written elsewhere.
        """
        names = [output_name(node) for node in self.pipeline.outputs]
        if output not in names:
            raise one_of("output", output, names)
        sinks = self._flow_sinks()
        if output not in sinks:
            raise PlanError(f'the output "{output}" is written elsewhere', hint='.write(FlowSink(), name="...")')
        return sinks[output].channel().source()

    def _flow_sinks(self) -> dict[str, FlowSink]:
        sinks = ((output_name(node), getattr(node, "sink", None)) for node in self.pipeline.outputs)
        return {name: sink for name, sink in sinks if isinstance(sink, FlowSink)}

    def between_steps(self, work: Callable[[Assembly], T], timeout_us: int = MINUTE) -> T:
        """Do something between two steps, in the thread of the run, and give its result.

        Args:
            work: What to do with the parts of the run; it must be short, and must not fail the run.
            timeout_us: How long to wait for the end of the step.

        Raises:
            JobError: If the pipeline does not run, or the step does not end in time.
            PenstockError: What `work` raised.
        """
        if self._worker is None or self._state not in (STARTING, RUNNING):
            raise JobError(f'the pipeline "{self.pipeline.name}" does not run: it has {self._state}')
        parts, done = self._parts, Signal()
        results: list[T] = []
        failures: list[PenstockError] = []

        def between() -> None:
            try:
                results.append(work(parts))
            except PenstockError as failure:
                failures.append(failure)
            finally:
                done.set()

        parts.loop.ask(between)
        spent = 0
        while not self._clock.wait(done, ASK_EVERY):
            spent += ASK_EVERY
            if spent >= timeout_us or self._state not in (STARTING, RUNNING):
                raise JobError(f'the pipeline "{self.pipeline.name}" did not answer: it is {self._state}')
        if failures:
            raise failures[0]
        return results[0]

    def savepoint(self, name: str | None = None) -> str:
        """Store an epoch that is kept until somebody removes it; its name.

        Args:
            name: Letters, digits, `_`, `-` and `.`; by default `epoch-` and its number.

        Raises:
            JobError: If the pipeline does not run, or stores nothing.
            StateError: If there is a savepoint of that name.
        """
        return self.between_steps(lambda parts: _savepoint(parts, name), HOUR)

    def checkpoint(self) -> int:
        """Store an epoch now; its number.

        Raises:
            JobError: If the pipeline does not run, or stores nothing.
        """
        return self.between_steps(_checkpoint, HOUR)

    def wait(self, timeout_us: int | None = None) -> bool:
        """Wait for the end; whether it has come.

        Args:
            timeout_us: How long, in microseconds; None = for ever.

        Raises:
            PenstockError: Why the pipeline failed.
        """
        if self._worker is None:
            return True
        over = self._worker.join(timeout_us)
        if over and self._worker.failure is not None:
            raise self._worker.failure
        return over

    def status(self) -> Statistics:
        """A picture of the run."""
        engine, loop, epochs = self._parts.engine, self._parts.loop, self._parts.epochs
        nodes = engine.statistics()
        watermark = engine.watermark
        refused = self._refused()
        known = NEVER < watermark < END
        names = [output_name(node) for node in self.pipeline.outputs]
        return Statistics(
            pipeline=self.pipeline.name,
            state=self._state,
            rows_in=engine.rows_in,
            rows_out=dict(zip(names, self._parts.outputs.rows, strict=True)),
            late=refused["late"],
            errors=refused["errors"],
            watermark=watermark,
            lag_us=self._clock.now() - watermark if known else None,
            steps=engine.steps,
            epochs=loop.sealed,
            elapsed_us=(self._ended or self._clock.monotonic()) - self._begun,
            nodes=nodes,
            reasons=tuple(engine.reasons.most_common(20)),
            checkpoint=epochs.ledger.newest if epochs is not None else None,
            checkpoint_bytes=epochs.size if epochs is not None else 0,
            pause_us=epochs.pause_us if epochs is not None else 0,
            restarts=self._restarts,
            rows_before=self._rows_before,
            splits=splits_of(engine, loop.progress.held()),
        )

    def _refused(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for metrics in self._parts.engine.metrics:
            for port in ("late", "errors"):
                found[port] += metrics.rows_out[port]
        return found

    def left_out(self) -> dict[str, int]:
        """How many rows were refused that no output took, by port: `late` and `errors`."""
        return dict(self._parts.outputs.refused)

    def reports(self) -> Sequence[str]:
        """Where the output is, for people."""
        return self._parts.outputs.reports()

    def guarantee(self) -> str:
        """What holds end to end, computed from the parts."""
        return guarantee(self.pipeline)

    def close(self) -> None:
        """Release sources and sinks and discard what is not sealed; a run does so at its end."""
        if self._server is not None:
            self._server.close()
        self._parts.close()


def _savepoint(parts: Assembly, name: str | None) -> str:
    if parts.epochs is None:
        raise JobError("a run without a state directory has no savepoints")
    parts.loop.tell("savepoint", name)
    return parts.epochs.savepoint(name)


def _checkpoint(parts: Assembly) -> int:
    if parts.epochs is None:
        raise JobError("a run without a state directory has no checkpoints")
    parts.loop.tell("checkpoint")
    parts.loop.seal()
    parts.epochs.wait()
    return parts.epochs.ledger.newest
