"""Arithmetic: of numbers, durations, moments, and the joining of strings."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    UNSIGNED,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    String,
    Time,
    is_temporal,
    to_polars,
)
from penstock.core.lazy import pl
from penstock.expr import decimals, overflow
from penstock.expr.arithmetic_meaning import (
    arithmetic,
    cut_division,
    floor_division,
    negative,
    opposite,
    positive,
    power,
    remainder,
    true_division,
)
from penstock.expr.arithmetic_types import SPAN, added, cut, divided, multiplied, pair, raised, subtracted
from penstock.expr.division import divisor
from penstock.expr.function import Function, NotOnFlink, RowFault, Spelling
from penstock.expr.signatures import AMOUNT, SIGNED_AMOUNT, limits, takes
from penstock.expr.zones import polars_in_years, polars_within

Types = tuple[DType, ...]

# -- Lowering ---------------------------------------------------------------------------------------


def _lowered(name: str, native: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def lower(a: Any, b: Any, types: Types, returns: DType) -> Any:
        if isinstance(returns, Decimal):
            return decimals.lowered(name, a, b, types)
        if is_temporal(returns):
            return polars_within(native(a, b), returns)
        if returns == SPAN:
            return _span(name, native, a, b, types)
        if returns in FLOATS and name in ("floordiv", "mod"):
            return native(a, divisor(a, b))
        if returns in FLOATS and name in ("add", "sub"):
            return native(_not_alone(a, b, returns), _not_alone(b, a, returns))
        return native(a, b)

    return lower


def _not_alone(number: Any, other: Any, dtype: DType) -> Any:
    """A constant zero as a column of zeros.

    With one zero Polars gives the other side as it is, or its opposite, unless the column has one row: the sign of a
    zero would depend on how many rows a step has. -0.0 + 0 is 0.0, and so is 0 - 0.0.
    """
    if number.meta.root_names() or not other.meta.root_names():
        return number
    value = pl.select(number).item()
    if value != 0:
        return number
    zeros = other.is_null().cast(to_polars(dtype))  # where it is null, so is the result
    return -zeros if math.copysign(1.0, value) < 0 else zeros


def _units(value: Any, dtype: DType) -> Any:
    """Microseconds as a 64-bit integer; numbers stay what they are."""
    if dtype == Time:
        return value.to_physical() // 1000
    if dtype == Date:
        return value.cast(pl.Datetime("us")).to_physical()
    return value.to_physical() if is_temporal(dtype) or isinstance(dtype, Duration) else value


def _span(name: str, native: Callable[[Any, Any], Any], a: Any, b: Any, types: Types) -> Any:
    if name in ("add", "sub") and Time not in types and len({getattr(t, "zone", None) for t in types}) == 1:
        return native(a, b)
    x, y = _units(a, types[0]), _units(b, types[1])
    if Float64 in types:
        # Polars' cast cuts the fraction, and gives null for what does not fit.
        x, y = x.cast(pl.Float64), y.cast(pl.Float64)
        total = native(x, divisor(x, y) if name == "truediv" else y).cast(pl.Int64, strict=False)
        if name == "truediv":
            total = pl.when(y != 0).then(total)
    else:
        total = x // y if name == "truediv" else native(x, y)
    return total.cast(pl.Duration("us"))


def _fault(name: str, native: Callable[[Any, Any], Any], check: Callable[..., Any]) -> Callable[..., Any]:
    def fault(a: Any, b: Any, types: Types, returns: DType) -> Any:
        if isinstance(returns, Decimal):
            return decimals.fault(name, a, b, types)
        if returns == Date:
            day, by = (a, b) if types[0] == Date else (b, a)
            return ~polars_in_years(native(day.cast(pl.Datetime("us")), by), Datetime("us"))
        if is_temporal(returns):
            return ~polars_in_years(native(a, b), returns)
        if returns == SPAN:
            if Float64 in types:
                known = a.is_not_null() & b.is_not_null() & (b != 0 if name == "truediv" else True)
                return known & _span(name, native, a, b, types).is_null()
            if any(is_temporal(t) for t in types):
                return None
            return check(_units(a, types[0]), _units(b, types[1]), Int64)
        return check(a, b, returns) if returns in INTEGERS else None

    return fault


def _of_quotient(a: Any, b: Any, dtype: DType) -> Any | None:
    """Only the smallest integer divided by -1 does not fit."""
    if dtype in UNSIGNED or overflow.constant(b) not in (None, -1):
        return None
    lowest = a == pl.lit(limits(dtype)[0], dtype=to_polars(dtype))
    return lowest & (b == pl.lit(-1, dtype=to_polars(dtype)))


def _lower_true_division(a: Any, b: Any, types: Types, returns: DType) -> Any:
    if returns in FLOATS:
        if isinstance(types[0], Duration):
            a, b = _units(a, types[0]).cast(pl.Float64), _units(b, types[1]).cast(pl.Float64)
        return a / divisor(a, b)
    return _lowered("truediv", operator.truediv)(a, b, types, returns)


def _exponent(b: Any) -> Any:
    """An exponent as Polars takes it: without a sign, and small; beyond 64 only whether it is odd matters."""
    known = overflow.constant(b)
    if known is not None and 0 <= known <= 64:
        return pl.lit(known, dtype=pl.UInt32)
    small = pl.when(b < 64).then(b).otherwise(64 + b % 2)
    return pl.when(b >= 0).then(small).cast(pl.UInt32, strict=False)


def _lower_power(a: Any, b: Any, types: Types, returns: DType) -> Any:
    if returns in INTEGERS:
        return a.pow(_exponent(b)).cast(to_polars(returns))
    known = overflow.constant(a), overflow.constant(b)
    if None not in known:
        return pl.lit(power(*known, types, returns), dtype=to_polars(returns))
    if known[1] == 2:
        return a * a
    # Polars multiplies where the exponent is one small number, or the column has one row. With columns of at least
    # two rows it takes the power of each row by itself, so the last digit does not depend on how rows are cut.
    # The row to add has the columns' type: Polars makes no Float32 of a plain 1.0 if there is no row before it.
    unit = pl.lit(1.0, dtype=to_polars(returns))
    longer = b.extend_constant(unit, 1)
    if known[0] is not None:
        return pl.when(b == 2).then(a * a).otherwise(a.pow(longer).head(pl.len()))
    one = a.clip(1.0, 1.0).fill_nan(1.0)
    raised = a.extend_constant(unit, 1).pow((b * one).extend_constant(unit, 1)).head(pl.len())
    return raised if known[1] is not None else pl.when(b == 2).then(a * a).otherwise(raised)


def _fault_of_power(a: Any, b: Any, types: Types, returns: DType) -> Any:
    if returns not in INTEGERS:
        return None
    large = overflow.of_power(a, _exponent(b), _lower_power(a, b, types, returns), returns)
    known = overflow.constant(b)
    if types[1] in UNSIGNED or (known is not None and known >= 0):
        return large
    negative = (b < 0) & a.is_not_null()
    return negative if large is None else large | negative


def _lowest(a: Any, types: Types, returns: DType) -> Any | None:
    """Where a value is the smallest of its type, which has no opposite."""
    if returns in INTEGERS and returns not in UNSIGNED:
        return a == pl.lit(limits(returns)[0], dtype=to_polars(returns))
    return a.to_physical() == limits(Int64)[0] if isinstance(returns, Duration) else None


# -- Flink ------------------------------------------------------------------------------------------

_NO_INTERVALS = NotOnFlink("Flink computes no intervals from columns")
_NO_DECIMALS = NotOnFlink("Flink gives another number of digits, and rounds halves away from zero")


def _sum_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
    if types[0] == String:
        return "({0} || {1})"
    scales = [t.scale for t in types if isinstance(t, Decimal)]
    return f"CAST({{0}} + {{1}} AS DECIMAL(38, {max(scales)}))" if scales else "({0} + {1})"


def _difference_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
    if is_temporal(types[1]):
        return NotOnFlink("Flink has no interval between two columns of time; TIMESTAMPDIFF counts whole units")
    scales = [t.scale for t in types if isinstance(t, Decimal)]
    return f"CAST({{0}} - {{1}} AS DECIMAL(38, {max(scales)}))" if scales else "({0} - {1})"


def _numbers_only(template: str, integers: str | None = None) -> Callable[..., Spelling]:
    def spelling(types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
        if any(isinstance(t, Duration) for t in types):
            return _NO_INTERVALS
        if any(isinstance(t, Decimal) for t in types):
            return _NO_DECIMALS
        return integers if integers and all(t in INTEGERS for t in types) else template

    return spelling


_MOD = "MOD(MOD({0}, NULLIF({1}, 0)) + {1}, NULLIF({1}, 0))"

FUNCTIONS = (
    Function(
        name="add",
        doc="The sum. Strings are joined; a duration moves a date or a moment, and a date keeps only the day. "
        "A sum of integers that does not fit its type is an error row.",
        signature=pair("+", added),
        polars=_lowered("add", operator.add),
        fault=_fault("add", operator.add, overflow.of_sum),
        typed=True,
        oracle=arithmetic("add", operator.add),
        flink=_sum_on_flink,
        examples=[
            ((1, 2), 3),
            ((1, None), None),
            ((1.5, 2), 3.5),
            ((2**63 - 1, 1), RowFault),
            (("ab", "c"), "abc"),
            ((dt.datetime(2024, 1, 31, 12), dt.timedelta(days=1)), dt.datetime(2024, 2, 1, 12)),
            ((dt.date(2024, 1, 31), dt.timedelta(hours=36)), dt.date(2024, 2, 1)),
            ((decimal.Decimal("1.50"), decimal.Decimal("0.255")), decimal.Decimal("1.755")),
        ],
        guesses=["plus"],
    ),
    Function(
        name="sub",
        doc="The difference; between two moments, dates or times it is a duration.",
        signature=pair("-", subtracted),
        polars=_lowered("sub", operator.sub),
        fault=_fault("sub", operator.sub, overflow.of_difference),
        typed=True,
        oracle=arithmetic("sub", operator.sub),
        flink=_difference_on_flink,
        examples=[
            ((1, 2), -1),
            ((None, 2), None),
            ((-(2**63), 1), RowFault),
            ((dt.date(2024, 3, 1), dt.date(2024, 2, 1)), dt.timedelta(days=29)),
            ((dt.datetime(2024, 3, 1), dt.timedelta(microseconds=1)), dt.datetime(2024, 2, 29, 23, 59, 59, 999999)),
        ],
        guesses=["minus", "subtract"],
    ),
    Function(
        name="mul",
        doc="The product; a duration times a number is a duration, cut to microseconds.",
        signature=pair("*", multiplied),
        polars=_lowered("mul", operator.mul),
        fault=_fault("mul", operator.mul, overflow.of_product),
        typed=True,
        oracle=arithmetic("mul", operator.mul),
        flink=_numbers_only("({0} * {1})"),
        examples=[
            ((3, 4), 12),
            ((None, 4), None),
            ((2**62, 2), RowFault),
            ((dt.timedelta(hours=1), 3), dt.timedelta(hours=3)),
            ((decimal.Decimal("0.5"), decimal.Decimal("0.5")), decimal.Decimal("0.2")),
        ],
        guesses=["times", "multiply"],
    ),
    Function(
        name="truediv",
        doc="The quotient, a float also of integers; a number divided by zero is infinite, zero by zero is NaN. "
        "Of decimals it is a decimal, and division by zero is an error row; of a duration by a number "
        "it is a duration, and division by zero is null.",
        signature=pair("/", divided),
        polars=_lower_true_division,
        fault=_fault("truediv", operator.truediv, _of_quotient),
        typed=True,
        oracle=true_division,
        gives_null=True,
        flink=_numbers_only("(CAST({0} AS DOUBLE) / CAST({1} AS DOUBLE))"),
        examples=[
            ((1, 2), 0.5),
            ((None, 2), None),
            ((1, 0), math.inf),
            ((dt.timedelta(hours=1), dt.timedelta(minutes=30)), 2.0),
            ((decimal.Decimal("1.00"), decimal.Decimal("3")), decimal.Decimal("0.33")),
            ((decimal.Decimal("1.00"), decimal.Decimal("0")), RowFault),
        ],
        guesses=["div", "divide"],
    ),
    Function(
        name="floordiv",
        doc="The quotient, rounded down; integers divided by zero give null.",
        signature=pair("//", lambda a, b: None),
        polars=_lowered("floordiv", operator.floordiv),
        fault=_fault("floordiv", operator.floordiv, _of_quotient),
        typed=True,
        oracle=floor_division,
        gives_null=True,
        flink=_numbers_only("FLOOR({0} / {1})", f"(({{0}} - {_MOD}) / {{1}})"),
        examples=[((7, 2), 3), ((-7, 2), -4), ((7, 0), None), ((7.5, 2), 3.0), ((None, 2), None)],
    ),
    Function(
        name="truncdiv",
        doc="The quotient of integers, rounded towards zero; null if divided by zero.",
        signature=pair("/", cut),
        polars=lambda a, b, types, returns: a.truncdiv(b),
        fault=lambda a, b, types, returns: _of_quotient(a, b, returns),
        typed=True,
        oracle=cut_division,
        gives_null=True,
        flink="({0} / NULLIF({1}, 0))",
        examples=[((7, 2), 3), ((-7, 2), -3), ((7, 0), None), ((None, 2), None)],
    ),
    Function(
        name="mod",
        doc="The remainder of a division rounded down, so it has the sign of the divisor; null if that is zero "
        "(NaN for floats).",
        signature=pair("%", lambda a, b: None),
        polars=_lowered("mod", operator.mod),
        fault=_fault("mod", operator.mod, lambda a, b, dtype: None),
        typed=True,
        oracle=remainder,
        gives_null=True,
        flink=_numbers_only("({0} - {1} * FLOOR({0} / {1}))", _MOD),
        examples=[((7, 3), 1), ((-7, 3), 2), ((7, -3), -2), ((7, 0), None), ((None, 3), None), ((7.5, 2), 1.5)],
        guesses=["modulo", "remainder"],
    ),
    Function(
        name="pow",
        doc="The power. Of integers it is one of the first operand's type, and a negative exponent is an error row.",
        signature=pair("**", raised),
        polars=_lower_power,
        fault=_fault_of_power,
        typed=True,
        oracle=power,
        flink=lambda types, options: (
            NotOnFlink("Flink's POWER is of doubles")
            if types[0] in INTEGERS and types[1] in INTEGERS
            else "POWER(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))"
        ),
        examples=[((2, 10), 1024), ((2, 0.5), 2**0.5), ((2, -1), RowFault), ((2, 63), RowFault), ((None, 2), None)],
        guesses=["power"],
    ),
    Function(
        name="neg",
        doc="The opposite number or duration.",
        signature=takes(SIGNED_AMOUNT, returns=0),
        polars=lambda a, types, returns: -a,
        fault=_lowest,
        typed=True,
        oracle=opposite(negative),
        flink=lambda types, options: _NO_INTERVALS if isinstance(types[0], Duration) else "(-{0})",
        examples=[
            ((1,), -1),
            ((-(2**63),), RowFault),
            ((None,), None),
            ((dt.timedelta(hours=1),), dt.timedelta(hours=-1)),
        ],
        guesses=["negate"],
    ),
    Function(
        name="abs",
        doc="The absolute value.",
        signature=takes(AMOUNT, returns=0),
        polars=lambda a, types, returns: a.abs(),
        fault=_lowest,
        typed=True,
        oracle=opposite(positive),
        flink=lambda types, options: _NO_INTERVALS if isinstance(types[0], Duration) else "ABS({0})",
        examples=[((-1.5,), 1.5), ((-(2**63),), RowFault), ((None,), None)],
        guesses=["absolute"],
    ),
)
