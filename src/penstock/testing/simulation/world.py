"""A world of its own: threads that run one at a time, in an order and a time that a seed decides.

Every thread of the world is a real one that waits until it is handed the baton. Whoever has the baton runs; at the next
failpoint, or when it must wait, it hands the baton on. So a run is one sequence of steps, and a seed gives it again.
Threads belong to processes, which can be ended at any point (nothing of them happens any more) and paused.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from penstock.core.timespan import DAY, MILLISECOND, SECOND

START = 20_000 * DAY
MOST_POINTS = 300_000
"""After so many points a run has got stuck in a circle."""

SHOWN = 400
"""How many lines of the trace are kept for a message when no trace was asked for."""

RIVAL = "rival"
"""The excuse of a process beside which another runs the same pipeline."""

READY, WAITING, DONE = "ready", "waiting", "done"


class Killed(BaseException):
    """Unwinds the threads of a process that was ended; nothing that they still do has an effect."""


class Stuck(Exception):
    """Nobody can go on, or nobody comes to an end."""


@dataclass(eq=False)
class Process:
    """A process of the world.

    Attributes:
        number: Its number; no other process has it.
        name: What it is called in traces.
        dead: Whether it was ended: its threads unwind, without effect.
        paused: Whether its threads do not go on, as after SIGSTOP.
        ended: Whether its main thread has come to its end.
        failure: What ended its main thread, if that was a failure.
        threads: Its threads that have not ended.
        points: How many points it has passed.
        passed: How often each point was passed.
        excuses: What was done to it that excuses a failure; for the judge.
    """

    number: int
    name: str
    dead: bool = False
    paused: bool = False
    ended: bool = False
    failure: BaseException | None = None
    threads: list[SimulatedThread] = field(default_factory=list)
    points: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    excuses: set[str] = field(default_factory=set)


@dataclass(eq=False)
class SimulatedThread:
    """A thread of a process.

    Attributes:
        process: Whose it is.
        name: Its name.
        priority: Who has the greatest goes on, where the schedule is by priorities.
        state: Whether it can go on.
        deadline: Until when it waits, if it waits for a time.
        baton: Released to let it go on.
    """

    process: Process
    name: str
    priority: float
    state: str = READY
    deadline: int | None = None
    baton: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.baton.acquire()


class World:
    """Time, threads and processes.

    Args:
        seed: Decides everything.
        tracing: Whether the whole trace is kept, and not its end only.

    Attributes:
        random: What the schedule and the models draw from.
        names: What names of files are drawn from.
        time: The time, in microseconds since 1970.
        running: The thread that has the baton; None while the controller has it.
        watch: Asked at each point, with process and name, whether the controller wants the baton.
        lines: The trace, or its end.
    """

    def __init__(self, seed: str, *, tracing: bool = False) -> None:
        self.random = Random(f"{seed}/schedule")
        self.names = Random(f"{seed}/names")
        self.time = START
        self.running: SimulatedThread | None = None
        self.watch: Callable[[Process, str], bool] = lambda process, name: False
        self.lines: deque[str] = deque(maxlen=None if tracing else SHOWN)
        self.points = 0
        self.processes: list[Process] = []
        self._threads: list[SimulatedThread] = []
        self._digest = hashlib.blake2b(digest_size=16)
        self._controller = threading.Lock()
        self._controller.acquire()
        self._stuck = False
        # Three kinds of schedules: some bugs need frequent changes, others one thread that is far behind.
        self._stay = self.random.choice([0.0, 0.5, 0.9, 0.97])
        self._by_priority = self.random.random() < 0.3
        self._slow = self.random.choice([0.0, 0.001, 0.01])

    # -- the trace

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        who = f"{self.running.process.name}/{self.running.name}" if self.running is not None else "-"
        line = f"{(self.time - START) / SECOND:12.6f} {who} {text}"
        self._digest.update(line.encode())
        self.lines.append(line)

    def digest(self) -> str:
        """A digest of the whole trace."""
        return self._digest.hexdigest()

    # -- for threads

    @property
    def process(self) -> Process | None:
        """The process that runs; None for the controller."""
        return self.running.process if self.running is not None else None

    def require_alive(self) -> None:
        """Let nothing happen in a process that was ended.

        Raises:
            Killed: If the process that runs was ended.
        """
        if self.running is not None and self.running.process.dead:
            raise Killed

    @property
    def is_dead(self) -> bool:
        """Whether the process that runs was ended."""
        return self.running is not None and self.running.process.dead

    def point(self, name: str) -> None:
        """Pass a point: another thread may go on here, time passes, the controller may act.

        Raises:
            Killed: If the process was ended.
        """
        me = self.running
        if me is None:
            return
        self.require_alive()
        self.time += self.random.randrange(1, 40)
        self.points += 1
        me.process.points += 1
        me.process.passed[name] += 1
        self.note(name)
        if self.points > MOST_POINTS:
            self._stuck = True
            self._to_controller(me)
        if self.watch(me.process, name):
            self._to_controller(me)
        if self.random.random() < self._slow:
            self.sleep(self.random.choice([MILLISECOND, 10 * MILLISECOND, 200 * MILLISECOND]))
        else:
            self._hand_on(me)

    def sleep(self, span: int) -> None:
        """Let time pass for the thread that runs."""
        if self.running is not None:
            self.wait(self.time + span)

    def wait(self, deadline: int | None) -> None:
        """Let others run until somebody calls `wake`, or the time has come.

        Raises:
            Killed: If the process was ended.
        """
        me = self.running
        if me is None:
            raise Stuck("the controller cannot wait")
        self.require_alive()
        me.state, me.deadline = WAITING, deadline
        self._hand_on(me)

    def wake(self, thread: SimulatedThread) -> None:
        """Let a thread that waits go on."""
        if thread.state == WAITING:
            thread.state, thread.deadline = READY, None

    def start(self, name: str, run: Callable[[], None], process: Process | None = None) -> None:
        """Start a thread, in the process that runs or another.

        Raises:
            Killed: If the process was ended.
        """
        self.require_alive()
        owner = process or self.process
        if owner is None:
            raise Stuck(f'the thread "{name}" belongs to no process')
        thread = SimulatedThread(owner, name.removeprefix("penstock-"), self.random.random())
        owner.threads.append(thread)
        self._threads.append(thread)
        threading.Thread(target=self._run, args=(thread, run), name=name, daemon=True).start()

    def _run(self, thread: SimulatedThread, run: Callable[[], None]) -> None:
        thread.baton.acquire()
        try:
            if not thread.process.dead:
                run()
        except BaseException as failure:  # noqa: BLE001  (kept; a simulated process must not end the real one)
            thread.process.failure = thread.process.failure or failure
        self._end(thread)

    def _end(self, thread: SimulatedThread) -> None:
        process = thread.process
        thread.state = DONE
        self._threads.remove(thread)
        process.threads.remove(thread)
        if process.dead:
            self.running = None
            self._controller.release()
            return
        if thread.name == "main":
            process.ended = True
            self._release(None)
        else:
            self._release(self._next(None))

    # -- who goes on

    def _hand_on(self, me: SimulatedThread) -> None:
        chosen = self._next(me)
        if chosen is not me:
            self._release(chosen)
            me.baton.acquire()
        self.require_alive()

    def _to_controller(self, me: SimulatedThread) -> None:
        self._release(None)
        me.baton.acquire()
        self.require_alive()

    def _release(self, chosen: SimulatedThread | None) -> None:
        """Hand the baton to a thread, or to the controller."""
        self.running = chosen
        (chosen.baton if chosen is not None else self._controller).release()

    def _next(self, me: SimulatedThread | None) -> SimulatedThread | None:
        """Who goes on; None if nobody can."""
        free = [thread for thread in self._threads if not thread.process.paused]
        ready = self._ready(free)
        if not ready:
            moments = [thread.deadline for thread in free if thread.deadline is not None]
            if not moments:
                self._stuck = True
                return None
            self.time = max(self.time, min(moments))
            ready = self._ready(free)
        if self._by_priority:
            if me is not None and self.random.random() < 0.03:
                me.priority = self.random.random()
            return max(ready, key=lambda thread: thread.priority)
        if me in ready and self.random.random() < self._stay:
            return me
        return ready[self.random.randrange(len(ready))]

    def _ready(self, free: list[SimulatedThread]) -> list[SimulatedThread]:
        for thread in free:
            if thread.state == WAITING and thread.deadline is not None and thread.deadline <= self.time:
                self.wake(thread)
        return [thread for thread in free if thread.state == READY]

    # -- for the controller

    def spawn(self, name: str, run: Callable[[], None]) -> Process:
        """Start a process; it runs when `go` is called."""
        process = Process(len(self.processes) + 1, name)
        self.processes.append(process)
        self.start("main", run, process)
        return process

    def go(self) -> None:
        """Let threads run until `watch` wants the baton, or the main thread of a process has ended.

        Raises:
            Stuck: If nobody can go on, or no end is in sight.
        """
        chosen = self._next(None)
        if chosen is not None:
            self._release(chosen)
            self._controller.acquire()
        if self._stuck:
            self._stuck = False
            raise Stuck(f"after {self.points} points: {self._where()}")

    def _where(self) -> str:
        return "; ".join(f"{t.process.name}/{t.name} {t.state}" for t in self._threads) or "there are no threads"

    def kill(self, process: Process) -> None:
        """End a process: its threads unwind now, and nothing that they do has an effect."""
        self.note(f"kill {process.name}")
        process.dead = True
        for thread in list(process.threads):
            self.running = thread
            thread.baton.release()
            self._controller.acquire()
            self.running = None
