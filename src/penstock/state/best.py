"""Of rows that only come, those that are among the first of their key when they come: no other will ever be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.dtypes import FLOATS, UInt64, is_fixed
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.kernels.arrays import frozen
from penstock.kernels.best import let_enter
from penstock.plan.ordering import SortKey
from penstock.state.batch import physical
from penstock.state.words import LARGEST, SMALLEST, order_words

MOST = 64
"""For more places per key than that a row costs less in a tree."""


class Best:
    """The least words of each key, by its slot; not stored, but made of the rows again.

    Args:
        schema: The rows.
        order: Their order; the first column decides, and whatever ties with it is let in.
        places: How many rows a key keeps.
    """

    def __init__(self, schema: Schema, order: Sequence[SortKey], places: int) -> None:
        first = order[0]
        self.column, self.descending, self.nulls_first = first.column, first.descending, first.nulls_first
        field = schema[first.column]
        self.floats = field.dtype in FLOATS
        self.ties = len(order) == 1 and not field.nullable
        self.places = places
        self._best: Any = np.empty((64, places), np.int64)
        self._counts: Any = np.zeros(64, np.int32)
        self._turns: Any = np.full(64, -1, np.int64)

    @classmethod
    def of(cls, schema: Schema, order: Sequence[SortKey], places: int) -> Best | None:
        """One for an order; None where trees do it all."""
        if not order:
            return None
        dtype = schema[order[0].column].dtype
        fits = 0 < places <= MOST and is_fixed(dtype) and dtype != UInt64
        return cls(schema, order, places) if fits else None

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self._best.nbytes + self._counts.nbytes + self._turns.nbytes)

    def enter(self, values: pl.Series, groups: Any, turn: int) -> tuple[Any, Any]:
        """Let rows enter, in the order in which they came.

        Args:
            values: What they are ordered by.
            groups: The slots of their keys.
            turn: The number of the step.

        Returns:
            By row whether it is among the first; and the keys that have such a row for the first time in this step.
        """
        self._grow(int(groups.max()) + 1)
        words = order_words(physical(values, floats=self.floats))
        words = ~words if self.descending else words
        if values.null_count():
            words = np.where(values.is_null().to_numpy(), SMALLEST if self.nulls_first else LARGEST, words)
        keep, entered = np.empty(len(groups), np.bool_), np.empty(len(groups), np.int32)
        count = let_enter(
            frozen(groups, np.int32), frozen(words, np.int64), self.ties, self._best, self._counts, keep, self._turns,
            turn, entered,
        )  # fmt: skip
        return keep, entered[:count].copy()

    def _grow(self, needed: int) -> None:
        known = len(self._counts)
        if needed <= known:
            return
        length = max(needed, 2 * known)
        best, counts, turns = self._best, self._counts, self._turns
        self._best = np.empty((length, self.places), np.int64)
        self._counts, self._turns = np.zeros(length, np.int32), np.full(length, -1, np.int64)
        self._best[:known], self._counts[:known], self._turns[:known] = best, counts, turns
