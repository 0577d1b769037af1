"""The plain-Python meaning of casts; the rules are stated in `casts`."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from penstock.core.dtypes import (
    UNSIGNED,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    Float64,
    Json,
    List,
    Map,
    Null,
    String,
    Struct,
)
from penstock.core.timespan import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from penstock.expr import iso
from penstock.expr.function import RowFault
from penstock.expr.zones import duration_bounds, from_wall, in_years, micros, moment

_INTEGER = re.compile("[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_EXACT = decimal.Context(prec=1000, rounding=decimal.ROUND_HALF_EVEN, Emax=999_999, Emin=-999_999)


def python_cast(value: Any, source: DType, target: DType) -> Any:
    """The converted value; `value` is not None.

    Raises:
        RowFault: If it has none.
    """
    if source == target or target == Null or {source, target} == {Json, String}:
        return value
    match source, target:
        case List(a), List(b):
            return [_inside(item, a, b) for item in value]
        case Struct(a), Struct(b):
            return {name: _inside(value.get(name), dict(a).get(name, Null), dtype) for name, dtype in b}
        case Map(_, a), Map(_, b):
            return {key: _inside(item, a, b) for key, item in value.items()}
    try:
        return _to(target)(value, source, target)
    except OverflowError:
        raise RowFault(f"{value!r} does not fit {target}") from None


def _inside(value: Any, source: DType, target: DType) -> Any:
    return None if value is None else python_cast(value, source, target)


def _to(target: DType) -> Callable[[Any, DType, DType], Any]:
    match target:
        case Decimal():
            return _decimal
        case Datetime():
            return _datetime
        case Duration():
            return _duration
    simple = {
        "Boolean": _boolean, "String": _text, "Json": _text, "Binary": lambda value, source, target: value.encode(),
        "Date": _date, "Time": _time, "Float32": _float, "Float64": _float,
    }  # fmt: skip
    return simple.get(str(target), _integer)


def _boolean(value: Any, source: DType, target: DType) -> bool:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise RowFault("neither true nor false")
        return value.lower() == "true"
    return bool(value != 0)


def _integer(value: Any, source: DType, target: DType) -> int:
    number = _whole(value, source)
    if target in UNSIGNED and isinstance(value, str) and value.startswith("-"):
        raise RowFault("a sign where there is none, even before zero")
    bits = int("".join(c for c in str(target) if c.isdigit()))
    low, high = (0, 2**bits) if target in UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not low <= number < high:
        raise RowFault(f"{number} does not fit {target}")
    return number


def _whole(value: Any, source: DType) -> int:
    match value:
        case bool() | int() | decimal.Decimal():
            return int(value)
        case float():
            if not math.isfinite(value):
                raise RowFault(f"{value} is no whole number")
            return math.trunc(value)
        case str():
            if not _INTEGER.fullmatch(value):
                raise RowFault("no whole number")
            return int(value)
        case dt.datetime():
            return micros(value) // _size(source)
        case dt.date():
            return micros(value) // DAY
        case dt.time():
            return _since_midnight(value)
    return _cut(value // dt.timedelta(microseconds=1), _size(source))


def _size(dtype: DType) -> int:
    return MILLISECOND if getattr(dtype, "unit", "us") == "ms" else 1


def _cut(number: int, size: int) -> int:
    """Division towards zero."""
    return -(-number // size) if number < 0 else number // size


def _since_midnight(value: dt.time) -> int:
    return value.hour * HOUR + value.minute * MINUTE + value.second * SECOND + value.microsecond


def _float(value: Any, source: DType, target: DType) -> float:
    if isinstance(value, str) and not _FLOAT.fullmatch(value):
        raise RowFault("no number")
    number = float(value)
    return number if target == Float64 else narrow(number)


def narrow(number: float) -> float:
    """The nearest 32-bit float; infinite if it is too large."""
    try:
        found: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return found


def _decimal(value: Any, source: DType, target: DType) -> decimal.Decimal:
    assert isinstance(target, Decimal)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RowFault(f"{value} is no decimal")
        # As Polars has it: scaled as a float, then rounded.
        return _fitting(decimal.Decimal(round(value * 10.0**target.scale)).scaleb(-target.scale, _EXACT), target)
    if isinstance(value, str):
        if not _FLOAT.fullmatch(value) or value.lower().lstrip("+-")[:1] in ("i", "n"):
            raise RowFault("no decimal")
        value = decimal.Decimal(value)
    return _fitting(decimal.Decimal(value), target)


def _fitting(value: decimal.Decimal, target: Decimal) -> decimal.Decimal:
    try:
        rounded = value.quantize(decimal.Decimal(1).scaleb(-target.scale), context=_EXACT)
    except decimal.InvalidOperation:
        raise RowFault(f"{value} does not fit {target}") from None
    if abs(rounded.scaleb(target.scale, _EXACT)) >= 10**target.precision:
        raise RowFault(f"{value} does not fit {target}")
    return rounded if rounded else abs(rounded)


def _text(value: Any, source: DType, target: DType) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise RowFault("no UTF-8") from None
        case float():
            return float_text(value, source)
        case decimal.Decimal():
            return f"{value:f}"
        case dt.datetime():
            assert isinstance(source, Datetime)
            return iso.write_datetime(value, source)
        case dt.date():
            return value.isoformat()
        case dt.time():
            return iso.write_time(value)
        case dt.timedelta():
            return iso.write_duration(value // dt.timedelta(microseconds=1))
    return str(value)


def float_text(value: float, dtype: DType) -> str:
    """The shortest text that reads as the same float: `1.0`, `0.00001`, `1e-7`, `1e+16`, `NaN`, `inf`."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    digits, exponent = _shortest(value, dtype)
    sign, count = ("-" if value < 0 else ""), len(digits)
    point = exponent + 1
    lowest, highest = (-5, 16) if dtype != Float32 else (-6, 13)
    if not lowest <= exponent < highest:
        mantissa = digits[0] + (f".{digits[1:]}" if count > 1 else "")
        return f"{sign}{mantissa}e{'+' if exponent > 0 else ''}{exponent}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if count <= point:
        return f"{sign}{digits}{'0' * (point - count)}.0"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _shortest(value: float, dtype: DType) -> tuple[str, int]:
    """The fewest digits that read as the value, and the power of ten of the first."""
    text = _shortest_single(abs(value)) if dtype == Float32 else f"{decimal.Decimal(repr(abs(value))):e}"
    mantissa, _, exponent = text.partition("e")
    return mantissa.replace(".", "").rstrip("0"), int(exponent)


def _shortest_single(value: float) -> str:
    """The fewest digits that read as a single-precision value; where two are as near, the one that reads as it."""
    for precision in range(1, 10):
        for rounding in (decimal.ROUND_HALF_EVEN, decimal.ROUND_HALF_UP):
            text = f"{decimal.Context(prec=precision, rounding=rounding).create_decimal(value):e}"
            if narrow(float(text)) == value:
                return text
    return f"{value:.8e}"


def _date(value: Any, source: DType, target: DType) -> dt.date:
    match value:
        case dt.datetime():
            return value.date()
        case str():
            return iso.read_date(value)
    return dt.date(1970, 1, 1) + dt.timedelta(days=value)


def _time(value: Any, source: DType, target: DType) -> dt.time:
    match value:
        case dt.datetime():
            return value.time()
        case str():
            return iso.read_time(value)
    if not 0 <= value < DAY:
        raise RowFault(f"{value} is no time of day")
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=value)).time()


def _datetime(value: Any, source: DType, target: DType) -> dt.datetime:
    assert isinstance(target, Datetime)
    match value:
        case dt.datetime():
            return moment(micros(value), target)
        case str():
            found = iso.read_datetime(value, target)
        case dt.date():
            midnight = dt.datetime.combine(value, dt.time())
            return from_wall(midnight, target.zone) if target.zone else midnight
        case _:
            found = moment(value * _size(target), target)
    if not in_years(found, target):
        raise RowFault("outside of the years 1 to 9999")
    return found


def _duration(value: Any, source: DType, target: DType) -> dt.timedelta:
    assert isinstance(target, Duration)
    if isinstance(value, dt.timedelta):
        total = value // dt.timedelta(microseconds=1)
    elif isinstance(value, str):
        total = iso.read_duration(value)
    else:
        low, high = duration_bounds(target)
        if not low <= value <= high:
            raise RowFault(f"{value} does not fit {target}")
        total = value * _size(target)
    return dt.timedelta(microseconds=_cut(total, _size(target)) * _size(target))
