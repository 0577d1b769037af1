"""How rows of splits come in time: how far out of order, and how far ahead of the clock. Counted, never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.core.lazy import np
from penstock.core.timespan import MILLISECOND, NEVER
from penstock.kernels.watermark import BUCKETS, note_disorder

SHARES = {"most": 0.99, "nearly_all": 0.999, "all": 1.0}
"""Of how many rows of a split a bound is told that would have let them be in time."""


@dataclass
class SplitTimes:
    """What was seen of the rows of one split since the run began.

    Attributes:
        rows: How many had an event time.
        behind: How many came after a row with a later time.
        late: How many of them came when the watermark of their split had reached them.
        ahead: How far a row was ahead of the clock of the step that took it, at most; NEVER if none came.
        greatest: How far a row was behind another before it, at most.
    """

    rows: int = 0
    behind: int = 0
    late: int = 0
    ahead: int = NEVER
    greatest: int = 0
    buckets: Any = field(default_factory=lambda: np.zeros(BUCKETS, np.int64))

    def note(self, times: Any, before: Any, delay: int | None, now: int) -> None:
        """Count rows.

        Args:
            times: Their instants.
            before: The watermark before each.
            delay: The bound that the watermark is behind the greatest time; None if that is not how it moves.
            now: The clock of the step.
        """
        if not len(times):
            return
        self.rows += len(times)
        self.ahead = max(self.ahead, int(times.max()) - now)
        if delay is not None:
            behind, late, greatest = note_disorder(times, before, delay, self.buckets)
            self.behind, self.late = self.behind + int(behind), self.late + int(late)
            self.greatest = max(self.greatest, int(greatest))

    def bounds(self) -> dict[str, int]:
        """Which bound of disorder would have let how many rows be in time, in microseconds, to an eighth."""
        needed = {}
        in_order, so_far = self.rows - self.behind, np.cumsum(self.buckets)
        for name, share in SHARES.items():
            wanted = -int(-share * self.rows // 1) - in_order
            if wanted <= 0:
                needed[name] = 0
                continue
            bucket = int(np.searchsorted(so_far, min(wanted, self.behind)))
            top = (_top(bucket) + 1) * MILLISECOND
            needed[name] = min(top, (self.greatest // MILLISECOND + 1) * MILLISECOND)
        return needed


def _top(bucket: int) -> int:
    """The greatest number of milliseconds that is counted in a bucket."""
    if bucket < 16:
        return bucket
    shift = bucket // 8 - 1
    return ((bucket - 8 * shift + 1) << shift) - 1
