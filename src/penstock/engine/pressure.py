"""A memory budget while a pipeline runs: what is cold leaves memory, and steps shrink before it is passed."""

from __future__ import annotations

from pathlib import Path

from penstock.core import memory
from penstock.core.clock import Signal
from penstock.core.memory import Scratch, resident
from penstock.core.threads import Worker
from penstock.core.timespan import MILLISECOND
from penstock.engine.options import LEAST_ROWS, MOST_ROWS

STEPS_SHARE = 4
"""Which part of the budget a step may bring into memory: one of so many. What stays below three quarters is kept."""

LOOK_EVERY = 4 * MILLISECOND
"""How often to look how much memory is in use, beside the steps: one call may touch all state, as a restart does."""


class Pressure:
    """Keeps a process within its budget, from its making until `close`.

    Args:
        budget: How many bytes the process should have in memory.
        folder: Where scratch files are made; None = where the system has its temporary files.

    Attributes:
        rows: How many rows a step may take.

    Raises:
        StartError: If it cannot be kept.
    """

    def __init__(self, budget: int, folder: Path | None) -> None:
        self.rows = MOST_ROWS
        self._found = resident()
        self._each = 0.0
        self._scratch = Scratch(folder, budget)
        memory.enter(self._scratch)
        self._over = Signal()
        self._watcher = Worker("memory", self._watch).start()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._scratch.relieve()

    def learn(self, rows: int) -> None:
        """A step of so many rows has ended: what it has left in memory says how many rows the next may take."""
        if rows:
            # What a row brings into memory: pages of the state of its key, and what is made of it.
            each = max(0, resident() - self._found) / rows
            self._each += (each - self._each) / 8
            room = self._scratch.budget // STEPS_SHARE
            self.rows = int(min(MOST_ROWS, max(LEAST_ROWS, room / self._each))) if self._each else MOST_ROWS
        self._scratch.relieve()
        self._found = resident()

    def close(self) -> None:
        """Let other runs have memory as it comes; what lies on scratch files goes with its users."""
        memory.leave(self._scratch)
        self._over.set()
        self._watcher.join()
        self._scratch.release(0)
