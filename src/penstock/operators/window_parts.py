"""What windows are executed with: panes, rows beside them, sorted rows, closed windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from penstock.core.delta import Delta
from penstock.core.lazy import np
from penstock.kernels.scatter import Bucket
from penstock.operators.grid import Assigned
from penstock.state.aggregates import AggregateTable
from penstock.state.batch import Batch
from penstock.state.raw import Raw


@dataclass
class Side:
    """Rows that are late for some of a pane's windows.

    Attributes:
        delta: The rows: keys, and what is aggregated.
        watermarks: For each, the watermark before it.
        places: For each, its place among all that the operator has taken.
    """

    delta: Delta
    watermarks: Any
    places: Any


@dataclass
class Pane:
    """The rows of a piece of time.

    Attributes:
        tables: By shard, the aggregates of rows that are in time for all its windows.
        side: The others.
    """

    tables: dict[int, AggregateTable] = field(default_factory=dict)
    side: list[Side] = field(default_factory=list)


@dataclass
class Closed:
    """The rows that one shard has for a window.

    Attributes:
        begin: The window's start.
        end: Its end.
        length: How many rows.
        columns: Keys and aggregates.
        ordered: Whether the rows are in key order.
        fits: By row, whether it is a result: a sum may not fit its type. None = all are.
    """

    begin: int
    end: int
    length: int
    columns: list[Raw]
    ordered: bool
    fits: Any = None

    def fitting(self) -> Closed:
        """The rows that are results."""
        columns = [column.take(self.fits) for column in self.columns]
        return Closed(self.begin, self.end, int(self.fits.sum()), columns, self.ordered)


class Sorted(NamedTuple):
    """A range of rows, sorted.

    Attributes:
        assigned: Their panes and statuses.
        buckets: Those in time, by pane and shard; rows are counted from `low`.
        low: The first row of the range.
        high: The row behind its last.
    """

    assigned: Assigned
    buckets: list[Bucket]
    low: int
    high: int


def rejoined(found: Sequence[Sorted]) -> tuple[Any, Any]:
    """Panes and statuses of all ranges end to end."""
    if len(found) == 1:
        return found[0].assigned.panes, found[0].assigned.statuses
    panes = np.concatenate([part.assigned.panes for part in found])
    return panes, np.concatenate([part.assigned.statuses for part in found])


def fold_all(batch: Batch, work: Sequence[tuple[AggregateTable, Any]], turn: int) -> None:
    """Fold rows of a batch into tables, in order."""
    for table, rows in work:
        table.fold(batch, rows, turn)


def ranks_of(made: Sequence[Closed]) -> Any:
    """By closed window, the place of the window among those of the delta: parts of one window share it."""
    numbers: dict[tuple[int, int], int] = {}
    return np.array([numbers.setdefault((c.end, c.begin), len(numbers)) for c in made], np.int64)
