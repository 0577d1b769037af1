"""Run pipelines: the one place that chooses an engine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.api.references import resolved
from penstock.connectors.base import Sink
from penstock.connectors.memory import MemorySink
from penstock.core.errors import PlanError, RefusedRowsWarning, UnsupportedError
from penstock.core.lazy import load_polars, pl
from penstock.core.sizes import byte_size
from penstock.core.threads import Interrupts, terminable
from penstock.core.timespan import duration
from penstock.core.where import Where, caller
from penstock.engine.job import Job
from penstock.engine.options import READ_AHEAD, JobOptions, LoopOptions
from penstock.operators.write import Write
from penstock.plan.node import UPDATING, Node
from penstock.plan.pipeline import Pipeline, check_places

if TYPE_CHECKING:
    from penstock.engine.metrics import Statistics


@dataclass(frozen=True)
class Embedded:
    """The engine in this process.

    Attributes:
        shards: Over how many shards keys are spread, and on how many threads large steps run. One is best where the
            state of the keys in use fits the caches; more pay from some hundred thousand keys on.
        latency: How long one step should take at most.
        memory: How many bytes the process should have in memory at most, such as `"4 GiB"`: state beyond that lies on
            scratch files (on Linux; see the guide to state), and sources decode ahead a quarter of it at most. By
            default state takes what it takes, and sources decode 256 MiB ahead.
        step_rows: A fixed number of rows per step, for measurements; by default steps adapt.
        replan: Whether a run that goes on is planned anew. By default it keeps the plan that its checkpoint was made
            with, as long as the program is the same, so that a new version of Penstock changes nothing of it.
    """

    shards: int = 1
    latency: Any = "10 ms"
    memory: str | int | None = None
    step_rows: int | None = None
    replan: bool = False

    def options(
        self, state: Path | None, checkpoint: Any, resume: str = "latest", checkpoints: str | None = None
    ) -> JobOptions:
        """What a job is given.

        Args:
            state: The state directory.
            checkpoint: The time between two epochs.
            resume: As for `start`.
            checkpoints: Where checkpoints are, if not in the state directory: `s3://bucket/prefix`.

        Raises:
            PlanError: If a setting is not understood.
        """
        if not 1 <= self.shards <= 256:
            raise PlanError(f"there can be 1 to 256 shards, found {self.shards}")
        loop = LoopOptions(duration(self.latency), duration(checkpoint), self.step_rows)
        memory = byte_size(self.memory) if self.memory is not None else None
        ahead = READ_AHEAD if memory is None else min(READ_AHEAD, memory // 4)
        return JobOptions(
            self.shards, loop, ahead, memory, state, checkpoints=checkpoints, resume=resume, replan=self.replan
        )


def _engine(on: Any) -> Embedded:
    if isinstance(on, Embedded):
        return on
    if on == "embedded":
        return Embedded()
    if isinstance(on, str) and on.startswith("flink"):
        raise UnsupportedError("pipelines do not run on Flink yet", where=caller(), hint='on="embedded"')
    raise PlanError(f'on is "embedded" or ps.Embedded(...), found {on!r}', where=caller())


_LOCAL = "a path, such as /var/lib/penstock/orders"


def state_directory(pipeline: Pipeline, state: str | os.PathLike[str] | None) -> Path:
    """The local directory of a pipeline: by default, and if its checkpoints are elsewhere, `.penstock/NAME`."""
    return Path(state) if state is not None and not is_address(state) else Path(".penstock") / pipeline.name


def is_address(state: str | os.PathLike[str] | None) -> bool:
    """Whether a place of state is no directory: `s3://bucket/prefix`."""
    return isinstance(state, str) and "://" in state


def address(state: str | os.PathLike[str] | None) -> str | None:
    """Where checkpoints are, if not in the state directory."""
    return str(state) if is_address(state) else None


def _below(state: str | os.PathLike[str], name: str) -> str | os.PathLike[str]:
    return f"{str(state).rstrip('/')}/{name}" if is_address(state) else Path(state) / name


def start(
    *pipelines: Pipeline,
    on: Any = "embedded",
    state: str | os.PathLike[str] | None = None,
    checkpoint: Any = "10 s",
    resume: str = "latest",
) -> Any:
    """Start pipelines, each in a thread of its own, and give their Jobs (one, or a tuple).

    Args:
        *pipelines: What to run.
        on: `"embedded"` or `ps.Embedded(...)`.
        state: The state directory; with several pipelines, its parent. `s3://bucket/prefix` keeps checkpoints there
            (keys and endpoint come from `AWS_...` in the environment), and all that is local in `.penstock/NAME`.
        checkpoint: The time between two epochs, `"10 s"` or microseconds: how often state is stored and output
            becomes visible.
        resume: `"latest"`: an interrupted run goes on where its last checkpoint was made, one that has finished starts
            anew. `"none"` starts anew in any case. The number of an epoch, or the name of a savepoint: goes on there;
            what was published after it stays, and comes again.

    Guarantee: rows of an epoch count and are published once if the sink remembers epochs (files, log, Kafka,
    PostgreSQL), whatever ends the process; `Job.guarantee` says what holds. What was read since the last checkpoint is
    read again by the next run. `Job.stop` and `Job.wait` end it cleanly, before the process ends.

    Raises:
        PlanError: If a setting is not understood.
        StartError: If a source or sink is not there, or there is no such checkpoint.
        StateError: If stored state is damaged, in use, of another plan, or does not belong to the output.
    """
    jobs = _open(pipelines, on, state, checkpoint, resume)
    for job in jobs:
        job.start()
    return jobs[0] if len(jobs) == 1 else tuple(jobs)


def run(
    *pipelines: Pipeline,
    on: Any = "embedded",
    state: str | os.PathLike[str] | None = None,
    checkpoint: Any = "10 s",
    resume: str = "latest",
    progress: Callable[[Statistics], None] | None = None,
) -> Any:
    """Run pipelines until their bounded input ends, or Ctrl-C; gives their Jobs (one, or a tuple).

    Ctrl-C or SIGTERM (in the main thread) publishes what is done and stops; a second one stops at once, and the next
    run goes on from the last checkpoint. See `start` for the arguments and the guarantee.

    Args:
        *pipelines: What to run.
        on: As for `start`.
        state: As for `start`.
        checkpoint: As for `start`.
        resume: As for `start`.
        progress: Called about five times a second with a picture of each run, and once at its end.

    Raises:
        PlanError: If a setting is not understood.
        StartError: If a source or sink is not there, or there is no such checkpoint.
        StateError: If stored state is damaged, in use, of another plan, or does not belong to the output.
        JobError: If a pipeline fails; what was published stays, and the next run goes on behind it.
    """
    jobs = _open(pipelines, on, state, checkpoint, resume)
    load_polars()
    with terminable() as interrupts:
        try:
            for job in jobs:
                job.start()
            _wait(jobs, progress, interrupts)
        except KeyboardInterrupt:
            interrupts.seen()
            for job in jobs:
                job.stop()
            _wait(jobs, progress, interrupts)
    return jobs[0] if len(jobs) == 1 else tuple(jobs)


def _open(
    pipelines: tuple[Pipeline, ...], on: Any, state: str | os.PathLike[str] | None, checkpoint: Any, resume: str
) -> list[Job]:
    if not pipelines:
        raise PlanError("there is no pipeline to run", where=caller())
    for pipeline in pipelines:
        if not isinstance(pipeline, Pipeline):
            raise PlanError(
                f"run takes pipelines, found {pipeline!r}", where=caller(), hint="ps.Pipeline(name, output)"
            )
    names = [pipeline.name for pipeline in pipelines]
    if len(set(names)) < len(names):
        raise PlanError(f"pipelines that run together need different names, found {', '.join(names)}", where=caller())
    pipelines = tuple(resolved(pipeline) for pipeline in pipelines)
    check_places(tuple(output for pipeline in pipelines for output in pipeline.outputs))
    embedded = _engine(on)
    jobs: list[Job] = []
    for pipeline in pipelines:
        place = state if len(pipelines) == 1 or state is None else _below(state, pipeline.name)
        try:
            options = embedded.options(state_directory(pipeline, place), checkpoint, resume, address(place))
            jobs.append(Job(pipeline, options))
        except BaseException:
            for job in jobs:  # those that opened their sources and sinks before this one failed to
                job.close()
            raise
    return jobs


def _wait(jobs: list[Job], progress: Callable[[Statistics], None] | None, interrupts: Interrupts) -> None:
    pending = list(jobs)
    while pending:
        interrupts.check()
        pending = [job for job in pending if not job.wait(200_000)]
        if progress is not None:
            for job in jobs:
                progress(job.status())


# -- looking -------------------------------------------------------------------


def collect(node: Node, where: Where | None, *, shards: int = 1) -> pl.DataFrame:
    """All rows of a bounded stream, or the final rows of a Table.

    Raises:
        PlanError: If the rows never end.
    """
    if not node.facts.bounded:
        raise PlanError("collect waits for the end, and these rows have none", where=where, hint=".preview(20)")
    sink = MemorySink()
    _warn_of_refused(_run_quietly(node, sink, shards))
    return _result(node, sink)


def _warn_of_refused(job: Job) -> None:
    """Say that rows are left out, in the place of whoever collects them."""
    left = {port: count for port, count in job.left_out().items() if count}
    if not left:
        return
    counts = " and ".join(f"{count:,} in {port}" for port, count in left.items())
    reasons = job.status().reasons
    first = f"; the most frequent reason: {reasons[0][0]}" if reasons else ""
    ways = " and ".join(f".{port}()" for port in left)
    warnings.warn(f"rows were refused: {counts}{first}; {ways} of a verb give them", RefusedRowsWarning, stacklevel=4)


def collect_and_count(node: Node) -> tuple[pl.DataFrame, dict[str, int]]:
    """All rows of a bounded stream, or the final rows of a Table; and how many rows were refused for which reason."""
    sink = MemorySink()
    job = _run_quietly(node, sink, 1)
    return _result(node, sink), dict(job.status().reasons)


def preview(node: Node, rows: int, wait: Any, where: Where | None) -> pl.DataFrame:
    """The first rows, or what came within a time."""
    sink = MemorySink()
    pipeline = Pipeline("preview", Write(input=node, sink=sink, name="preview", where=where))
    job = Job(resolved(pipeline), JobOptions(loop=LoopOptions(step_rows=4096)))
    job.start()
    limit, spent = duration(wait), 0
    while not job.wait(20_000) and spent < limit and job.status().rows_out["preview"] < rows:
        spent += 20_000
    job.stop()
    job.wait()
    return _result(node, sink).head(rows)


def watch(node: Node, sink: Sink) -> None:
    """Send rows to a sink, without state, until they end or Ctrl-C."""
    pipeline = Pipeline("watch", Write(input=node, sink=sink, name="watch"))
    job = Job(resolved(pipeline), JobOptions(loop=LoopOptions(epoch=duration("500 ms"))))
    with terminable() as interrupts:
        try:
            job.start()
            _wait([job], None, interrupts)
        except KeyboardInterrupt:
            interrupts.seen()
            job.stop()
            _wait([job], None, interrupts)


def show(node: Node, rows: int, wait: Any, where: Where | None) -> None:
    """Print the first rows."""
    with pl.Config(tbl_rows=rows, tbl_hide_dataframe_shape=True):
        print(preview(node, rows, wait, where))  # noqa: T201  (show is asked to print)


def _run_quietly(node: Node, sink: MemorySink, shards: int) -> Job:
    pipeline = Pipeline("collect", Write(input=node, sink=sink, name="collect"))
    job = Job(resolved(pipeline), JobOptions(shards=shards))
    job.run()
    return job


def _result(node: Node, sink: MemorySink) -> pl.DataFrame:
    result = sink.table() if node.facts.mode == UPDATING else sink.frame()
    return result
