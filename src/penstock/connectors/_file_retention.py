"""How much of its output a file sink keeps."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.connectors._file_log import History


@dataclass(frozen=True)
class Retention:
    """How much output is kept; the newest epoch with rows always is.

    Attributes:
        bytes: How many bytes; None = all.
        span: For how many microseconds; None = for ever.
    """

    bytes: int | None = None
    span: int | None = None

    def first_kept(self, history: History, size: int, now: int) -> int:
        """The number of the oldest manifest whose files are kept once the next one adds some.

        Args:
            history: The manifests so far.
            size: How many bytes the next one adds.
            now: The clock, in microseconds.
        """
        live = [(one.number, one.at, sum(part.bytes for part in one.parts)) for one in history.entries]
        if size:
            live.append((history.next, now, size))
        total, place = history.bytes + size, 0
        while place < len(live) - 1:
            old = self.span is not None and live[place][1] < now - self.span
            if not old and (self.bytes is None or total <= self.bytes):
                break
            total -= live[place][2]
            place += 1
        return live[place][0] if place else history.first
