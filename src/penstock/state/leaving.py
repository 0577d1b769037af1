"""Which rows of a fold left their key without a result: a sum does not fit its type, a class of the user failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np
from penstock.kernels import accumulate
from penstock.state.layout import Kept
from penstock.state.words import as_argument

if TYPE_CHECKING:
    from penstock.state.aggregates import AggregateTable, Before
    from penstock.state.arrangement import Touched
    from penstock.state.batch import Batch


def leaving(table: AggregateTable, batch: Batch, rows: Any, touched: Touched, before: Before) -> Any:
    """Of the rows of a fold, those after which their key had no result any more, while before them it had one.

    Args:
        table: The table that folded them.
        batch: What was folded.
        rows: Which rows of it; None = all.
        touched: What the fold touched.
        before: What the keys were before.
    """
    chosen = np.arange(batch.length, dtype=np.int32) if rows is None else rows
    if not before.outside:
        return chosen[:0]
    # Of the slots of these rows, an earlier fold of the step may have touched some.
    slots, found = np.unique(touched.slots, return_inverse=True)
    groups = found.astype(np.int32)
    kept = np.isin(touched.touched[before.existing], slots)
    known = np.searchsorted(slots, touched.touched[before.existing][kept])
    were = np.zeros(len(slots), np.bool_)
    outside = np.zeros(len(chosen), np.bool_)
    first = table.keys.first
    for i, column in enumerate(table.layout.columns):
        if i in before.unfit:
            outside |= before.unfit[i].after
            were |= before.unfit[i].before & ~np.isin(slots, touched.touched[~before.existing])
        if isinstance(column.how, Kept) or column.how.words.fits is None:
            continue
        valid = batch.valid(column.args, column.where)
        for accumulator, place, argument in column.how.parts:
            if accumulator.kind != "sum" or not isinstance(argument, int):
                continue
            sums = np.zeros((len(were), 2), np.int64)
            sums[known] = before.words[kept, first + place : first + place + 2]
            were |= sums[:, 0] >> 63 != sums[:, 1]
            values = batch.array(column.args[argument], floats=False)
            accumulate.mark_outside(
                sums,
                groups,
                as_argument(rows, np.int32),
                as_argument(values, np.int64),
                as_argument(valid, np.bool_),
                as_argument(batch.signs, np.int8),
                outside,
            )
    accumulate.mark_leaving(were, groups, outside)
    return chosen[outside]
