"""Fold drawn rows with a kernel, whole or in two tables that are merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from penstock.kernels.arrays import frozen

SLOTS = 3
COLUMN = 1


@dataclass(frozen=True)
class Row:
    """A row to fold: its slot, its value (none is null), +1 or -1."""

    slot: int
    value: Any
    sign: int = 1


def rows_of(values: st.SearchStrategy[Any], signed: bool = False) -> st.SearchStrategy[list[Row]]:
    """Lists of rows."""
    signs = st.sampled_from([1, 1, -1]) if signed else st.just(1)
    return st.lists(st.builds(Row, st.integers(0, SLOTS - 1), st.none() | values, signs), max_size=14)


def fresh(initial: Sequence[int]) -> np.ndarray:
    """A table of slots as they start, with a column of others before and after."""
    table = np.full((SLOTS, len(initial) + 2), 77, np.int64)
    table[:, COLUMN : COLUMN + len(initial)] = initial
    return table


def fold(kernel: Any, table: np.ndarray, rows: list[Row], dtype: Any, selected: bool = False) -> np.ndarray:
    """Fold rows into a table; `selected`: by way of row numbers, among rows that must not be looked at."""
    spread = 2 if selected else 1
    count = len(rows)
    values = np.zeros(count * spread, dtype)
    values[::spread] = [0 if row.value is None else row.value for row in rows]
    valid = np.ones(count * spread, np.bool_)
    valid[::spread] = [row.value is not None for row in rows]
    signs = np.ones(count * spread, np.int8)
    signs[::spread] = [row.sign for row in rows]
    chosen = np.arange(0, count * spread, 2) if selected else np.empty(0)
    kernel(
        table,
        table.view(np.float64),
        COLUMN,
        frozen(np.array([row.slot for row in rows]), np.int32),
        frozen(chosen, np.int32),
        frozen(values),
        frozen(valid if not valid.all() else np.empty(0, np.bool_)),
        frozen(signs if (signs < 0).any() else np.empty(0, np.int8)),
    )
    assert (table[:, 0] == 77).all()
    assert (table[:, -1] == 77).all()
    return table


def merge(kernel: Any, table: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Merge all slots of another table into those of this one."""
    slots = frozen(np.arange(SLOTS), np.int32)
    kernel(table, table.view(np.float64), COLUMN, slots, other, other.view(np.float64), COLUMN, slots)
    return table


def by_slot(rows: list[Row]) -> list[list[Row]]:
    """The rows of each slot that are not null."""
    return [[row for row in rows if row.slot == slot and row.value is not None] for slot in range(SLOTS)]


ALL = frozen(np.arange(SLOTS), np.int32)
