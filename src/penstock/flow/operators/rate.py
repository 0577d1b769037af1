"""Operators for sides of unequal speed: buffers, conflation, batches, expansion."""

from __future__ import annotations

from typing import Any, Self

from penstock.flow.buffers import Buffer, checked_overflow
from penstock.flow.operators.base import Step, Verbs, positive
from penstock.flow.relay import Relay
from penstock.flow.spill import Spill
from penstock.flow.stage import CHUNK, Context, Pull


class _Buffer(Relay):
    """Pulls ahead. A full buffer that drops is still fed: whoever waits below is served first."""

    def __init__(self, up: Pull, context: Context, size: int, overflow: str, spill: Spill | None) -> None:
        super().__init__(up, context)
        self.buffer = Buffer(size, overflow, self.dropped, spill)

    def room(self) -> int:
        if self.buffer.waits or (self.wanted and self.buffer):
            return 0
        return min(CHUNK, self.buffer.room()) or 1

    def accept(self, chunk: list[Any]) -> None:
        self.buffer.extend(chunk)

    def give(self, most: int) -> list[Any]:
        return self.buffer.take(most)

    def buffered(self) -> int:
        return len(self.buffer)

    async def close(self) -> None:
        await super().close()
        self.buffer.close()


class Rate(Verbs):
    """Operators for sides of unequal speed."""

    def buffer(self, size: int, overflow: str = "backpressure", *, spill: Spill | None = None) -> Self:
        """Keep up to `size` elements that nobody has asked for yet.

        Args:
            size: How many.
            overflow: What becomes of the element that comes when all are kept: `backpressure` lets it wait; `drop_head`
                drops the oldest kept, `drop_tail` the youngest kept, `drop_new` the one that comes, `drop_buffer` all
                kept; `fail` fails the stream; `spill` keeps it on disk, in order.
            spill: Where and how to spill.

        What is kept goes out before the end, and before a failure of the input. `statistics()` counts what was dropped.
        """
        n, overflow = positive("buffer", "size", size), checked_overflow("buffer", overflow)
        return self._then(Step("buffer", lambda up, ctx: _Buffer(up, ctx, n, overflow, spill)))
