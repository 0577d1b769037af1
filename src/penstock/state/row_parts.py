"""What a store of rows (`penstock.state.rows`) takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np, pl
from penstock.state.slots import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Put:
    """What one `put` did.

    Attributes:
        slots: By row given, the slot of the stored row.
        keys: By row given, the slot of its key.
        counts: By row given, how often the stored row is there now.
        before: By row given, how often it was there before the call.
        new: The slots that this call made, in order of their first row.
        first_row: For each of them, its first row, as a place among the rows given.
    """

    slots: NDArray[np.int32]
    keys: NDArray[np.int32]
    counts: NDArray[np.int64]
    before: NDArray[np.int64]
    new: NDArray[np.int32]
    first_row: NDArray[np.int32]

    def emptied(self) -> NDArray[np.int32]:
        """The slots of rows that are not there any more, each once: what `drop` takes."""
        found: NDArray[np.int32] = distinct(self.slots[self.counts == 0])
        return found


def gathered(columns: Sequence[pl.Series], rows: Any) -> list[pl.Series]:
    """Some rows of columns, by index. By `[]`: `Series.gather` builds a query for it."""
    index = pl.Series(rows)
    return [series[index] for series in columns]


def some_of(values: Any, chosen: Any) -> Any:
    """Some of the values of an array, by index; all if not told which."""
    return np.asarray(values) if chosen is None else np.asarray(values)[chosen]
