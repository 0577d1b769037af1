"""CAST and TRY_CAST as Flink SQL has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Float32,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
    to_polars,
)
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import sql_cast_meaning as meaning
from penstock.expr.function import Function, RowFault, Signature
from penstock.expr.rowwise import python_fault, python_value
from penstock.expr.signatures import bits, limits

Types = tuple[DType, ...]

_INTO: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean", "number", "text"),
    "number": ("boolean", "number", "text"),
    "text": ("boolean", "number", "text", "bytes", "date", "time", "moment"),
    "bytes": ("bytes", "text"),
    "date": ("date", "moment", "text"),
    "time": ("time", "moment", "text"),
    "moment": ("date", "time", "moment", "text"),
    "span": ("span", "text"),
    "list": ("list", "text"),
    "map": ("map", "text"),
    "row": ("row", "text"),
}


def _kind(dtype: DType) -> str:
    match dtype:
        case Decimal():
            return "number"
        case Datetime():
            return "moment"
        case List():
            return "list"
        case Map():
            return "map"
        case Struct():
            return "row"
    words: dict[DType, str] = {
        Boolean: "boolean",
        String: "text",
        Binary: "bytes",
        Date: "date",
        Time: "time",
    }
    return "number" if dtype in INTEGERS or dtype in FLOATS else words.get(dtype, "span")


def check(source: DType, target: DType) -> None:
    """Refuse a conversion that Flink does not have.

    Raises:
        PlanError: If there is none.
    """
    match source, target:
        case _ if source in (target, Null):
            return
        case List(a), List(b):
            return check(a, b)
        case Map(a, c), Map(b, d):
            check(a, b)
            return check(c, d)
        case Struct(a), Struct(b) if len(a) == len(b):
            for (_, t), (_, u) in zip(a, b, strict=True):
                check(t, u)
            return None
    if _kind(target) not in _INTO[_kind(source)] or isinstance(target, (List, Map, Struct)):
        raise PlanError(f"there is no cast from {source} to {target}")
    return None


def _types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    (source,) = types
    check(source, options["dtype"])
    return Signature((source,), options["dtype"])


def _meaning(
    value: Any,
    dtype: DType,
    attempt: bool,
    length: int | None,
    fixed: bool,
    digits: int | None,
    types: Types,
    returns: DType,
) -> Any:
    try:
        return meaning.shaped(meaning.cast(value, types[0], dtype, digits), length, fixed)
    except (RowFault, OverflowError):
        if attempt:
            return None
        raise RowFault(f"{value!r} is no {dtype}") from None


def _direct(value: Any, source: DType, dtype: DType, digits: int | None) -> Any | None:
    """The Polars form of the conversions that have one."""
    kind = to_polars(dtype)
    if source in INTEGERS:
        if dtype in INTEGERS:
            return value.cast(kind, wrap_numerical=True)
        if dtype in FLOATS or dtype == String:
            return value.cast(kind)
        return value != 0 if dtype == Boolean else None
    if source in FLOATS:
        if dtype in FLOATS:
            return value.cast(kind)
        return _float_to_integer(value, dtype) if dtype in INTEGERS else value != 0 if dtype == Boolean else None
    if source == Boolean:
        if dtype == String:
            return pl.when(value).then(pl.lit("TRUE")).when(value.is_not_null()).then(pl.lit("FALSE"))
        return value.cast(kind) if dtype in INTEGERS or dtype in FLOATS else None
    if isinstance(source, Decimal) and dtype in FLOATS:
        return None
    if source == String and dtype == Binary:
        return value.cast(pl.Binary)
    if (
        isinstance(source, Datetime)
        and isinstance(dtype, Datetime)
        and source.zone == dtype.zone
        and digits in (None, 3, 6)
    ):
        return value.cast(kind)
    if source == Date and dtype == String:
        return value.dt.to_string("%Y-%m-%d")
    return None


def _float_to_integer(value: Any, dtype: DType) -> Any:
    through = dtype if bits(dtype) == 64 else Int32
    low, high = limits(through)
    wide = value.cast(pl.Float64)
    cut = (
        pl.when(wide.is_nan())
        .then(pl.lit(0, dtype=to_polars(through)))
        .when(wide >= float(high))
        .then(pl.lit(high, dtype=to_polars(through)))
        .when(wide <= float(low))
        .then(pl.lit(low, dtype=to_polars(through)))
        .otherwise(wide.cast(to_polars(through), strict=False))
    )
    return cut if through == dtype else cut.cast(to_polars(dtype), wrap_numerical=True)


def _lower(value: Any, types: Types, returns: DType, **options: Any) -> Any:
    (source,) = types
    found = value if source == returns else _direct(value, source, returns, options["digits"])
    if source == returns and options["digits"] not in (None, 3, 6):
        found = None
    if found is None:
        return python_value(_meaning, typed=True)(value, types=types, returns=returns, **options)
    if options["length"] is None:
        return found
    if returns == String and not options["fixed"]:
        return found.str.head(options["length"])
    if returns == String:
        return found.str.head(options["length"]).str.pad_end(options["length"])
    return python_value(_meaning, typed=True)(value, types=types, returns=returns, **options)


def _fault(value: Any, types: Types, returns: DType, **options: Any) -> Any | None:
    (source,) = types
    if options["attempt"] or (source != String and not isinstance(source, (List, Map, Struct))) or returns == source:
        return None
    if returns in (String, Binary):
        return None
    return python_fault(_meaning, typed=True)(value, types=types, returns=returns, **options)


FUNCTIONS = (
    Function(
        name="sql.cast",
        doc="The value in another type as SQL converts it: integers wrap around, a decimal that does not fit is null, "
        "a text that is no such value is an error row, or null if it is only tried (`attempt`).",
        signature=_types,
        polars=_lower,
        fault=_fault,
        oracle=_meaning,
        typed=True,
        gives_null=lambda signature, options: options["attempt"] or isinstance(signature.returns, Decimal),
        options={"dtype": ..., "attempt": False, "length": None, "fixed": False, "digits": None},
        flink=lambda types, options: f"{'TRY_' if options['attempt'] else ''}CAST({{0}} AS {{dtype}})",
        examples=[
            ((70000,), {"dtype": Int32}, 70000),
            ((2**40 + 1,), {"dtype": Int32}, 1),
            ((1e30,), {"dtype": Int64}, 2**63 - 1),
            (("12.7",), {"dtype": Int32}, 12),
            (("x",), {"dtype": Int32}, RowFault),
            (("x",), {"dtype": Int32, "attempt": True}, None),
            ((True,), {"dtype": String}, "TRUE"),
            ((1e10,), {"dtype": String}, "1.0E10"),
            ((0.5,), {"dtype": Float32}, 0.5),
            (("abc",), {"dtype": String, "length": 2}, "ab"),
            ((None,), {"dtype": Int32}, None),
        ],
    ),
)
