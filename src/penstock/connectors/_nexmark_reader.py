"""Reads Nexmark events from any position on, as fast as they are wanted or at a rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.connectors.base import Polled, Reader, ReadRequest
from penstock.connectors.formats._adapt import MismatchError
from penstock.connectors.formats._chunk import typed_chunk
from penstock.core.clock import Clock
from penstock.core.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

SECOND_US = 1_000_000


class NexmarkReader(Reader):
    """Makes events and keeps those of one kind.

    A position is the number of events and of rows before it.

    Args:
        make: Makes the rows among some events, given the first one and how many.
        share: Rows per event.
        total: How many events there are, or None.
        rate: Events per second, or None.
        position: Where to begin, or None.
        request: What is wanted.
        clock: Tells what is due.
    """

    def __init__(
        self,
        make: Callable[[int, int], pl.DataFrame],
        share: float,
        total: int | None,
        rate: float | None,
        position: dict[str, int] | None,
        request: ReadRequest,
        clock: Clock,
    ) -> None:
        self._make = make
        self._share = share
        self._total = total
        self._rate = rate
        self._request = request
        self._clock = clock
        self._event = self._first = position["event"] if position else 0
        self._row = position["row"] if position else 0
        self._started: int | None = None
        if rate is not None:
            self.retry_after_us = max(1_000, round(SECOND_US / rate))

    def _due(self, max_rows: int) -> int:
        count = max(1, int(max_rows / self._share))
        if self._total is not None:
            count = min(count, self._total - self._event)
        if self._rate is None:
            return count
        now = self._clock.monotonic()
        if self._started is None:
            self._started = now
        return min(count, self._first + int((now - self._started) * self._rate / SECOND_US) - self._event)

    def poll(self, max_rows: int) -> Polled | None:
        """The rows among the events that are due; None if there are none yet, or no more.

        Raises:
            SourceError: If a column was declared as a type that it has not.
        """
        while (count := self._due(max_rows)) > 0:
            frame = self._make(self._event, count)
            self._event += count
            if frame.height:
                return self._polled(frame)
        return None

    def _polled(self, frame: pl.DataFrame) -> Polled:
        try:
            chunk = typed_chunk(frame, self._request, self._row, lambda row: f"nexmark: row {row}")
        except MismatchError as mismatch:
            raise SourceError(f"nexmark: {mismatch}") from None
        self._row += frame.height
        position: dict[str, Any] = {"event": self._event, "row": self._row}
        return Polled(chunk.frame, chunk.rows, chunk.bad, position)

    @property
    def ended(self) -> bool:
        """Whether all events were made."""
        return self._total is not None and self._event >= self._total
