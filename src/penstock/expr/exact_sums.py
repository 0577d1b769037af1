"""Exact sums in plain Python, as the meaning of sums, means and spread.

Values that are not finite are counted, not added, so that they can be taken back like any other.
"""

from __future__ import annotations

import decimal
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from penstock.expr.function import RowFault

_EXACT = decimal.Context(prec=80, Emax=999_999, Emin=-999_999)


@dataclass(frozen=True)
class Moments:
    """Numbers of a group: how many, their sum, the sum of their squares, and how many are not finite.

    Attributes:
        count: How many numbers, those that are not finite among them.
        total: The exact sum of the finite ones.
        squares: The exact sum of their squares.
        nans: How many are NaN.
        tops: How many are infinite.
        bottoms: How many are minus infinity.
    """

    count: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    nans: int = 0
    tops: int = 0
    bottoms: int = 0

    def plus(self, value: float, sign: int = 1) -> Moments:
        """With a number more, or one less."""
        if not math.isfinite(value):
            return replace(
                self,
                count=self.count + sign,
                nans=self.nans + sign * (value != value),
                tops=self.tops + sign * (value == math.inf),
                bottoms=self.bottoms + sign * (value == -math.inf),
            )
        exact = Fraction(value)
        return replace(
            self, count=self.count + sign, total=self.total + sign * exact, squares=self.squares + sign * exact * exact
        )

    def merged(self, other: Moments) -> Moments:
        """Those of two parts of a group."""
        return Moments(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            self.nans + other.nans,
            self.tops + other.tops,
            self.bottoms + other.bottoms,
        )

    def odd(self) -> float | None:
        """What makes the sum NaN or infinite, if anything does."""
        if self.nans or (self.tops and self.bottoms):
            return math.nan
        return math.inf if self.tops else -math.inf if self.bottoms else None


def as_float(exact: Fraction) -> float:
    """The nearest float; infinite if it is too large."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def mean_of(state: Moments) -> float:
    """The mean; the group is not empty."""
    odd = state.odd()
    return as_float(state.total / state.count) if odd is None else odd


def variance_of(state: Moments, ddof: int) -> float | None:
    """The variance with `ddof` degrees of freedom taken off; None if there are too few numbers."""
    if state.count <= ddof:
        return None
    if state.odd() is not None:
        return math.nan
    return as_float((state.squares - state.total * state.total / state.count) / (state.count - ddof))


def plus(total: Any, value: Any, sign: int = 1) -> Any:
    """An exact sum with a value more, or one less; a sum of nothing is None.

    Floats are summed as `Moments`, decimals without rounding, integers without bound.
    """
    if isinstance(value, float):
        return (total or Moments()).plus(value, sign)
    if isinstance(value, decimal.Decimal):
        change = value if sign > 0 else value.copy_negate()
        return change if total is None else _EXACT.add(total, change)
    change = value if sign > 0 else -value
    return change if total is None else total + change


def merged(a: Any, b: Any) -> Any:
    """The exact sum of two parts of a group."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, Moments):
        return a.merged(b)
    return _EXACT.add(a, b) if isinstance(a, decimal.Decimal) else a + b


def sum_of(total: Any) -> Any:
    """The sum as a value; the group is not empty.

    Raises:
        RowFault: If it does not fit 64 bits, or 38 digits for decimals.
    """
    if isinstance(total, Moments):
        odd = total.odd()
        return as_float(total.total) if odd is None else odd
    if isinstance(total, decimal.Decimal):
        if len(total.as_tuple().digits) > 38:
            raise RowFault("the sum has more than 38 digits")
        return total
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise RowFault("the sum does not fit 64 bits")
    return total
