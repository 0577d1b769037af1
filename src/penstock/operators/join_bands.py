"""Conditions that bound a value of one side by values of the other, and how partners are found by them.

`left.ip BETWEEN right.first AND right.last`, `right.at >= left.begin AND right.at <= left.end`, or one bound alone. Of
a right row two values are kept, a low and a high one; a left row asks for the rows whose low value is not above one of
its own, and whose high value is not below another. What is found that way is tested by the whole condition, so that it
may be too much, never too little: values are compared as floats, which keep their order or make them equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import FLOATS, Date, Datetime, DType, Duration, Time, is_numeric
from penstock.core.lazy import np, pl
from penstock.expr.ast import Call, Term
from penstock.expr.infer import Typed, convert, infer
from penstock.expr.lower import lower
from penstock.expr.signatures import common
from penstock.operators.join_parts import Rows
from penstock.operators.joining import SIDES, TwoInputs

if TYPE_CHECKING:
    import polars as pl

NOT_AFTER = {"le": False, "lt": False, "ge": True, "gt": True}
"""Comparisons, and whether it is the second value that is not above the first."""


@dataclass(frozen=True)
class Band:
    """What bounds what.

    Attributes:
        low: The low value of a right row, and what it must not be above: a value of a left row; None = no bound.
        high: The high value of a right row, and what it must not be below; None = no bound.
    """

    low: tuple[Typed, Typed] | None
    high: tuple[Typed, Typed] | None

    def values(self, side: int, rows: Rows, count: int) -> tuple[Any, Any]:
        """The two values of some rows of a side as floats, NaN where there is none."""
        made = []
        for bound, without in ((self.low, (np.inf, -np.inf)), (self.high, (-np.inf, np.inf))):
            if bound is None:
                made.append(np.full(count, without[side]))
            else:
                made.append(_floats(bound[1 - side], SIDES[side], rows, count))
        return made[0], made[1]


def band_of(node: TwoInputs) -> Band | None:
    """The first low and the first high bound in the condition of a join; None if it has neither."""
    if node.condition is None:
        return None
    found: list[tuple[Typed, Typed] | None] = [None, None]
    for less, more in _comparisons(node.condition):
        pair = _typed(node, less, more)
        if pair is None:
            continue
        sides = [_side(term) for term in (less, more)]
        if sides == [1, 0]:  # right <= left
            found[0] = found[0] or pair
        elif sides == [0, 1]:  # left <= right
            found[1] = found[1] or (pair[1], pair[0])
    return Band(found[0], found[1]) if any(found) else None


def _comparisons(term: Term) -> Iterator[tuple[Term, Term]]:
    """Pairs of which the first must not be above the second for a condition to be true."""
    if not isinstance(term, Call):
        return
    if term.function == "and":
        for one in term.args:
            yield from _comparisons(one)
    elif term.function in NOT_AFTER:
        one, other = term.args
        yield (other, one) if NOT_AFTER[term.function] else (one, other)
    elif term.function == "is_between":
        value, low, high = term.args
        yield low, value
        yield value, high


def _side(term: Term) -> int | None:
    """The side whose columns a term is made of; None if it is not one."""
    sides = {name.partition(".")[0] for name in term.columns()}
    return SIDES.index(sides.pop()) if len(sides) == 1 else None


def _typed(node: TwoInputs, less: Term, more: Term) -> tuple[Typed, Typed] | None:
    schema = node.pair_schema()
    one, other = infer(less, schema), infer(more, schema)
    both = common(one.dtype, other.dtype)
    if both is None or not (is_numeric(both) or isinstance(both, (Datetime, Duration)) or both in (Date, Time)):
        return None
    return convert(one, both), convert(other, both)


def _floats(typed: Typed, side: str, rows: Rows, count: int) -> Any:
    names = sorted(typed.term.columns())
    columns = [rows.column(name.removeprefix(f"{side}.")).alias(name) for name in names]
    made = pl.DataFrame(columns).select_seq(lower(typed).value.alias("value")).to_series()
    values = _in_order(made, typed.dtype)
    return np.broadcast_to(values, (count,))


def _in_order(series: pl.Series, dtype: DType) -> Any:
    """Values as floats that never change places; NaN, the greatest float, becomes infinity, and null NaN."""
    absent = series.is_null().to_numpy()
    plain = series if is_numeric(dtype) else series.to_physical()
    floats = plain.cast(pl.Float64).to_numpy()
    if dtype in FLOATS:
        floats = np.where(np.isnan(floats), np.inf, floats)
    return np.where(absent, np.nan, floats)


__all__ = ["Band", "band_of"]
