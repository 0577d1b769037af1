"""Arithmetic as Flink SQL has it: integers wrap around, division truncates, decimals have a type for each operation.

Division by zero of integers and decimals is an error row (Flink fails the job). A decimal that has more digits than
its type is null.
"""

from __future__ import annotations

import decimal
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import FLOATS, INTEGERS, Decimal, DType, Float32, Float64, to_polars
from penstock.core.lazy import pl
from penstock.expr.cast_meaning import narrow
from penstock.expr.division import divisor
from penstock.expr.function import Function, RowFault, Signature
from penstock.expr.rowwise import python_value
from penstock.expr.signatures import INTEGER, NUMBER, as_decimal, unified
from penstock.expr.sql_cast_meaning import wrapped
from penstock.expr.sql_decimals import EXACT, fitted, lowered_product, lowered_sum, result_type

Types = tuple[DType, ...]


# -- Types ------------------------------------------------------------------------------------------


def _pair(name: str) -> Callable[[Sequence[DType], Mapping[str, Any]], Signature]:
    integers = unified(INTEGER, least=2, most=2)

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        exact = any(isinstance(t, Decimal) for t in types) and not any(t in FLOATS for t in types)
        if exact and all(isinstance(t, Decimal) or t in INTEGERS for t in types):
            a, b = (as_decimal(t) for t in types)
            return Signature((a, b), result_type(name, a, b))
        if any(t in FLOATS for t in types):
            unified(NUMBER, least=2, most=2)(types, options)
            wide = Float64 if Float64 in types or any(isinstance(t, Decimal) for t in types) else Float32
            return Signature((wide, wide), wide)
        found = integers(types, options)
        # A remainder is smaller than the divisor, and has its type.
        return Signature(found.args, types[1]) if name == "mod" and types[1] in INTEGERS else found

    return resolve


def _may_overflow(signature: Signature, options: Mapping[str, Any]) -> bool:
    return isinstance(signature.returns, Decimal)


# -- Meaning ----------------------------------------------------------------------------------------


def quotient(a: int, b: int) -> int:
    """Division towards zero."""
    found = abs(a) // abs(b)
    return found if (a < 0) == (b < 0) else -found


def _exact(name: str, a: decimal.Decimal, b: decimal.Decimal) -> decimal.Decimal:
    if name in ("divide", "mod") and b == 0:
        raise RowFault("division by zero")
    if name == "divide":
        # Java's: 38 digits, halves away from zero.
        return decimal.Context(prec=38, rounding=decimal.ROUND_HALF_UP, Emax=999_999, Emin=-999_999).divide(a, b)
    if name == "mod":
        return EXACT.remainder(a, b)
    return {"add": EXACT.add, "subtract": EXACT.subtract, "multiply": EXACT.multiply}[name](a, b)


def _float(name: str, a: float, b: float, returns: DType) -> float:
    if name == "divide" and b == 0:
        return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1, b)
    if name == "mod":
        return math.nan if b == 0 or math.isinf(a) or a != a else math.fmod(a, b)
    try:
        found = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv}[
            name
        ](a, b)
    except OverflowError:
        found = math.inf
    return narrow(found) if returns == Float32 else found


def _meaning(name: str) -> Callable[..., Any]:
    def meaning(a: Any, b: Any, types: Types, returns: DType) -> Any:
        if isinstance(returns, Decimal):
            return fitted(_exact(name, a, b), returns)
        if returns in FLOATS:
            return _float(name, a, b, returns)
        if name in ("divide", "mod") and b == 0:
            raise RowFault("division by zero")
        if name == "divide":
            return wrapped(quotient(a, b), returns)
        if name == "mod":
            return a - b * quotient(a, b)
        return wrapped({"add": a + b, "subtract": a - b, "multiply": a * b}[name], returns)

    return meaning


# -- Lowering ---------------------------------------------------------------------------------------


def _lower(name: str) -> Callable[..., Any]:
    meaning = _meaning(name)
    slow = python_value(meaning, typed=True)

    def lower(a: Any, b: Any, types: Types, returns: DType) -> Any:
        if isinstance(returns, Decimal):
            if name in ("add", "subtract") and lowered_sum(returns, types):
                kind = to_polars(returns)
                found = a.cast(kind) + b.cast(kind) if name == "add" else a.cast(kind) - b.cast(kind)
                return found.cast(kind)
            if name == "multiply" and lowered_product(types):
                wide = pl.Decimal(38, returns.scale)
                return (a.cast(wide) * b.cast(wide)).cast(to_polars(returns))
            return slow(a, b, types=types, returns=returns)
        if returns in FLOATS:
            return _lower_float(name, a, b)
        if name == "divide":
            return _lower_quotient(a, b)
        if name == "mod":
            return (a - b * _lower_quotient(a, b)).cast(to_polars(returns))
        return {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul}[name](a, b)

    return lower


def _lower_float(name: str, a: Any, b: Any) -> Any:
    if name == "divide":
        return a / divisor(a, b)
    if name == "mod":
        # The sign is the dividend's, and so is the size of what is left.
        rest = a.abs() % b.abs()
        exact = pl.when(b.is_infinite() & a.is_finite()).then(a.abs()).otherwise(rest)
        return pl.when(a < 0).then(-exact).otherwise(exact)
    return {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul}[name](a, b)


def _lower_quotient(a: Any, b: Any) -> Any:
    # Polars rounds down, and gives null for a division by zero; the smallest integer by -1 wraps as Java's.
    down = a // pl.when(b != 0).then(b)
    inexact = (a % pl.when(b != 0).then(b)) != 0
    return pl.when(b == -1).then(0 * a - a).when(inexact & ((a < 0) != (b < 0))).then(down + 1).otherwise(down)


def _fault(name: str) -> Callable[..., Any] | None:
    if name not in ("divide", "mod"):
        return None
    return lambda a, b, types, returns: None if returns in FLOATS else (b == 0) & a.is_not_null()


# -- One number -------------------------------------------------------------------------------------


def _one(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    found = unified(NUMBER, least=1, most=1)(types, options)
    return found


def _whole_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    (dtype,) = _one(types, options).args
    return Signature((dtype,), Decimal(dtype.precision, 0) if isinstance(dtype, Decimal) else dtype)


def _round_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    (dtype,) = _one(types, options).args
    if isinstance(dtype, Decimal):
        places = options["digits"]
        if places >= dtype.scale:
            return Signature((dtype,), dtype)
        kept = max(0, places)
        return Signature((dtype,), Decimal(min(38, 1 + dtype.precision - dtype.scale + kept), kept))
    return Signature((dtype,), dtype)


def _rounded(value: Any, digits: int, cut: bool, types: Types, returns: DType) -> Any:
    mode = decimal.ROUND_DOWN if cut else decimal.ROUND_HALF_UP
    if isinstance(value, float):
        if not math.isfinite(value):
            return value
        # Java's: through the shortest decimal text of the double.
        text = decimal.Decimal(repr(value) if returns == Float64 else _single(value))
        return _rounded_float(text, digits, mode, value, returns)
    exact = decimal.Decimal(value).quantize(decimal.Decimal(1).scaleb(-digits), rounding=mode, context=EXACT)
    if isinstance(returns, Decimal):
        return fitted(exact, returns)
    return wrapped(int(exact), returns)


def _rounded_float(text: decimal.Decimal, digits: int, mode: str, value: float, returns: DType) -> float:
    if -text.as_tuple().exponent <= digits:  # type: ignore[operator]
        return value
    found = float(text.quantize(decimal.Decimal(1).scaleb(-digits), rounding=mode, context=EXACT))
    return narrow(found) if returns == Float32 else found


def _single(value: float) -> str:
    from penstock.expr.cast_meaning import float_text

    return float_text(value, Float32)


def _lower_rounded(value: Any, digits: int, cut: bool, types: Types, returns: DType) -> Any:
    (dtype,) = types
    if dtype in INTEGERS and digits >= 0:
        return value
    if isinstance(dtype, Decimal) and digits >= dtype.scale:
        return value
    return python_value(_rounded, typed=True)(value, digits=digits, cut=cut, types=types, returns=returns)


def _floor(up: bool) -> Callable[..., Any]:
    mode = decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR

    def meaning(value: Any, types: Types, returns: DType) -> Any:
        if isinstance(value, float):
            if not math.isfinite(value) or abs(value) >= 2.0**53:
                return value
            found = float(math.ceil(value) if up else math.floor(value))
            return math.copysign(found, value) if found == 0 else found
        if isinstance(value, decimal.Decimal):
            return fitted(value.quantize(decimal.Decimal(1), rounding=mode, context=EXACT), returns)
        return value

    return meaning


def _lower_floor(up: bool) -> Callable[..., Any]:
    slow = python_value(_floor(up), typed=True)

    def lower(value: Any, types: Types, returns: DType) -> Any:
        if types[0] in INTEGERS:
            return value
        if types[0] in FLOATS:
            return value.ceil() if up else value.floor()
        return slow(value, types=types, returns=returns)

    return lower


def _negative(value: Any, types: Types, returns: DType) -> Any:
    return wrapped(-value, returns) if returns in INTEGERS else -value


def _absolute(value: Any, types: Types, returns: DType) -> Any:
    return wrapped(abs(value), returns) if returns in INTEGERS else abs(value)


def _lower_absolute(value: Any, types: Types, returns: DType) -> Any:
    if returns in INTEGERS:
        return pl.when(value < 0).then(0 * value - value).otherwise(value)
    return value.abs()


_DOC = {
    "add": "The sum as SQL has it: integers wrap around; a decimal of too many digits is null.",
    "subtract": "The difference as SQL has it: integers wrap around; a decimal of too many digits is null.",
    "multiply": "The product as SQL has it: integers wrap around; a decimal of too many digits is null.",
    "divide": "The quotient as SQL has it: of integers cut towards zero; divided by zero an error row.",
    "mod": "The remainder as SQL has it: with the sign of the dividend; divided by zero an error row.",
}
_D = decimal.Decimal
_EXAMPLES: dict[str, list[Any]] = {
    "add": [((2**63 - 1, 1), -(2**63)), ((0.5, 0.25), 0.75), ((None, 1), None)],
    "subtract": [((1, 3), -2), ((-(2**63), 1), 2**63 - 1), ((None, 1), None)],
    "multiply": [((2**62, 2), -(2**63)), ((0.5, 4.0), 2.0), ((None, 1), None)],
    "divide": [((-7, 2), -3), ((1.0, 0.0), math.inf), ((1, 0), RowFault), ((None, 1), None)],
    "mod": [((-7, 2), -1), ((7, -2), 1), ((1, 0), RowFault), ((-7.5, 2.0), -1.5), ((None, 1), None)],
}
_SYMBOL = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "mod": "%"}

FUNCTIONS = (
    *(
        Function(
            name=f"sql.{name}",
            doc=doc,
            signature=_pair(name),
            polars=_lower(name),
            oracle=_meaning(name),
            fault=_fault(name),
            typed=True,
            gives_null=_may_overflow,
            flink=f"({{0}} {_SYMBOL[name]} {{1}})",
            examples=_EXAMPLES[name],
        )
        for name, doc in _DOC.items()
    ),
    Function(
        name="sql.negate",
        doc="The opposite number; the smallest integer stays as it is.",
        signature=_one,
        polars=lambda value, types, returns: 0 * value - value if returns in INTEGERS else -value,
        oracle=_negative,
        typed=True,
        flink="(-{0})",
        examples=[((-(2**63),), -(2**63)), ((1.5,), -1.5), ((None,), None)],
    ),
    Function(
        name="sql.abs",
        doc="The absolute value; the smallest integer stays as it is.",
        signature=_one,
        polars=_lower_absolute,
        oracle=_absolute,
        typed=True,
        flink="ABS({0})",
        examples=[((-(2**63),), -(2**63)), ((-1.5,), 1.5), ((None,), None)],
    ),
    Function(
        name="sql.floor",
        doc="The largest whole number that is not greater; a decimal loses its scale.",
        signature=_whole_type,
        polars=_lower_floor(False),
        oracle=_floor(False),
        typed=True,
        flink="FLOOR({0})",
        examples=[((-1.5,), -2.0), ((7,), 7), ((None,), None)],
    ),
    Function(
        name="sql.ceil",
        doc="The smallest whole number that is not less; a decimal loses its scale.",
        signature=_whole_type,
        polars=_lower_floor(True),
        oracle=_floor(True),
        typed=True,
        flink="CEIL({0})",
        examples=[((1.2,), 2.0), ((7,), 7), ((None,), None)],
    ),
    Function(
        name="sql.round",
        doc="Rounded to so many digits after the point, halves away from zero; cut there with `cut`. Negative digits "
        "are those before the point.",
        signature=_round_type,
        polars=_lower_rounded,
        oracle=_rounded,
        typed=True,
        gives_null=_may_overflow,
        options={"digits": 0, "cut": False},
        flink=lambda types, options: "TRUNCATE({0}, {digits})" if options["cut"] else "ROUND({0}, {digits})",
        examples=[
            ((-2.5,), -3.0),
            ((150,), {"digits": -2}, 200),
            ((1.29,), {"digits": 1, "cut": True}, 1.2),
            ((None,), None),
        ],
    ),
)
