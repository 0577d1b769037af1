"""Dates, times and moments as Flink SQL has them. Fields and starts of units are those of the local time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Date, Datetime, DType, Duration, Int32, Int64, String, Time
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import sql_times as times
from penstock.expr.function import Function, Kind, RowFault, Signature
from penstock.expr.rowwise import per_row, python_fault, python_value
from penstock.expr.signatures import DAYS, INTEGER, TEXT, takes
from penstock.expr.zones import check_zone, from_wall, micros, moment, polars_moment, polars_wall

Types = tuple[DType, ...]
_WHEN = Kind("a date, time or datetime", lambda t: t in (Date, Time) or isinstance(t, Datetime), Datetime("ms"))


def _unit(known: Sequence[str], signature: Any) -> Any:
    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if options["unit"] not in known:
            raise PlanError(f"{options['unit']!r} is no unit here", hint=f"there is {', '.join(known)}")
        found: Signature = signature(types, options)
        return found

    return resolve


# -- Fields -----------------------------------------------------------------------------------------


def _lower_extract(value: Any, unit: str, types: Types, returns: DType) -> Any:
    local = polars_wall(value, types[0])
    if types[0] == Date:
        local = local.cast(pl.Datetime("us"))
    day = local.dt if types[0] != Time else None
    if types[0] == Time:
        local = value.cast(pl.Duration("us")).cast(pl.Int64).cast(pl.Datetime("us"))
        day = local.dt
    assert day is not None
    found = {
        "MILLENNIUM": lambda: (day.year() + 999) // 1000,
        "CENTURY": lambda: (day.year() + 99) // 100,
        "DECADE": lambda: day.year() // 10,
        "YEAR": day.year,
        "QUARTER": day.quarter,
        "MONTH": day.month,
        "WEEK": day.week,
        "DAY": day.day,
        "DOY": day.ordinal_day,
        "DOW": lambda: day.weekday() % 7 + 1,
        "ISODOW": day.weekday,
        "ISOYEAR": day.iso_year,
        "HOUR": day.hour,
        "MINUTE": day.minute,
        "SECOND": day.second,
        "MILLISECOND": day.millisecond,
        "MICROSECOND": day.microsecond,
        "EPOCH": lambda: day.epoch("s"),
    }[unit]()
    return found.cast(pl.Int64)


def _stepped(name: str) -> Any:
    def meaning(value: Any, unit: str, types: Types, returns: DType) -> Any:
        local = times.wall(value)
        try:
            found = times.floored(local, unit) if name == "floor" else times.ceiled(local, unit)
        except OverflowError:
            raise RowFault("outside of the years 1 to 9999") from None
        if types[0] == Date:
            return found.date()
        if types[0] == Time:
            return found.time()
        assert isinstance(types[0], Datetime)
        return from_wall(found, types[0].zone) if types[0].zone else found

    return meaning


def _lower_stepped(name: str) -> Any:
    slow = python_value(_stepped(name), typed=True)
    every = {
        "YEAR": "1y", "QUARTER": "1q", "MONTH": "1mo", "DAY": "1d", "HOUR": "1h", "MINUTE": "1m", "SECOND": "1s",
        "MILLISECOND": "1ms",
    }  # fmt: skip

    def lower(value: Any, unit: str, types: Types, returns: DType) -> Any:
        zone = getattr(types[0], "zone", None)
        if name == "floor" and types[0] != Time and unit in every:
            if types[0] == Date:
                return value if unit in times.STEPS else value.dt.truncate(every[unit])
            return polars_moment(polars_wall(value, types[0]).dt.truncate(every[unit]), zone)
        return slow(value, unit=unit, types=types, returns=returns)

    return lower


# -- Steps ------------------------------------------------------------------------------------------


def _add_months(value: Any, months: Any, sign: int, types: Types, returns: DType) -> Any:
    count = months * sign
    found = times.plus_months(value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value, count)
    zone = getattr(types[0], "zone", None)
    return from_wall(found, zone) if zone else found


def _add_to_time(value: dt.time, span: dt.timedelta, sign: int) -> dt.time:
    return (dt.datetime.combine(dt.date(2000, 1, 2), value) + sign * (span % dt.timedelta(days=1))).time()


def _difference(start: Any, end: Any, unit: str) -> int:
    found = times.difference(start, end, unit)
    return (found + 2**31) % 2**32 - 2**31


def _lower_difference(start: Any, end: Any, unit: str, types: Types, returns: DType) -> Any:
    if unit in times.MONTHS:
        return python_value(_difference)(start, end, unit=unit, types=types, returns=returns)
    first, second = (
        polars_wall(v, t).cast(pl.Datetime("us")).to_physical() for v, t in zip((start, end), types, strict=True)
    )
    size = times.STEPS[unit] * 1000
    apart = second - first
    whole = pl.when(apart < 0).then(-(-apart // size)).otherwise(apart // size)
    return whole.cast(pl.Int32, wrap_numerical=True)


# -- Texts ------------------------------------------------------------------------------------------


def _format_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    times.pieces(options["pattern"])
    return takes(DAYS, returns=String)(types, options)


def _lower_format(value: Any, pattern: str, types: Types, returns: DType) -> Any:
    known = times.polars_format(pattern)
    if known is None:
        return python_value(times.write)(value, pattern=pattern, types=types, returns=returns)
    return polars_wall(value, types[0]).dt.to_string(known)


def _reading(returns: Any) -> Any:
    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        times.pieces(options["pattern"])
        return takes(TEXT, returns=returns(options))(types, options)

    return resolve


def _to_moment(text: str, pattern: str, zone: str | None) -> dt.datetime | None:
    try:
        found = times.read(text, pattern)
    except RowFault:
        if pattern != _USUAL:
            return None
        return _loose(text, zone)
    return from_wall(found, zone) if zone else found


_USUAL = "yyyy-MM-dd HH:mm:ss"


def _loose(text: str, zone: str | None) -> dt.datetime | None:
    """What the usual format allows besides itself: a fraction, or the day alone."""
    found = _read_or_none(text, "yyyy-MM-dd") or _read_or_none(text, f"{_USUAL}.SSSSSSSSS")
    if found is None:
        return None
    found = found.replace(microsecond=found.microsecond // 1000 * 1000)
    return from_wall(found, zone) if zone else found


def _read_or_none(text: str, pattern: str) -> dt.datetime | None:
    try:
        return times.read(text, pattern)
    except RowFault:
        return None


def _to_date(text: str, pattern: str) -> dt.date | None:
    from penstock.expr.sql_cast_meaning import cast

    try:
        return cast(text, String, Date) if pattern == "yyyy-MM-dd" else times.read(text, pattern).date()
    except RowFault:
        return None


def _unix(text: str, pattern: str, zone: str) -> int:
    found = _to_moment(text, pattern, zone)
    return -(2**63) if found is None else micros(found) // 1_000_000


def _from_unix(seconds: int, pattern: str, zone: str) -> str | None:
    try:
        return times.write(moment(seconds * 1_000_000, Datetime("us", zone)), pattern)
    except OverflowError:
        return None


def _instant(number: Any, digits: int, zone: str) -> dt.datetime | None:
    try:
        millis = int(number // 1) if digits == 3 else int(number * 1000 // 1)
        return moment(millis * 1000, Datetime("ms", zone))
    except (OverflowError, ValueError):
        return None


def _instant_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if options["digits"] not in (0, 3):
        raise PlanError(f"TO_TIMESTAMP_LTZ counts seconds (0) or milliseconds (3), found {options['digits']}")
    return Signature(tuple(types), Datetime("ms", check_zone(options["zone"])))


_DAY = dt.date(2024, 2, 29)
_NOON = dt.datetime(2024, 2, 29, 12, 34, 56, 789000)

FUNCTIONS = (
    Function(
        name="sql.extract",
        doc="A field of a date, a time or a moment: `YEAR`, `DOW` (Sunday is 1), `EPOCH` and so on.",
        signature=_unit(times.UNITS, takes(_WHEN, returns=Int64)),
        polars=_lower_extract,
        oracle=lambda value, unit, types, returns: times.extract(value, unit),
        typed=True,
        options={"unit": ...},
        flink="EXTRACT({unit} FROM {0})",
        examples=[((_NOON,), {"unit": "MINUTE"}, 34), ((_DAY,), {"unit": "DOW"}, 5), ((None,), {"unit": "DAY"}, None)],
    ),
    *(
        Function(
            name=f"sql.{name}_time",
            doc=f"The start of the {'unit that has it' if name == 'floor' else 'next unit, unless it is one'}: `YEAR`, "
            "`WEEK` (from Sunday), `HOUR` and so on.",
            signature=_unit((*times.MONTHS, *times.STEPS), takes(_WHEN, returns=0)),
            polars=_lower_stepped(name),
            fault=None if name == "floor" else python_fault(_stepped(name), typed=True),
            oracle=_stepped(name),
            typed=True,
            options={"unit": ...},
            flink=f"{name.upper()}({{0}} TO {{unit}})",
            examples=[
                ((_NOON,), {"unit": "HOUR"}, dt.datetime(2024, 2, 29, 12 if name == "floor" else 13)),
                ((_DAY,), {"unit": "MONTH"}, dt.date(2024, 2 if name == "floor" else 3, 1)),
                ((None,), {"unit": "DAY"}, None),
            ],
        )
        for name in ("floor", "ceil")
    ),
    Function(
        name="sql.add_months",
        doc="Moved by months; a day that the month does not have becomes its last. Computed in Python: not fast.",
        signature=takes(DAYS, INTEGER, returns=0),
        polars=python_value(_add_months, typed=True),
        fault=python_fault(_add_months, typed=True),
        oracle=_add_months,
        typed=True,
        options={"sign": 1},
        flink="({0} + {1})",
        examples=[
            ((dt.date(2024, 1, 31), 1), _DAY),
            ((dt.date(2024, 1, 31), 1), {"sign": -1}, dt.date(2023, 12, 31)),
            ((None, 1), None),
        ],
    ),
    per_row(
        "sql.add_to_time",
        "Moved by a span around the clock.",
        takes(
            Kind("a time", lambda t: t == Time, Time),
            Kind("a span", lambda t: isinstance(t, Duration), Duration("ms")),
            returns=0,
        ),
        _add_to_time,
        "({0} + {1})",
        [
            ((dt.time(23), dt.timedelta(hours=2)), dt.time(1)),
            ((dt.time(1), dt.timedelta(hours=2)), {"sign": -1}, dt.time(23)),
            ((None, dt.timedelta(hours=2)), None),
        ],
        options={"sign": 1},
    ),
    Function(
        name="sql.timestamp_diff",
        doc="Whole units from the first to the second, cut towards zero.",
        signature=_unit((*times.MONTHS, *times.STEPS), takes(DAYS, DAYS, returns=Int32)),
        polars=_lower_difference,
        oracle=lambda start, end, unit, types, returns: _difference(start, end, unit),
        typed=True,
        options={"unit": ...},
        flink="TIMESTAMPDIFF({unit}, {0}, {1})",
        examples=[
            ((dt.date(2024, 1, 1), _DAY), {"unit": "DAY"}, 59),
            ((dt.date(2024, 1, 30), _DAY), {"unit": "MONTH"}, 0),
            ((None, _DAY), {"unit": "DAY"}, None),
        ],
    ),
    Function(
        name="sql.date_format",
        doc="A date or moment in a pattern of Java, such as `yyyy-MM-dd HH:mm:ss.SSS`.",
        signature=_format_types,
        polars=_lower_format,
        oracle=lambda value, pattern, types, returns: times.write(value, pattern),
        typed=True,
        options={"pattern": ...},
        flink="DATE_FORMAT({0}, {pattern})",
        examples=[
            ((_NOON,), {"pattern": "yyyy/MM/dd HH:mm"}, "2024/02/29 12:34"),
            ((None,), {"pattern": "yyyy"}, None),
        ],
    ),
    per_row(
        "sql.to_date",
        "The date of a text in a pattern of Java; null if it has another form.",
        _reading(lambda options: Date),
        _to_date,
        "TO_DATE({0}, {pattern})",
        [(("29.02.2024",), {"pattern": "dd.MM.yyyy"}, _DAY), (("x",), None), ((None,), None)],
        gives_null=True,
        options={"pattern": "yyyy-MM-dd"},
    ),
    per_row(
        "sql.to_timestamp",
        "The moment of a text in a pattern of Java; null if it has another form.",
        _reading(lambda options: Datetime("ms", options["zone"])),
        _to_moment,
        "TO_TIMESTAMP({0}, {pattern})",
        [(("2024-02-29 12:34:56.789",), _NOON), (("x",), None), ((None,), None)],
        gives_null=True,
        options={"pattern": _USUAL, "zone": None},
    ),
    per_row(
        "sql.unix_timestamp",
        "The seconds since 1970 of a text in a pattern of Java; the smallest number if it has another form.",
        _reading(lambda options: Int64),
        _unix,
        "UNIX_TIMESTAMP({0}, {pattern})",
        [(("1970-01-01 00:01:00",), 60), (("x",), -(2**63)), ((None,), None)],
        options={"pattern": _USUAL, "zone": "UTC"},
    ),
    per_row(
        "sql.from_unixtime",
        "The local time of seconds since 1970 in a pattern of Java.",
        takes(INTEGER, returns=String),
        _from_unix,
        "FROM_UNIXTIME({0}, {pattern})",
        [((60,), "1970-01-01 00:01:00"), ((60,), {"pattern": "mm"}, "01"), ((None,), None)],
        gives_null=True,
        options={"pattern": _USUAL, "zone": "UTC"},
    ),
    per_row(
        "sql.to_instant",
        "The instant of so many seconds or milliseconds since 1970; null outside of the years 1 to 9999.",
        _instant_types,
        _instant,
        "TO_TIMESTAMP_LTZ({0}, {digits})",
        [
            ((1500,), dt.datetime(1970, 1, 1, 0, 0, 1, 500000, dt.UTC)),
            ((-2.5,), dt.datetime(1969, 12, 31, 23, 59, 59, 997000, dt.UTC)),
            ((None,), None),
        ],
        gives_null=True,
        options={"digits": 3, "zone": "UTC"},
    ),
    per_row(
        "sql.convert_tz",
        "A local time in another zone, both as text.",
        takes(TEXT, returns=String),
        times.convert_zone,
        "CONVERT_TZ({0}, {source}, {target})",
        [
            (("1970-01-01 00:00:00",), {"source": "UTC", "target": "Asia/Tokyo"}, "1970-01-01 09:00:00"),
            (("x",), None),
            ((None,), None),
        ],
        gives_null=True,
        options={"source": "UTC", "target": "UTC"},
    ),
)
