"""The kinds of accumulators: how many words each has, how rows are folded in, and how two are merged.

An aggregate names the kinds it is made of; an operator lays their words one after the other behind the key of
a slot and folds the rows of a step into each, column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from penstock.core.errors import InvariantError
from penstock.core.lazy import np
from penstock.kernels import accumulate, accumulate_floats, accumulate_order, accumulate_pairs
from penstock.kernels.arrays import frozen

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Floats, Rows, Words
    from penstock.state.arrangement import Arrangement

NOTHING, WORD, FLOAT, BITS = "nothing", "word", "float", "bits"

LARGEST = (1 << 63) - 1
SMALLEST = -(1 << 63)
# Bits of float words, as whole numbers.
NAN_BITS = 0x7FF8000000000000
MINUS_INFINITY_BITS = -0x0010000000000000


@dataclass(frozen=True)
class Accumulator:
    """One kind of accumulator.

    Attributes:
        kind: Its name in `ACCUMULATORS`.
        takes: What `values` must be: `nothing` (they are not looked at), `word` (int64: the physical value, for
            texts a number that stands for it), `float` (float64) or `bits` (the bits of a float64, as int64).
        initial: The words of a new slot, floats as their bits.
        retracts: Whether a sign of -1 takes a row back exactly (floats: within rounding, and exactly to zero).
        fold: The kernel that folds rows in.
        join: The kernel that merges.
    """

    kind: str
    takes: str
    initial: tuple[int, ...]
    retracts: bool
    fold: Callable[..., Any]
    join: Callable[..., Any]

    @property
    def width(self) -> int:
        """The number of words."""
        return len(self.initial)

    def add(
        self,
        state: Arrangement,
        column: int,
        slots: Rows,
        values: Array | None = None,
        *,
        rows: Array | None = None,
        valid: Flags | None = None,
        signs: Array | None = None,
    ) -> int:
        """Fold rows into slots, in the order of the slots given; after how many rows a sum did not fit 64 bits.

        Args:
            state: Where the words are.
            column: The column of `state.table` of the first word of this accumulator.
            slots: A slot per place, as `upsert` gave them.
            values: The value of each row, int64 or float64 as `takes` says; of pairs a row of two.
            rows: The row of each place; place p is row p if not given.
            valid: For each row whether it counts: for `count` any condition, else that the value is not null.
            signs: For each row +1 or -1 (int8); all are added if not given.

        Raises:
            InvariantError: There are signs, and this kind cannot retract.
        """
        if signs is not None and not self.retracts:
            raise InvariantError(f"accumulator {self.kind} cannot retract")
        dtype = np.float64 if self.takes == FLOAT else np.int64
        found = self.fold(
            state.table,
            state.floats,
            column,
            frozen(slots, np.int32),
            as_argument(rows, np.int32),
            as_argument(values, dtype),
            as_argument(valid, np.bool_),
            as_argument(signs, np.int8),
        )
        return int(found or 0)

    def merge(
        self, state: Arrangement, column: int, slots: Rows, other: Arrangement, other_column: int, other_slots: Rows
    ) -> None:
        """Merge slots of another arrangement into slots of this one, pair by pair.

        Args:
            state: What is merged into.
            column: The column of the first word there.
            slots: A slot per pair; the same may come more than once.
            other: What is merged; it stays as it is.
            other_column: The column of the first word there.
            other_slots: The other slot of each pair.
        """
        self.join(
            state.table,
            state.floats,
            column,
            frozen(slots, np.int32),
            other.table,
            other.floats,
            other_column,
            frozen(other_slots, np.int32),
        )


@cache
def _nothing(dtype: Any) -> Array:
    return frozen(np.empty(0, dtype))


def as_argument(array: Array | None, dtype: Any) -> Array:
    """An argument of a kernel: an array of a type, empty if there is none."""
    return _nothing(dtype) if array is None else frozen(array, dtype)


def _kind(
    kind: str, takes: str, initial: Sequence[int], retracts: bool, fold: Callable[..., Any], join: Callable[..., Any]
) -> Accumulator:
    return Accumulator(kind, takes, tuple(initial), retracts, fold, join)


ACCUMULATORS: dict[str, Accumulator] = {
    made.kind: made
    for made in (
        _kind("count", NOTHING, [0], True, accumulate.add_count, accumulate.merge_count),
        _kind("sum", WORD, [0, 0], True, accumulate.add_sum, accumulate.merge_sum),
        _kind("min", WORD, [LARGEST], False, accumulate.add_min, accumulate.merge_min),
        _kind("max", WORD, [SMALLEST], False, accumulate.add_max, accumulate.merge_max),
        _kind("float_sum", FLOAT, [0] * 6, True, accumulate_floats.add_float_sum, accumulate_floats.merge_float_sum),
        _kind("variance", FLOAT, [0] * 4, True, accumulate_floats.add_variance, accumulate_floats.merge_variance),
        _kind(
            "float_min", FLOAT, [NAN_BITS], False, accumulate_floats.add_float_min, accumulate_floats.merge_float_min
        ),
        _kind(
            "float_max",
            FLOAT,
            [MINUS_INFINITY_BITS],
            False,
            accumulate_floats.add_float_max,
            accumulate_floats.merge_float_max,
        ),
        _kind("first", WORD, [0, 0], False, accumulate_order.add_first, accumulate_order.merge_first),
        _kind("last", WORD, [0, 0], False, accumulate_order.add_last, accumulate_order.merge_last),
        _kind("float_first", BITS, [0, 0], False, accumulate_order.add_first, accumulate_order.merge_first),
        _kind("float_last", BITS, [0, 0], False, accumulate_order.add_last, accumulate_order.merge_last),
        _kind("covariance", FLOAT, [0] * 7, True, accumulate_pairs.add_covariance, accumulate_pairs.merge_covariance),
    )
}


@dataclass(frozen=True)
class Least:
    """Keeps the value of the row that is least in an order of `width` words: arg_min, and first by position.

    Its words are a state (0 none, 1 a value, 2 null), the order words, and the value.

    Attributes:
        width: How many order words rows are compared by, from the left; the last should be the position.
    """

    width: int

    @property
    def initial(self) -> tuple[int, ...]:
        """The words of a new slot."""
        return (0,) * (self.width + 2)

    def add(
        self,
        state: Arrangement,
        column: int,
        slots: Rows,
        orders: Words,
        values: Words,
        *,
        rows: Array | None = None,
        valid: Flags | None = None,
        wanted: Flags | None = None,
    ) -> None:
        """Let rows compete for their slots.

        Args:
            state: Where the words are.
            column: The column of the state word.
            slots: A slot per place.
            orders: Order words by row, int64 [n, width]; ~x of a word x turns its order around.
            values: The value by row, int64.
            rows: The row of each place; place p is row p if not given.
            valid: For each row whether its value is not null.
            wanted: For each row whether it competes.
        """
        accumulate_order.add_least(
            state.table,
            column,
            frozen(slots, np.int32),
            as_argument(rows, np.int32),
            frozen(orders, np.int64),
            frozen(values, np.int64),
            as_argument(valid, np.bool_),
            as_argument(wanted, np.bool_),
        )

    def merge(
        self, state: Arrangement, column: int, slots: Rows, other: Arrangement, other_column: int, other_slots: Rows
    ) -> None:
        """Merge slots of another arrangement into slots of this one, as `Accumulator.merge`."""
        accumulate_order.merge_least(
            state.table,
            column,
            frozen(slots, np.int32),
            other.table,
            other_column,
            frozen(other_slots, np.int32),
            self.width,
        )


def order_words(values: Array) -> Words:
    """Order words of a column without nulls: whole numbers as they are, floats by value with NaN greatest."""
    if values.dtype.kind == "f":
        floats: Floats = frozen(values, np.float64)
        return accumulate_order.order_of_floats(floats, floats.view(np.int64))
    return values.astype(np.int64, copy=False)
