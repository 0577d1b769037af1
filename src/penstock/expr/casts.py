"""Conversions between types: allowed pairs, their lowering, their faults.

Python's side of it, the meaning, is `cast_meaning.python_cast`. The rules:

- A number that does not fit is refused; fractions are cut towards zero, decimals round half to even.
- Text is read as a whole or refused: numbers as Python writes them (`1`, `-2.5e3`, `nan`, `inf`), `true` and `false` in
  any case, ISO dates and times (see `iso`). Text of a datetime without an offset is local to the target's zone.
- Dates are whole days, times microseconds since midnight, datetimes and durations whole units of their type.
- From zone to zone the instant stays. A datetime without a zone is read as UTC, and becomes UTC's wall-clock time;
  its date and its time of day are those of its own zone.
- A list is converted element by element, and refused if one of them is; a struct field by field, by name.
"""

from __future__ import annotations

from typing import Any

from penstock.core.dtypes import (
    SIGNED,
    UNSIGNED,
    Datetime,
    Decimal,
    DType,
    Duration,
    Json,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
    is_numeric,
    to_polars,
)
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import iso
from penstock.expr.cast_meaning import python_cast
from penstock.expr.zones import bounds, check_zone, duration_bounds, polars_moment, polars_wall

__all__ = ["cast_fault", "check_cast", "kind_of", "lower_cast", "python_cast"]

_SIMPLE = {"Int": "integer", "UIn": "integer", "Flo": "float"}
_ANY_TEXT = (
    "boolean",
    "integer",
    "float",
    "decimal",
    "string",
    "binary",
    "date",
    "time",
    "datetime",
    "duration",
    "json",
)
_FROM: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean", "integer", "float", "decimal", "string"),
    "integer": ("boolean", "integer", "float", "decimal", "string", "date", "time", "datetime", "duration"),
    "float": ("boolean", "integer", "float", "decimal", "string"),
    "decimal": ("boolean", "integer", "float", "decimal", "string"),
    "string": _ANY_TEXT,
    "json": _ANY_TEXT,
    "binary": ("binary", "string"),
    "date": ("date", "integer", "string", "datetime"),
    "time": ("time", "integer", "string"),
    "datetime": ("datetime", "integer", "string", "date", "time"),
    "duration": ("duration", "integer", "string"),
}
_HINTS = {
    ("string", "list"): "split text with .str.split",
    ("list", "string"): "write it as JSON with .to_json(), or join it with .list.join",
    ("struct", "string"): "write it as JSON with .to_json()",
    ("map", "string"): "take its keys or values first",
    ("float", "datetime"): "ps.from_epoch reads seconds with fractions",
    ("datetime", "float"): "cast to Int64, or use .dt.epoch",
    ("time", "duration"): "cast to Int64 first: microseconds since midnight",
}


def kind_of(dtype: DType) -> str:
    """The family of types that one belongs to: `"integer"`, `"float"`, `"list"` and so on."""
    return _SIMPLE.get(str(dtype)[:3], str(dtype).partition("(")[0].lower())


def check_cast(source: DType, target: DType) -> None:
    """Refuse a conversion that has no meaning.

    Raises:
        PlanError: If values of `source` cannot be converted to `target`.
    """
    if isinstance(target, Datetime) and target.zone:
        check_zone(target.zone)
    if source in (target, Null):
        return
    match source, target:
        case List(a), List(b):
            check_cast(a, b)
            return
        case Struct(a), Struct(b):
            for name, dtype in b:
                check_cast(dict(a).get(name, Null), dtype)
            return
        case Map(a, c), Map(b, d) if a == b and is_numeric(c) and is_numeric(d) and _always_fits(c, d):
            return
    kinds = kind_of(source), kind_of(target)
    if kinds[1] not in _FROM.get(kinds[0], ()):
        raise PlanError(f"there is no cast from {source} to {target}", hint=_HINTS.get(kinds))


def lower_cast(value: Any, source: DType, target: DType) -> Any:
    """The Polars expression of a conversion; null where it fails."""
    if source == target or {source, target} == {Json, String}:
        return value
    if source == Null:
        return value.cast(to_polars(target))
    match source, target:
        case List(a), List(b):
            return _list(value, a, b)
        case Struct(a), Struct(b):
            return _struct(value, dict(a), b)
    special = _SPECIAL.get((kind_of(source), kind_of(target)))
    if special is not None:
        return special(value, source, target)
    return value.cast(to_polars(target), strict=False)


def cast_fault(value: Any, converted: Any, source: DType, target: DType) -> Any | None:
    """A Polars condition for rows whose conversion failed; None if it cannot fail."""
    if _always_fits(source, target):
        return None
    return value.is_not_null() & converted.is_null()


def _always_fits(source: DType, target: DType) -> bool:
    if source in (target, Null) or {source, target} == {Json, String}:
        return True
    match source, target:
        case List(a), List(b):
            return _always_fits(a, b)
        case Struct(a), Struct(b):
            return all(_always_fits(dict(a).get(name, Null), dtype) for name, dtype in b)
        case Map(_, a), Map(_, b):
            return _always_fits(a, b)
    kinds = kind_of(source), kind_of(target)
    if kinds == ("integer", "integer"):
        return _fits_integer(source, target)
    return kinds in _NEVER_FAIL or (kinds[1] == "boolean" and kinds[0] in ("integer", "float", "decimal"))


_NEVER_FAIL = {
    *((kind, "string") for kind in _FROM if kind not in ("binary", "json", "string")),
    *((kind, "float") for kind in ("boolean", "integer", "float", "decimal")),
    ("boolean", "integer"), ("string", "binary"), ("date", "datetime"),
    ("datetime", "datetime"), ("datetime", "date"), ("datetime", "time"), ("duration", "duration"),
}  # fmt: skip


def _fits_integer(source: DType, target: DType) -> bool:
    bits: dict[DType, int] = {dtype: 8 << (i % 4) for i, dtype in enumerate((*SIGNED, *UNSIGNED))}
    if (source in UNSIGNED) == (target in UNSIGNED):
        return bits[source] <= bits[target]
    return source in UNSIGNED and bits[source] < bits[target]


# -- Values inside others ---------------------------------------------------------------------------


def _list(value: Any, source: DType, target: DType) -> Any:
    element = pl.element()
    converted = lower_cast(element, source, target)
    result = value.list.eval(converted)
    fault = cast_fault(element, converted, source, target)
    return result if fault is None else pl.when(~value.list.eval(fault).list.any()).then(result)


def _struct(value: Any, source: dict[str, DType], target: tuple[tuple[str, DType], ...]) -> Any:
    fields, faults = [], []
    for name, dtype in target:
        if name not in source:
            fields.append(pl.lit(None, dtype=to_polars(dtype)).alias(name))
            continue
        field = value.struct.field(name)
        converted = lower_cast(field, source[name], dtype)
        fields.append(converted.alias(name))
        fault = cast_fault(field, converted, source[name], dtype)
        faults += [] if fault is None else [fault]
    fine = pl.all_horizontal(value.is_not_null(), *(~fault for fault in faults))
    return pl.when(fine).then(pl.struct(fields))


# -- Pairs that Polars refuses, fails at, or reads differently --------------------------------------

_FALSE_TRUE = {"false": False, "true": True}
# The hexadecimal form of well-formed UTF-8 (Unicode, table 3-7).
_UTF8 = (
    "^(?:[0-7][0-9a-f]|(?:c[2-9a-f]|d[0-9a-f])T|e0[ab][0-9a-f]T|(?:e[1-9a-cef])TT|ed[89][0-9a-f]T"
    "|f0[9ab][0-9a-f]TT|f[1-3]TTT|f48[0-9a-f]TT)*$"
).replace("T", "[89ab][0-9a-f]")


def _text_to_boolean(value: Any, source: DType, target: DType) -> Any:
    lower = value.str.to_lowercase()
    return pl.when(lower.is_in(list(_FALSE_TRUE))).then(lower == "true")


def _bytes_to_text(value: Any, source: DType, target: DType) -> Any:
    # Polars' own cast fails as a whole on one bad value, strict or not, even on bytes that lie under a null.
    fine = value.bin.encode("hex").str.contains(_UTF8)
    return pl.when(fine).then(pl.when(fine).then(value).otherwise(pl.lit(b"")).cast(pl.String))


def _float_to_decimal(value: Any, source: DType, target: DType) -> Any:
    # Polars' own cast raises for a value of too many digits, strict or not.
    assert isinstance(target, Decimal)
    wide = value.cast(pl.Float64)
    fitting = pl.when((wide * 10.0**target.scale).abs() <= 1e38).then(wide)
    return fitting.cast(pl.Decimal(38, target.scale), strict=False).cast(to_polars(target), strict=False)


def _boolean_to_decimal(value: Any, source: DType, target: DType) -> Any:
    return value.cast(pl.Int64).cast(to_polars(target), strict=False)


def _integer_to_days(value: Any, source: DType, target: DType) -> Any:
    low, high = bounds(target)
    whole = value.cast(pl.Int64, strict=False)
    return pl.when(whole.is_between(low, high)).then(whole).cast(to_polars(target))


def _integer_to_time(value: Any, source: DType, target: DType) -> Any:
    whole = value.cast(pl.Int64, strict=False)
    return (pl.when(whole.is_between(0, 86_399_999_999)).then(whole) * 1000).cast(pl.Time)


def _integer_to_duration(value: Any, source: DType, target: DType) -> Any:
    assert isinstance(target, Duration)
    whole = value.cast(pl.Int64, strict=False)
    return pl.when(whole.is_between(*duration_bounds(target))).then(whole).cast(to_polars(target))


def _physical(value: Any, source: DType, target: DType) -> Any:
    micros = value.to_physical() // 1000 if source == Time else value.to_physical()
    return micros.cast(to_polars(target), strict=False)


def _local(value: Any, source: DType, target: DType) -> Any:
    return polars_wall(value, source).cast(to_polars(target))


def _date_to_datetime(value: Any, source: DType, target: DType) -> Any:
    assert isinstance(target, Datetime)
    return polars_moment(value.cast(pl.Datetime(target.unit)), target.zone)  # type: ignore[arg-type]


def _datetime_to_text(value: Any, source: DType, target: DType) -> Any:
    assert isinstance(source, Datetime)
    return iso.polars_write_datetime(value, source)


def _duration_to_text(value: Any, source: DType, target: DType) -> Any:
    return value.dt.to_string("iso")


def _text_to_datetime(value: Any, source: DType, target: DType) -> Any:
    assert isinstance(target, Datetime)
    return iso.polars_datetime(value, target)


def _text_to_duration(value: Any, source: DType, target: DType) -> Any:
    return iso.polars_duration(value).cast(pl.Duration("us")).cast(to_polars(target))


_READ = {
    "boolean": _text_to_boolean,
    "date": lambda value, source, target: iso.polars_date(value),
    "time": lambda value, source, target: iso.polars_time(value),
    "datetime": _text_to_datetime,
    "duration": _text_to_duration,
}
_SPECIAL: dict[tuple[str, str], Any] = {
    **{(text, kind): read for text in ("string", "json") for kind, read in _READ.items()},
    ("binary", "string"): _bytes_to_text,
    ("float", "decimal"): _float_to_decimal,
    ("boolean", "decimal"): _boolean_to_decimal,
    ("integer", "date"): _integer_to_days,
    ("integer", "datetime"): _integer_to_days,
    ("integer", "time"): _integer_to_time,
    ("integer", "duration"): _integer_to_duration,
    **{(kind, "integer"): _physical for kind in ("date", "time", "datetime", "duration")},
    ("datetime", "date"): _local,
    ("datetime", "time"): _local,
    ("date", "datetime"): _date_to_datetime,
    ("time", "string"): lambda value, source, target: value.dt.to_string("%H:%M:%S%.6f"),
    ("datetime", "string"): _datetime_to_text,
    ("duration", "string"): _duration_to_text,
}
