"""Values in plain Python: how they compare, and what fits a type. For meanings only; engines have their own.

NaN equals itself and is greater than every number; -0.0 equals 0.0. Moments compare as instants, and
text by its code points, which is the order of its UTF-8 bytes.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from penstock.core.dtypes import FLOATS, INTEGERS, DType, Float32
from penstock.expr.cast_meaning import narrow
from penstock.expr.function import RowFault
from penstock.expr.signatures import limits
from penstock.expr.zones import micros


def equal(a: Any, b: Any) -> bool:
    """Whether two values of one type are the same; nulls inside of them are."""
    match a, b:
        case None, None:
            return True
        case float(), float():
            return a == b or (a != a and b != b)
        case list(), list():
            return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
        case dict(), dict():
            return a.keys() == b.keys() and all(equal(x, b[key]) for key, x in a.items())
        case dt.datetime(), dt.datetime():
            return micros(a) == micros(b)
    return a is not None and b is not None and bool(a == b)


def less(a: Any, b: Any) -> bool:
    """Whether the first of two values of one type is the smaller; neither is null."""
    match a, b:
        case float(), float():
            return a < b or (b != b and a == a)
        case dt.datetime(), dt.datetime():
            return micros(a) < micros(b)
    return bool(a < b)


def fitting(number: Any, dtype: DType) -> Any:
    """A result as its type stores it.

    Raises:
        RowFault: If it is an integer that does not fit.
    """
    if dtype in INTEGERS:
        low, high = limits(dtype)
        if not low <= number <= high:
            raise RowFault(f"{number} does not fit {dtype}")
        return number
    return narrow(number) if dtype == Float32 else float(number) if dtype in FLOATS else number


def whole(number: float) -> int:
    """A float cut to an integer of 64 bits.

    Raises:
        RowFault: If it does not fit.
    """
    if not math.isfinite(number) or not -(2.0**63) <= number < 2.0**63:
        raise RowFault(f"{number} does not fit 64 bits")
    return math.trunc(number)
