"""`penstock run`: run a pipeline, tell how it goes, stop cleanly."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from penstock.api.references import resolved
from penstock.cli import terminal
from penstock.cli.failure import INTERRUPTED, TERMINATED, Guard, exit_now
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.cli.progress import Progress, progress, summary, summary_json
from penstock.core.clock import SystemClock
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.lazy import load_polars
from penstock.core.threads import Interrupts, Terminated, terminable
from penstock.engine.job import Job
from penstock.plan.guarantee import guarantees
from penstock.plan.pipeline import Pipeline
from penstock.runner import Embedded, address, state_directory
from penstock.settings import RunOptions

_EVERY_US = 200_000


@dataclass(frozen=True)
class Telling:
    """How a run is told.

    Attributes:
        json: Whether the end is told as JSON, on stdout.
        quiet: Whether nothing else is told but errors.
    """

    json: bool = False
    quiet: bool = False


def run_file(
    guard: Guard, file: str, *, given: list[str], profile: str | None, options: dict[str, Any], telling: Telling
) -> None:
    """Run the pipeline that a user names; see `penstock run --help`.

    Raises:
        PenstockError: If it cannot be run, or fails.
    """
    loaded = load(file, settings_of(given, profile))
    terminal.redaction.learn(loaded.pipeline)
    chosen = loaded.settings.options(**options)
    guard.state = state_directory(loaded.pipeline, chosen.state)
    follow(open_job(resolved(loaded.pipeline, loaded.settings.fill), chosen), guard, telling)


def open_job(pipeline: Pipeline, options: RunOptions) -> Job:
    """A pipeline that is ready to start, as the options say.

    Raises:
        PlanError: If an option asks for what is not offered.
        StartError: If a source or sink is not there.
    """
    if options.on != "embedded":
        raise _other_engine(options.on)
    engine = Embedded(options.shards, options.latency, options.memory, replan=options.replan)
    folder = state_directory(pipeline, options.state)
    return Job(pipeline, engine.options(folder, options.checkpoint, options.resume, address(options.state)))


def _other_engine(name: str) -> PlanError:
    if name.startswith("flink"):
        return UnsupportedError("pipelines do not run on Flink yet", hint="--on embedded")
    return PlanError(f'no engine "{name}"', hint="embedded, or flink:URL")


def follow(job: Job, guard: Guard, telling: Telling) -> None:
    """Run a job to its end and tell of it.

    Raises:
        PenstockError: Why it failed.
    """
    if not telling.quiet:
        terminal.tell("\n".join(_beginning(job)))
    printing = _printing(job.pipeline)
    quiet = telling.quiet or "table" in printing  # which a line of ours would tear apart
    shown = progress(SystemClock(), quiet=quiet, shared=bool(printing))
    try:
        watch(job, shown)
    finally:
        _end(job, guard, telling)


def _beginning(job: Job) -> list[str]:
    """What is said when a run begins: what is promised, and where it goes on."""
    return [f"running {job.pipeline.name}", *(f"  {line}" for line in (*_promises(job.pipeline), *job.notes))]


def _promises(pipeline: Pipeline) -> list[str]:
    found = guarantees(pipeline)
    if len({one.promise for one in found}) == 1:
        return [found[0].promise]
    return [f"{one.output}: {one.promise}" for one in found]


def watch(job: Job, shown: Progress) -> None:
    """Run a job to its end; Ctrl-C or SIGTERM publishes what is done and stops, a second one ends the process at once.

    Raises:
        PenstockError: Why it failed.
    """
    load_polars()
    with terminable() as interrupts:
        try:
            job.start()  # in here, so that no interrupt falls between start and wait
            _wait(job, shown, interrupts)
        except KeyboardInterrupt as first:
            interrupts.seen()
            _stop(job, shown, first, interrupts)
        finally:
            shown.close()


def _stop(job: Job, shown: Progress, first: KeyboardInterrupt, interrupts: Interrupts) -> None:
    again = "a second SIGTERM" if isinstance(first, Terminated) else "Ctrl-C again"
    try:
        job.stop()
        terminal.tell(f"stopping: what is done is published; {again} stops at once")
        _wait(job, shown, interrupts)
    except KeyboardInterrupt as second:
        shown.close()
        terminal.tell("stopped at once: the next run goes on from the last checkpoint")
        exit_now(TERMINATED if isinstance(second, Terminated) else INTERRUPTED)


def _wait(job: Job, shown: Progress, interrupts: Interrupts) -> None:
    while not job.wait(_EVERY_US):
        interrupts.check()
        shown.show(job.status())
    shown.show(job.status())


def _end(job: Job, guard: Guard, telling: Telling) -> None:
    statistics, reports = job.status(), job.reports()
    if telling.json:
        terminal.out(json.dumps(summary_json(statistics, reports, guard.state), indent=2))
    if not telling.quiet:
        for line in summary(statistics, reports, guard.state):
            terminal.tell(line)


def _printing(pipeline: Pipeline) -> set[str]:
    """In which styles outputs print rows to the same terminal."""
    sinks = [getattr(node, "sink", None) for node in pipeline.outputs] if sys.stdout.isatty() else []
    return {str(getattr(sink, "style", "rows")) for sink in sinks if sink is not None and sink.connector == "stdout"}
