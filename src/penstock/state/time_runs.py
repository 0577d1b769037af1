"""Rows that wait for the watermark: sorted runs of instants, merged as they grow."""

from __future__ import annotations

from typing import Any

from penstock.core.lazy import np


class TimeRuns:
    """Instants with slots, taken out from the earliest on.

    A run is sorted, and at least twice as long as the one behind it; so there are few of them, and an entry is merged
    as often as the logarithm of their number says. Nothing of it is stored: it is made anew from what the slots hold.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Any, Any]] = []

    def __len__(self) -> int:
        return sum(len(times) for times, _ in self._runs)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return sum(int(times.nbytes + slots.nbytes) for times, slots in self._runs)

    def add(self, times: Any, slots: Any) -> None:
        """Let rows wait.

        Args:
            times: Their instants (int64).
            slots: Their slots.
        """
        if not len(times):
            return
        order = np.argsort(times, kind="stable")
        self._runs.append((times[order], slots[order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            (t2, s2), (t1, s1) = self._runs.pop(), self._runs.pop()
            times, slots = np.concatenate([t1, t2]), np.concatenate([s1, s2])
            order = np.argsort(times, kind="stable")
            self._runs.append((times[order], slots[order]))

    def earliest(self) -> int | None:
        """The instant of the first row; None if there is none."""
        return min((int(times[0]) for times, _ in self._runs), default=None)

    def take(self, until: int) -> Any:
        """The slots of all rows up to an instant, itself included, in no order."""
        found, left = [np.empty(0, np.int32)], []
        for times, slots in self._runs:
            cut = int(np.searchsorted(times, until, side="right"))
            found.append(slots[:cut])
            if cut < len(times):
                left.append((times[cut:], slots[cut:]))
        self._runs = left
        return np.concatenate(found)
