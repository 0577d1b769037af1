"""The plain meaning of CAST in Flink SQL. A text that is none of its target raises RowFault."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
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
    Duration,
    Float32,
    List,
    Map,
    String,
    Struct,
    Time,
)
from penstock.expr.cast_meaning import float_text, narrow
from penstock.expr.function import RowFault
from penstock.expr.signatures import bits, limits
from penstock.expr.sql_decimals import fitted
from penstock.expr.zones import from_wall, micros, moment

_WHOLE = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+")
_FLOAT = re.compile(r"([+-]?)(NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?)")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?(?:[ T].*)?")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]*))?)?")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})(?: ([0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]{0,9})?))?")
_TRUE, _FALSE = ("t", "true", "y", "yes", "1"), ("f", "false", "n", "no", "0")


def wrapped(number: int, dtype: DType) -> int:
    """An integer as its type holds it: what does not fit wraps around."""
    low, high = limits(dtype)
    return int((number - low) % (high - low + 1) + low)


def cast(value: Any, source: DType, target: DType, digits: int | None = None) -> Any:
    """The converted value, null if there is none that its type holds.

    Raises:
        RowFault: If a text is none of the target type.
    """
    if value is None:
        return None
    match source, target:
        case List(a), List(b):
            return [cast(item, a, b) for item in value]
        case Struct(a), Struct(b):
            return {name: cast(value.get(old), t, u) for (old, t), (name, u) in zip(a, b, strict=True)}
        case Map(a, c), Map(b, d):
            return {cast(key, a, b): cast(item, c, d) for key, item in value.items()}
    if target == String:
        return text_of(value, source)
    if target == Binary:
        return value.encode() if isinstance(value, str) else value
    if target == Boolean:
        return _boolean(value)
    if target in INTEGERS:
        return _integer(value, source, target)
    if target in FLOATS:
        return _float(value, target)
    if isinstance(target, Decimal):
        return _decimal(value, source, target)
    return _temporal(value, source, target, digits)


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word not in _TRUE + _FALSE:
            raise RowFault("neither true nor false")
        return word in _TRUE
    return bool(value != 0)


def _integer(value: Any, source: DType, target: DType) -> int:
    if isinstance(value, str):
        word = value.strip(" ")
        if not _WHOLE.fullmatch(word):
            raise RowFault("no whole number")
        number = int(decimal.Decimal(word))
        if wrapped(number, target) != number:
            raise RowFault(f"{number} does not fit {target}")
        return number
    if isinstance(value, float):
        # Java's: NaN is 0, and what is too large is the largest; TINYINT and SMALLINT are cut from an INT.
        size = 64 if bits(target) == 64 else 32
        low, high = -(2 ** (size - 1)), 2 ** (size - 1) - 1
        number = 0 if value != value else low if value <= low else high if value >= high else math.trunc(value)
        return wrapped(number, target)
    return wrapped(int(value), target)


def _float(value: Any, target: DType) -> float:
    if isinstance(value, str):
        match = _FLOAT.fullmatch(value.strip())
        if match is None:
            raise RowFault("no number")
        number = float(match[1] + match[2].rstrip("dDfF" if match[2] not in ("NaN", "Infinity") else ""))
    else:
        number = float(value)
    return narrow(number) if target == Float32 else number


def _decimal(value: Any, source: DType, target: DType) -> decimal.Decimal | None:
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value.strip()):
            raise RowFault("no decimal")
        found = fitted(decimal.Decimal(value.strip()), target)
        if found is None:
            raise RowFault(f"{value} does not fit {target}")
        return found
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return fitted(decimal.Decimal(float_text(value, source)), target)
    return fitted(decimal.Decimal(int(value) if isinstance(value, bool) else value), target)


# -- Text -------------------------------------------------------------------------------------------


def text_of(value: Any, source: DType) -> str:
    """A value as Flink writes it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case bytes():
            return value.decode(errors="replace")
        case float():
            return java_text(value, source)
        case decimal.Decimal():
            return f"{value:f}"
        case dt.datetime():
            count = 3 if isinstance(source, Datetime) and source.unit == "ms" else 6
            return f"{value:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + f".{value.microsecond:06d}"[: count + 1]
        case dt.time():
            return f"{value:%H:%M:%S}"
        case dt.timedelta():
            return _span_text(value)
    match source:
        case List(inner):
            return f"[{', '.join(text_of(item, inner) for item in value)}]"
        case Map(key, item):
            pairs = (f"{text_of(k, key)}={text_of(v, item)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case Struct((("$months", _),)):
            months = value["$months"]
            return f"{'-' if months < 0 else '+'}{abs(months) // 12}-{abs(months) % 12:02d}"
        case Struct(fields):
            return f"({', '.join(text_of(value[name], inner) for name, inner in fields)})"
    return str(value)


def _span_text(value: dt.timedelta) -> str:
    millis = value // dt.timedelta(milliseconds=1)
    sign, millis = ("-" if millis < 0 else "+"), abs(millis)
    seconds, rest = divmod(millis, 1000)
    days, seconds = divmod(seconds, 86400)
    return f"{sign}{days} {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def java_text(value: float, source: DType) -> str:
    """A float as Java writes it: `1.0`, `1.0E10`, `1.0E-5`."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    exact = decimal.Decimal(float_text(value, source))
    sign, digits, _ = exact.as_tuple()
    written = "".join(map(str, digits)).lstrip("0").rstrip("0") or "0"
    mark = "-" if sign else ""
    if exact == 0:
        return f"{mark}0.0"
    power = exact.adjusted()
    if -3 <= power < 7:
        whole = f"{exact:f}".lstrip("-")
        whole = whole.rstrip("0").rstrip(".") if "." in whole else whole
        return mark + (whole if "." in whole else f"{whole}.0")
    return f"{mark}{written[0]}.{written[1:] or '0'}E{power}"


# -- Dates and times --------------------------------------------------------------------------------


def _temporal(value: Any, source: DType, target: DType, digits: int | None) -> Any:
    if target == Date:
        return _date(value)
    if target == Time:
        return _time(value)
    if isinstance(target, Duration):
        return value
    assert isinstance(target, Datetime)
    if isinstance(value, str):
        value = read_moment(value)
        value = from_wall(value, target.zone) if target.zone else value
    elif isinstance(value, dt.time):
        value = dt.datetime.combine(dt.date(1970, 1, 1), value)
        value = from_wall(value, target.zone) if target.zone else value
    elif not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
        value = from_wall(value, target.zone) if target.zone else value
    elif isinstance(source, Datetime) and (source.zone is None) != (target.zone is None):
        value = from_wall(value, target.zone) if target.zone else value.replace(tzinfo=None)
    step = 10 ** (6 - min(digits, 6)) if digits is not None else 1
    return moment(micros(value) // step * step, target)


def _date(value: Any) -> dt.date:
    if isinstance(value, str):
        match = _DATE.fullmatch(value.strip())
        if match is None:
            raise RowFault("no date")
        try:
            return dt.date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
        except ValueError:
            raise RowFault("no date") from None
    return value.date() if isinstance(value, dt.datetime) else value


def _time(value: Any) -> dt.time:
    if isinstance(value, str):
        match = _TIME.fullmatch(value.strip())
        if match is None:
            raise RowFault("no time")
        try:
            return dt.time(int(match[1]), int(match[2]), int(match[3] or 0))
        except ValueError:
            raise RowFault("no time") from None
    return value.time().replace(microsecond=0) if isinstance(value, dt.datetime) else value


def read_moment(text: str) -> dt.datetime:
    """A text such as `2024-05-06` or `2024-05-06 07:08:09.123`.

    Raises:
        RowFault: If it is none.
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        raise RowFault("no timestamp")
    clock, _, fraction = (match[2] or "0:0:0").partition(".")
    try:
        day = dt.date(*map(int, match[1].split("-")))
        hour, minute, second = map(int, clock.split(":"))
        return dt.datetime.combine(day, dt.time(hour, minute, second, int((fraction + "000000")[:6])))
    except ValueError:
        raise RowFault("no timestamp") from None


def shaped(value: Any, length: int | None, fixed: bool) -> Any:
    """A text or bytes cut to a length, and filled up to it if it is fixed."""
    if length is None or value is None:
        return value
    cut = value[:length]
    if not fixed:
        return cut
    return cut.ljust(length) if isinstance(cut, str) else cut.ljust(length, b"\0")
