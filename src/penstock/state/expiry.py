"""Time-to-live of the keys of an arrangement: what an operator needs to let them expire.

A row has an instant: by event time the later of its time and of its own split's watermark before it, by processing time
the clock of its step. A key has the greatest instant of its rows. A row that comes `ttl` or more after that begins its
key anew, as if it had never been: so nothing depends on how steps are cut, or on when a key is really removed. Keys are
removed once time has come so far that no row could find them any more: a bounded number per step.

Keys to be removed are found by a wheel of buckets: a key is filed by its last instant, once, and looked at again when
its bucket is due. If it was touched meanwhile, it is filed anew. So a key costs one look per time-to-live, whatever
the size of the state; the wheel is not stored, but made from the last instants.

How an operator uses it (see `AggregateTable.fold` and `GroupExecutor`):

1. Its arrangement has the words of `INITIAL` behind its own, from column `last` on.
2. Behind each `upsert`, `admit` says which rows count. Stale ones belong to keys that have expired: the operator sends
   what it has to send for these keys, deletes `stopped`, and takes the stale rows again, in order, until none is left.
   Refused ones take back what is not there: they leave by `errors`.
3. At the end of a step, `expire` gives slots that the operator deletes, silently. `due` says when that is worth a call:
   `Executor.due` by event time, `Executor.wakes` by processing time.
4. After `fill`: `restored`; for slots that come from another table: `adopt`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.lazy import np
from penstock.core.timespan import END, MILLISECOND, NEVER
from penstock.kernels.arrays import frozen
from penstock.kernels.expiry import STALE, TAKEN, UNTOUCHED, admit, first_alive, sweep
from penstock.state.words import as_argument

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Rows
    from penstock.state.arrangement import Arrangement

INITIAL = (UNTOUCHED, -1)
"""The two words of a new slot: the last instant, and the bucket in which it is filed."""

BUCKETS = 16
"""Into how many buckets a time-to-live is cut: a key is removed at most a sixteenth of it too late."""

MOST_LOOKS = 1 << 16
"""How many keys a step looks at, at most, to find those to remove."""


class Admitted(NamedTuple):
    """What became of rows.

    Attributes:
        rows: The rows that count, in order.
        slots: The slot of each.
        stale: The rows whose keys had expired, in order.
        stopped: The slots of these keys, each once.
        refused: The rows that take back what is not there.
    """

    rows: Rows
    slots: Rows
    stale: Rows
    stopped: Rows
    refused: Rows


class Expiry:
    """Lets the keys of an arrangement expire.

    Args:
        keys: The arrangement.
        last: The column of its table where the words of `INITIAL` are.
        ttl: How long keys are kept after their last row, in microseconds.
        count: The column that counts the rows of each key, if rows can be taken back; `admit` counts them.
    """

    def __init__(self, keys: Arrangement, last: int, ttl: int, count: int | None = None) -> None:
        self.keys, self.last, self.ttl = keys, last, ttl
        self._count = -1 if count is None else count
        self._grain = max(MILLISECOND, ttl // BUCKETS)
        self._wheel: dict[int, list[Rows]] = {}
        self._unknown: Rows = np.empty(0, np.int32)

    def admit(self, slots: Rows, rows: Array | None, instants: Array, signs: Array | None = None) -> Admitted | None:
        """Test the rows of an `upsert`, and touch the keys of those that count; None if all do.

        Args:
            slots: The slot of each place.
            rows: The row of each place; None = place p is row p.
            instants: By row, its instant.
            signs: By row, +1 or -1.
        """
        verdicts, begun = np.empty(len(slots), np.uint8), np.empty(len(slots), np.int32)
        left, first = admit(
            frozen(slots, np.int32),
            as_argument(rows, np.int32),
            frozen(instants, np.int64),
            as_argument(signs, np.int8),
            self.keys.table,
            self.last,
            self._count,
            self.ttl,
            verdicts,
            begun,
        )
        self.file(begun[:first])
        if not left:
            return None
        every = np.arange(len(slots), dtype=np.int32) if rows is None else rows
        taken, stale = verdicts == TAKEN, verdicts == STALE
        stopped = np.unique(slots[stale])
        return Admitted(every[taken], slots[taken], every[stale], stopped, every[~taken & ~stale])

    def first(self, slots: Rows, instants: Array) -> Array:
        """The rows of an `upsert` that begin their keys, for those who send only these: others do not touch a key.

        Args:
            slots: By row, its slot.
            instants: By row, its instant.
        """
        first, begun = np.zeros(len(slots), np.bool_), np.empty(len(slots), np.int32)
        count = first_alive(
            frozen(slots, np.int32), frozen(instants, np.int64), self.keys.table, self.last, self.ttl, first, begun
        )
        self.file(begun[:count])
        return first

    def file(self, slots: Array) -> None:
        """Remember to look at live slots when they may have expired; those without a row are left out."""
        table = self.keys.table
        slots = slots[np.abs(table[slots, self.last]) < -UNTOUCHED]
        if not len(slots):
            return
        buckets = table[slots, self.last] // self._grain
        table[slots, self.last + 1] = buckets
        if buckets[0] == buckets[-1] and (buckets == buckets[0]).all():
            self._wheel.setdefault(int(buckets[0]), []).append(slots.astype(np.int32))
            return
        order = np.argsort(buckets, kind="stable")
        slots, buckets = slots[order].astype(np.int32), buckets[order]
        bounds = [0, *(np.flatnonzero(np.diff(buckets)) + 1).tolist(), len(slots)]
        for low, high in itertools.pairwise(bounds):
            self._wheel.setdefault(int(buckets[low]), []).append(slots[low:high])

    def due(self) -> int | None:
        """The instant at which `expire` will find something to look at; None if there is no key."""
        if len(self._unknown):
            return NEVER + 1
        return (min(self._wheel) + 1) * self._grain + self.ttl if self._wheel else None

    def expire(self, now: int) -> Rows:
        """Slots that have expired, for the operator to delete: it has looked at so many of them as a step may.

        Args:
            now: How far time has come: the watermark or the clock, after all rows of the step. At END nothing expires:
                nobody comes any more.
        """
        gone: list[Rows] = []
        left = MOST_LOOKS if NEVER < now < END else 0
        while left > 0 and self._wheel:
            bucket = min(self._wheel)
            if (bucket + 1) * self._grain + self.ttl > now:
                break
            filed = self._wheel[bucket]
            some = filed.pop()
            if len(some) > left:
                filed.append(some[left:])
                some = some[:left]
            if not filed:
                del self._wheel[bucket]
            left -= len(some)
            gone.append(self._sweep(some, bucket, now))
        return np.concatenate(gone) if gone else np.empty(0, np.int32)

    def _sweep(self, slots: Rows, bucket: int, now: int) -> Rows:
        gone, kept = np.empty(len(slots), np.int32), np.empty(len(slots), np.int32)
        mark = self.keys.first - 1
        left, again = sweep(frozen(slots), bucket, now, self.ttl, self.keys.table, mark, self.last, gone, kept)
        self.file(kept[:again])
        return gone[:left]

    def restored(self) -> None:
        """Make the wheel anew, after the arrangement was filled."""
        self._wheel = {}
        self._unknown = self._unknown[:0]
        self.adopt(self.keys.live())

    def adopt(self, slots: Array) -> None:
        """File live slots that come from elsewhere, also those that were stored without a last instant."""
        self.file(slots)
        unknown = slots[self.keys.table[slots, self.last] == UNTOUCHED]
        self._unknown = np.concatenate([self._unknown, unknown.astype(np.int32)])

    def begin(self, now: int, step: int) -> None:
        """Give keys that were stored without a last instant that of the first step: their time begins here."""
        if len(self._unknown) and NEVER < now < END:
            table, slots = self.keys.table, self._unknown
            slots = slots[(table[slots, self.last] == UNTOUCHED) & (table[slots, self.keys.first - 1] >= 0)]
            table[slots, self.last] = now
            self.keys.mark_touched(slots, step)
            self.file(slots)
            self._unknown = self._unknown[:0]


def earliest(tables: Sequence[Any]) -> int | None:
    """The earliest `due` of tables that have an `expiry`."""
    found = [due for table in tables if table.expiry is not None and (due := table.expiry.due()) is not None]
    return min(found, default=None)
