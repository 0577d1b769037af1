"""Looks now and then whether sources have splits that were not there when the run began."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.core.clock import Clock, Signal
from penstock.core.errors import PenstockError
from penstock.core.threads import Worker
from penstock.core.timespan import SECOND
from penstock.operators.read import Read

EVERY = 30 * SECOND


def _grows(read: Read) -> bool:
    return read.source.rediscovers and not read.source.bounded


class Discovery:
    """Asks sources for their splits, in a thread of its own.

    Args:
        reads: The sources; those whose splits never change are not asked.
        known: For each, the names of the splits that are read.
        found: Called once, when there is another.
        clock: Waits.
        every: How long to wait between two looks, in microseconds.
    """

    def __init__(
        self,
        reads: Sequence[Read],
        known: Sequence[Sequence[str]],
        found: Callable[[], None],
        clock: Clock,
        every: int = EVERY,
    ) -> None:
        self._asked = [(r, set(names)) for r, names in zip(reads, known, strict=True) if _grows(r)]
        self._found = found
        self._clock = clock
        self._every = every
        self._end = Signal()
        self._worker = Worker("splits", self._look).start() if self._asked else None

    def _look(self) -> None:
        while not self._clock.wait(self._end, self._every):
            if any(self._is_new(read, known) for read, known in self._asked):
                self._found()
                return

    def _is_new(self, read: Read, known: set[str]) -> bool:
        try:
            return any(split.name not in known for split in read.source.splits())
        except PenstockError:
            return False  # it cannot be reached now: its readers will say so if that stays

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        if self._worker is not None:
            self._worker.join(SECOND)
