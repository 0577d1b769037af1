"""A killer: starts a program again and again, ends it at named points or at random instants, until it is through.

What it drives is a command that goes on where it was ended, as `penstock run` does. What must hold then is
for the caller to check: that the output is that of a run which nobody ended.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from penstock.core import files
from penstock.core.clock import Clock, Signal, SystemClock
from penstock.core.processes import Child
from penstock.core.timespan import MINUTE, SECOND
from penstock.testing.compare import CheckFailed

KILLED = -9


@dataclass
class Report:
    """What was done.

    Attributes:
        seed: The seed of the random instants.
        runs: How often the program was started.
        kills: How often it was ended from outside.
        points: At which points, and how often at each; `"random"` for random instants.
        elapsed_us: How long all took.
    """

    seed: int
    runs: int = 0
    kills: int = 0
    points: Counter[str] = field(default_factory=Counter)
    elapsed_us: int = 0

    def __str__(self) -> str:
        points = ", ".join(f"{name} {count}" for name, count in sorted(self.points.items()))
        return f"{self.kills} kills in {self.runs} runs, {self.elapsed_us / 1e6:.1f} s, seed {self.seed}: {points}"


class Killer:
    """Ends a program until it is through.

    Args:
        command: The program; `{python}` stands for this interpreter.
        folder: Where it runs; its output is in `killer.log` there.
        seed: Seeds the random instants.
        environment: What its environment has besides.
        patience_us: How long one run may take; a program that takes longer has hung.
        clock: Waits.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        seed: int = 0,
        environment: Mapping[str, str] | None = None,
        patience_us: int = 2 * MINUTE,
        clock: Clock | None = None,
    ) -> None:
        self._command = [sys.executable if part == "{python}" else part for part in command]
        self._folder = folder
        self._environment = dict(environment or {})
        self._patience = patience_us
        self._clock = clock or SystemClock()
        self._random = Random(seed)
        self.report = Report(seed)

    @property
    def log(self) -> Path:
        """Where the program's output is."""
        return self._folder / "killer.log"

    def points(self) -> dict[str, int]:
        """Run the program through once, unharmed: the points that it passes, and how often each.

        Raises:
            CheckFailed: If it does not end well.
        """
        seen = self._folder / "points.txt"
        files.remove(seen)
        self._require_end(self._start({"PENSTOCK_FAILPOINTS_SEEN": str(seen)}))
        counts: Counter[str] = Counter()
        for line in files.read_text(seen).splitlines():
            name, _, count = line.partition(" ")
            counts[name] += int(count)
        return dict(counts)

    def kill_at(self, point: str, turn: int = 1) -> bool:
        """Let the program end itself at a pass of a point; whether it has come there, or was through before.

        Raises:
            CheckFailed: If it ends in another way.
        """
        code = self._ended(self._start({"PENSTOCK_FAILPOINTS": f"{point}=kill@{turn}"}))
        if code == KILLED:
            self.report.kills += 1
            self.report.points[point] += 1
            return True
        self._require(code)
        return False

    def kill_at_random(self, least_us: int, most_us: int) -> bool:
        """End the program after a random time; whether it still ran.

        Raises:
            CheckFailed: If it had ended in another way than well.
        """
        child = self._start({})
        code = child.wait(self._random.randrange(least_us, most_us))
        if code is not None:
            self._require(code)
            return False
        child.kill()
        child.wait()
        self.report.kills += 1
        self.report.points["random"] += 1
        return True

    def finish(self) -> Report:
        """Let the program run to its end; what was done.

        Raises:
            CheckFailed: If it does not end well.
        """
        self._require_end(self._start({}))
        return self.report

    def start(self) -> Child:
        """Start the program and leave it to the caller, who may pause it or start a second one."""
        return self._start({})

    def _start(self, environment: Mapping[str, str]) -> Child:
        self.report.runs += 1
        return Child(self._command, self.log, {**self._environment, **environment}, self._folder)

    def _ended(self, child: Child) -> int:
        begun = self._clock.monotonic()
        code = child.wait(self._patience)
        self.report.elapsed_us += self._clock.monotonic() - begun
        if code is None:
            child.kill()
            raise CheckFailed(f"the program has not ended after {self._patience / SECOND:g} s\n{self._tail()}")
        return code

    def _require_end(self, child: Child) -> None:
        self._require(self._ended(child))

    def _require(self, code: int) -> None:
        if code != 0:
            raise CheckFailed(f"the program ended with {code}\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(files.read_text(self.log).splitlines()[-30:])

    def pause(self, span_us: int) -> None:
        """Let time pass."""
        self._clock.wait(Signal(), span_us)
