"""One run of a scenario, calm or with all that goes wrong in it, and what was wrong about it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from penstock.core.errors import JobError, PenstockError, SinkLost, SourceLost, StateError
from penstock.engine.job import FAILED, FINISHED, STARTING, STOPPED, Job
from penstock.testing.simulation.judging import Change, row_of
from penstock.testing.simulation.models import Troubles
from penstock.testing.simulation.scenario import (
    BROKEN,
    DAMAGE,
    FULL,
    KILL,
    OUTPUT,
    POWER,
    STOP,
    TWICE,
    ZOMBIE,
    Blow,
    Scenario,
)
from penstock.testing.simulation.seams import entered
from penstock.testing.simulation.shadow import Shadow
from penstock.testing.simulation.stored import damage, file_tokens, is_durable, is_over, leftovers, manifests
from penstock.testing.simulation.world import RIVAL, Process, Stuck, World

TROUBLE = "trouble"
"""An excuse besides `RIVAL` and the kinds of blows: servers fail."""


@dataclass(eq=False)
class Trigger:
    """What the controller waits for.

    Attributes:
        process: In which process.
        point: At which point; None = any.
        left: After how many passes.
        action: What is done then.
    """

    process: Process
    point: str | None
    left: int
    action: Callable[[], None]


@dataclass
class Result:
    """What a run gave.

    Attributes:
        outputs: By output, what it holds.
        wrong: What was wrong.
        counts: What was done, and how often; `starts` of processes.
        refused: Why the pipeline could not go on after damage; None if it came to its end.
        passed: How often each point was passed.
        points: How many points there were.
        digest: A digest of the trace.
        lines: The trace, or its end.
    """

    outputs: dict[str, list[Change]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refused: str | None = None
    passed: Counter[str] = field(default_factory=Counter)
    points: int = 0
    digest: str = ""
    lines: Sequence[str] = ()


class Trial:
    """Runs a scenario.

    Args:
        scenario: The scenario.
        calm: What the calm run gave; without it this is the calm run, to which nothing is done.
        tracing: Whether the whole trace is kept.
    """

    def __init__(self, scenario: Scenario, calm: Result | None = None, *, tracing: bool = False) -> None:
        self.scenario = scenario
        self.result = Result()
        self._calm = calm
        self._blows = list(scenario.blows) if calm is not None else []
        self._troubles = scenario.troubles if calm is not None else Troubles()
        self._world = World(f"{scenario.seed}/{'calm' if calm is None else 'storm'}", tracing=tracing)
        self._shadow = Shadow(self._world)
        self._shadow.locks = scenario.locks
        self._shadow.linked = self._check_link
        self._world.watch = self._watch
        self._triggers: list[Trigger] = []
        self._due: list[Callable[[], None]] = []
        self._jobs: dict[Process, Job] = {}
        self._current: Process | None = None
        self._usable: int | None = None
        """After damage: the newest checkpoint that was whole then; -1 if there was none."""
        self._damaged: dict[int, bytes] = {}
        """Manifests that were durable before something was damaged: who had read them may rely on them."""
        self._finished = self._tidy = False

    def run(self) -> Result:
        """Run it to its end."""
        world, result = self._world, self.result
        with entered(world, self._shadow):
            for folder in (OUTPUT.parent, OUTPUT):
                self._shadow.mkdir(folder)
                self._shadow.fsync_directory(folder.parent)
            built = self.scenario.pipeline(world, partial(is_durable, self._shadow), self._troubles)
            self.pipeline, self.topics, self.brokers = built
            try:
                self._run_to_end()
            except Stuck as stuck:
                result.wrong.append(f"the run has got stuck {stuck}")
            self._end_all()
            self._collect_outputs()
        if not result.counts[ZOMBIE] and not result.counts[TWICE] and self._tidy:
            result.wrong += [f"{path} is left, and nothing names it" for path in leftovers(self._shadow)]
        result.points, result.digest, result.lines = world.points, world.digest(), list(world.lines)
        for process in world.processes:
            result.passed.update(process.passed)
        return result

    # -- the course of things

    def _run_to_end(self) -> None:
        starts = 0
        while not self._finished and self.result.refused is None and not self.result.wrong:
            for process in self._world.processes:
                process.paused = False
            living = [process for process in self._world.processes if not process.dead]
            if living and self._world.random.random() < 0.5:
                self._current = living[0]
                self._let_run()
                continue
            starts += 1
            if starts > 2 * len(self.scenario.blows) + 8:
                self.result.wrong.append(f"the pipeline has not come to its end after {starts} starts")
                return
            self._current = self._start()
            self._let_run()
        self._triggers.clear()
        # Those that were left behind go on now: nothing that they do may change what there is.
        while any(not process.dead for process in self._world.processes):
            for process in self._world.processes:
                process.paused = False
            self._go_on()

    def _let_run(self) -> None:
        while self._current is not None:
            self._go_on()

    def _start(self) -> Process:
        """Start a process, and see to what will be done to it."""
        self.result.counts["starts"] += 1
        process: Process

        def main() -> None:
            if is_over(self._shadow):
                return
            job = Job(self.pipeline, self.scenario.options)
            self._jobs[process] = job
            if self._begins_anew(job):
                job.close()
            else:
                job.run()

        process = self._world.spawn(f"p{len(self._world.processes) + 1}", main)
        if self._troubles.lost:
            process.excuses.add(TROUBLE)
        if any(not other.dead and other is not process for other in self._world.processes):
            self._make_rivals()
        if self._blows:
            self._arm(process, self._blows.pop(0))
        return process

    @staticmethod
    def _begins_anew(job: Job) -> bool:
        """Whether the pipeline had come to its end before: it would be run a second time."""
        found = job._parts.begun_with
        return found is not None and found.manifest is None and found.base >= 0

    def _make_rivals(self) -> None:
        for process in self._world.processes:
            if not process.dead:
                process.excuses.add(RIVAL)

    def _arm(self, process: Process, blow: Blow) -> None:
        assert self._calm is not None
        if blow.named:
            names = sorted(self._calm.passed)
            name = names[int(blow.pick * len(names))]
            left = 1 + int(blow.share * self._calm.passed[name])
            self._triggers.append(Trigger(process, name, left, lambda: self._strike(process, blow)))
        else:
            left = 1 + int(blow.share * self._calm.points)
            self._triggers.append(Trigger(process, None, left, lambda: self._strike(process, blow)))

    def _watch(self, process: Process, point: str) -> bool:
        wanted = False
        for trigger in self._triggers:
            if trigger.process is process and trigger.point in (None, point):
                trigger.left -= 1
                if trigger.left == 0:
                    self._due.append(trigger.action)
                    wanted = True
        return wanted

    def _go_on(self) -> None:
        self._world.go()
        for process in self._world.processes:
            if process.ended and not process.dead:
                self._take_end(process)
        due, self._due = self._due, []
        for action in due:
            action()
        if self._current is not None and self._current.dead:
            self._current = None

    def _take_end(self, process: Process) -> None:
        """A process has ended by itself: well, or as it may."""
        self._world.kill(process)  # its other threads end with it
        self._shadow.killed()
        self._shadow.room, self._shadow.broken_syncs = None, 0
        failure = process.failure
        job = self._jobs.get(process)
        state = FAILED
        if failure is None:
            state = job.status().state if job is not None else STARTING
            state = FINISHED if state == STARTING else state  # there was nothing left to do
        self._world.note(f"{process.name} has {state}: {failure!r}")
        if state == FINISHED:
            self._tidy = not self._finished and job is not None
            self._finished = True
        elif state == STOPPED and STOP in process.excuses:
            self.result.counts["stopped"] += 1
        elif self._is_excused(process, failure):
            self.result.counts["failures"] += 1
        elif isinstance(failure, StateError) and self._usable is not None:
            self.result.counts["refusals"] += 1
            self._check_refusal(failure)
            if self.result.counts["refusals"] > 1:  # it must not go on at the second attempt
                self.result.refused = failure.message
        else:
            self.result.wrong.append(f"{process.name} has {state}: {type(failure).__name__}: {failure}")

    def _is_excused(self, process: Process, failure: BaseException | None) -> bool:
        if not isinstance(failure, PenstockError) or type(failure) is JobError:
            return False
        if isinstance(failure, (SinkLost, SourceLost)) and TROUBLE in process.excuses:
            return True
        return bool(process.excuses & {FULL, BROKEN, RIVAL})

    def _end_all(self) -> None:
        for process in self._world.processes:
            if not process.dead:
                self._world.kill(process)

    # -- what is done

    def _strike(self, process: Process, blow: Blow) -> None:
        if process.dead:
            return
        world, shadow, kind = self._world, self._shadow, blow.kind
        world.note(f"strike: {kind}")
        self.result.counts[kind] += 1
        process.excuses.add(kind)
        if kind in (KILL, DAMAGE):
            world.kill(process)
            shadow.killed()
            if kind == DAMAGE:
                found = manifests(shadow).items()
                self._damaged |= {number: data for number, data in found if is_durable(shadow, number)}
                usable = damage(shadow)
                self._usable = self._usable if usable is None else usable
        elif kind == POWER:
            for other in world.processes:
                if not other.dead:
                    world.kill(other)
            shadow.lose_power()
        elif kind == STOP and process in self._jobs:
            self._jobs[process].stop()
        elif kind == FULL:
            shadow.room = world.random.randrange(8_000)
            self._triggers.append(Trigger(process, None, blow.after, self._make_room))
        elif kind == BROKEN:
            shadow.broken_syncs = world.random.choice([1, 1, 2])
        elif kind == ZOMBIE:
            process.paused = True
            shadow.unlock(process)
            self._current = self._start()
            self._triggers.append(Trigger(self._current, None, blow.after, lambda: self._resume(process)))
        elif kind == TWICE:
            second = self._start()
            if self.scenario.locks:
                second.excuses.add(RIVAL)

    def _make_room(self) -> None:
        self._shadow.room = None

    def _resume(self, process: Process) -> None:
        self._world.note(f"resume {process.name}")
        process.paused = False

    # -- what must hold

    def _check_link(self, path: Path) -> None:
        """A file of an output has got its name: it must be whole, durable, and known to a durable manifest."""
        if OUTPUT not in path.parents or any(part.startswith((".", "_")) for part in path.relative_to(OUTPUT).parts):
            return
        if not path.name.startswith("part-"):
            return
        file = dict(self._shadow.walk(path))[path]
        digest = hashlib.blake2b(file.data, digest_size=16).hexdigest()[:12]
        if not file.durable or digest not in path.name:
            self.result.wrong.append(f"{path} is visible before it is whole")
        durable = [data for number, data in manifests(self._shadow).items() if is_durable(self._shadow, number)]
        if not any(path.name.encode() in data for data in (*durable, *self._damaged.values())):
            self.result.wrong.append(f"{path} is visible before its manifest is durable")

    def _check_refusal(self, failure: StateError) -> None:
        """Whether what was damaged could not be passed over."""
        if failure.damaged:
            # The part of the outbox that still has to be published may be what is damaged: the engine does not go back
            # to an older checkpoint for that.
            return
        usable = self._usable
        tokens = [topic.last.epoch for topic in self.topics.values() if topic.last is not None]
        tokens += file_tokens(self._shadow)
        if usable is not None and usable >= 0 and all(token <= usable for token in tokens):
            self.result.wrong.append(
                f"refused, though checkpoint {usable} is whole and outputs have {tokens}: {failure.message}"
            )

    def _collect_outputs(self) -> None:
        for topic in self.topics.values():
            topic.settle()
            self.result.wrong += [f'the output "{topic.name}": {what}' for what in topic.wrong]
            self.result.outputs[topic.name] = [change for _, changes in topic.epochs for change in changes]
        for broker in self.brokers:
            self.result.wrong += broker.wrong
        for name in self.scenario.into_files:
            found: list[Change] = []
            for path, file in sorted(self._shadow.walk(OUTPUT / name), key=lambda one: one[0]):
                if not any(part.startswith((".", "_")) for part in path.relative_to(OUTPUT).parts):
                    found += [(row_of(json.loads(line)), 1) for line in bytes(file.data).splitlines()]
            self.result.outputs[name] = found
