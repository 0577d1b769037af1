"""The handle of a running pipeline: status, stop, wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import JobError, PenstockError
from penstock.core.threads import Worker, pool
from penstock.core.timespan import END, NEVER
from penstock.engine.compile import compile_plan, sources_of
from penstock.engine.feeds import Feeds
from penstock.engine.loop import Loop, LoopOptions
from penstock.engine.metrics import Statistics
from penstock.engine.outputs import Outputs
from penstock.engine.step import Engine
from penstock.optimize import optimize
from penstock.plan.guarantee import guarantee
from penstock.plan.pipeline import Pipeline, output_name

STARTING, RUNNING, FINISHED, STOPPED, FAILED = "starting", "running", "finished", "stopped", "failed"


@dataclass(frozen=True)
class JobOptions:
    """How a pipeline runs on the embedded engine.

    Attributes:
        shards: Over how many shards keys are spread.
        loop: Latency and epochs.
        read_ahead: How many bytes sources may decode ahead of the steps.
        state: The state directory, or None for runs that leave nothing behind.
        guarded: Whether to check every delta; None = as `PENSTOCK_GUARDS` says.
        optimized: Whether the plan is rewritten first; results do not depend on it.
    """

    shards: int = 1
    loop: LoopOptions = LoopOptions()
    read_ahead: int = 256 << 20
    state: Path | None = None
    guarded: bool | None = None
    optimized: bool = True


class Job:
    """A pipeline that runs, or has run.

    Attributes:
        pipeline: What runs.
        options: How.
    """

    def __init__(self, pipeline: Pipeline, options: JobOptions, clock: Clock | None = None) -> None:
        self.pipeline = pipeline
        self.options = options
        self._clock = clock or SystemClock()
        self._state = STARTING
        self._begun = self._clock.monotonic()
        self._ended: int | None = None
        self._worker: Worker | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._open()

    def _open(self) -> None:
        options = self.options
        planned = self.pipeline.with_outputs(optimize(self.pipeline.outputs)) if options.optimized else self.pipeline
        self._outputs = Outputs(planned, options.state)
        try:
            self._feeds = Feeds.open(sources_of(planned), self._clock, options.read_ahead)
        except BaseException:
            self._outputs.close()
            raise
        if options.shards > 1:
            self._threads = pool("shard", options.shards)
        plan = compile_plan(planned, self._feeds.splits, shards=options.shards, pool=self._threads)
        self._engine = Engine(plan, self._outputs, guarded=options.guarded, clock=self._clock)
        self._engine.split_names = self._feeds.splits
        self._loop = Loop(self._engine, self._feeds, self._outputs, options.loop, self._clock)

    def run(self) -> None:
        """Run in this thread until the input ends or `stop` is called.

        Raises:
            PenstockError: Why it failed; what was published before stays.
        """
        self._state = RUNNING
        try:
            finished = self._loop.run()
            self._state = FINISHED if finished else STOPPED
        except PenstockError:
            self._state = FAILED
            raise
        except BaseException as failure:
            self._state = FAILED
            if isinstance(failure, (KeyboardInterrupt, SystemExit)):
                raise
            raise JobError(
                f'the pipeline "{self.pipeline.name}" failed: {type(failure).__name__}: {failure}'
            ) from failure
        finally:
            self._ended = self._clock.monotonic()
            self.close()

    def start(self) -> Job:
        """Run in a thread of its own."""
        # Kept before it starts: an interrupt in between must find it.
        self._worker = Worker(f"job-{self.pipeline.name}", self.run)
        self._worker.start()
        return self

    def stop(self) -> None:
        """End after the step it is in: what is done is published, windows that are open stay so."""
        self._loop.stop()

    def wait(self, timeout_us: int | None = None) -> bool:
        """Wait for the end; whether it has come.

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
        nodes = self._engine.statistics()
        watermark = self._engine.watermark
        refused = self._refused()
        known = NEVER < watermark < END
        names = [output_name(node) for node in self._engine.plan.pipeline.outputs]
        return Statistics(
            pipeline=self.pipeline.name,
            state=self._state,
            rows_in=self._loop.rows_in,
            rows_out=dict(zip(names, self._outputs.rows, strict=True)),
            late=refused["late"],
            errors=refused["errors"],
            watermark=watermark,
            lag_us=self._clock.now() - watermark if known else None,
            steps=self._engine.steps,
            epochs=self._outputs.epoch,
            elapsed_us=(self._ended or self._clock.monotonic()) - self._begun,
            nodes=nodes,
            reasons=tuple(self._engine.reasons.most_common(20)),
        )

    def _refused(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for metrics in self._engine.metrics:
            for port in ("late", "errors"):
                found[port] += metrics.rows_out[port]
        return found

    def reports(self) -> Sequence[str]:
        """Where the output is, for people."""
        return self._outputs.reports()

    def guarantee(self) -> str:
        """What holds end to end, computed from the parts."""
        return guarantee(self.pipeline)

    def close(self) -> None:
        """Release sources and sinks and discard what is not sealed; a run does so at its end."""
        self._feeds.close()
        self._outputs.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
