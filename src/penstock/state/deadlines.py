"""When rows go: slots by an instant, in sorted runs that are merged as they grow.

Putting n slots in costs n log n in all, taking out what is due costs what is due: nothing is looked at that stays.
It is not stored: who restores a table makes it anew from the instants that its rows hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Deadlines:
    """Slots by instant; a slot whose row has gone meanwhile is still given, and who asks must look."""

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []

    def __len__(self) -> int:
        return sum(len(times) for times, _ in self._runs)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(times.nbytes + slots.nbytes for times, slots in self._runs)

    @property
    def first(self) -> int | None:
        """The least instant; None if there is none."""
        return min((int(times[0]) for times, _ in self._runs), default=None)

    def put(self, times: Any, slots: Any) -> None:
        """Add slots, each with its instant."""
        if not len(times):
            return
        order = np.argsort(times, kind="stable")
        self._runs.append((np.asarray(times, np.int64)[order], np.asarray(slots, np.int32)[order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            one, other = self._runs[-2], self._runs.pop()
            merged, both = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
            order = np.argsort(merged, kind="stable")
            self._runs[-1] = (merged[order], both[order])

    def take(self, until: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Take out all whose instant is before `until`: instants and slots, in no order."""
        times, slots, left = [], [], []
        for run in self._runs:
            count = int(np.searchsorted(run[0], until, side="left"))
            if count:
                times.append(run[0][:count])
                slots.append(run[1][:count])
                run = (run[0][count:], run[1][count:])
            if len(run[0]):
                left.append(run)
        self._runs = left
        if not times:
            return np.empty(0, np.int64), np.empty(0, np.int32)
        return np.concatenate(times), np.concatenate(slots)

    def clear(self) -> None:
        """Forget all."""
        self._runs = []
