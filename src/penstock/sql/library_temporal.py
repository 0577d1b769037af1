"""Dates, times, moments and intervals of Flink SQL."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.dtypes import Date, Datetime, Duration, Int32, Int64, String, Time
from penstock.core.errors import PlanError
from penstock.expr import sql_times as times
from penstock.expr.infer import Typed
from penstock.expr.zones import check_zone
from penstock.sql.entries import Build, Entry, Given, entry
from penstock.sql.terms import MONTHS, call, constant, plain_cast

_MS = Duration("ms")


def span(value: Typed, interval: Typed, name: str) -> Typed:
    """A date, time or moment moved by INTERVAL DAY TO SECOND: `add` or `sub`."""
    if value.dtype == Time:
        return call("sql.add_to_time", [value, interval], sign=1 if name == "add" else -1)
    moved = call(name, [value, interval])
    return moved if moved.dtype == value.dtype else plain_cast(moved, value.dtype)


def moved(value: Typed, interval: Typed, sign: int) -> Typed:
    """A date or moment moved by INTERVAL YEAR TO MONTH."""
    if value.dtype == Time:
        raise PlanError("a TIME has no months")
    return call("sql.add_months", [value, months_of(interval)], sign=sign)


def months_of(interval: Typed) -> Typed:
    """The months of INTERVAL YEAR TO MONTH."""
    return call("struct.field", [interval], name="$months")


def _extract(given: Given) -> Typed:
    unit = _unit(given.constant(0, "the unit"))
    value = given[1]
    if value.dtype == MONTHS:
        months = months_of(value)
        twelve = constant(12, Int32)
        found = call("sql.mod" if unit == "MONTH" else "sql.divide", [months, twelve])
        if unit not in ("YEAR", "MONTH"):
            raise PlanError(f"INTERVAL YEAR TO MONTH has no {unit}")
        return plain_cast(found, Int64)
    if isinstance(value.dtype, Duration):
        return _of_span(value, unit)
    return call("sql.extract", [value], unit=unit)


def _of_span(value: Typed, unit: str) -> Typed:
    if unit not in ("DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND"):
        raise PlanError(f"INTERVAL DAY TO SECOND has no {unit}")
    millis = call("sql.divide", [plain_cast(plain_cast(value, Duration("us")), Int64), constant(1000, Int64)])
    above = {"HOUR": "DAY", "MINUTE": "HOUR", "SECOND": "MINUTE", "MILLISECOND": "SECOND"}
    if unit in above:
        millis = call("sql.mod", [millis, constant(times.STEPS[above[unit]], Int64)])
    return call("sql.divide", [millis, constant(times.STEPS[unit], Int64)])


def _unit(word: object) -> str:
    unit = str(word).upper()
    return {"DAYS": "DAY", "HOURS": "HOUR", "YEARS": "YEAR", "MONTHS": "MONTH"}.get(unit, unit)


def _field(unit: str) -> Build:
    return lambda given: call("sql.extract", given.args, unit=unit)


def _stepped(name: str) -> Build:
    return lambda given: call(name, given.args[:1], unit=_unit(given.constant(1, "the unit")))


def _add(given: Given) -> Typed:
    unit, count, value = _unit(given.constant(0, "the unit")), given[1], given[2]
    if unit in times.MONTHS:
        months = call("sql.multiply", [count, constant(times.MONTHS[unit], Int32)])
        return call("sql.add_months", [value, months], sign=1)
    if unit not in times.STEPS:
        raise PlanError(f"TIMESTAMPADD has no unit {unit}")
    millis = call("sql.multiply", [plain_cast(count, Int64), constant(times.STEPS[unit], Int64)])
    interval = plain_cast(millis, _MS)
    if value.dtype == Date and times.STEPS[unit] < times.STEPS["DAY"]:
        value = plain_cast(value, Datetime("ms"))
    return span(value, interval, "add")


def _difference(given: Given) -> Typed:
    return call("sql.timestamp_diff", given.args[1:], unit=_unit(given.constant(0, "the unit")))


def _format(given: Given) -> Typed:
    value = given[0]
    if value.dtype == String:
        value = call("sql.to_timestamp", [value])
    return call("sql.date_format", [value], pattern=str(given.constant(1, "the format")))


def _read(name: str, zoned: bool) -> Build:
    def build(given: Given) -> Typed:
        options = {"pattern": str(given.constant(1, "the format"))} if len(given) > 1 else {}
        if zoned:
            options["zone"] = given.session.zone
        return call(name, given.args[:1], **options)

    return build


def _instant(given: Given) -> Typed:
    digits = given.constant(1, "the precision") if len(given) > 1 else 3
    return call("sql.to_instant", given.args[:1], digits=digits, zone=given.session.zone)


def _instant_of_text(given: Given) -> Typed:
    """Flink reads such text in UTC, whatever the session's zone is, unless a zone is given."""
    options = {"pattern": str(given.constant(1, "the format"))} if len(given) > 1 else {}
    zone = check_zone(str(given.constant(2, "the zone"))) if len(given) > 2 else "UTC"
    found = call("sql.to_timestamp", given.args[:1], zone=zone, **options)
    return plain_cast(found, given.session.instant())


def _convert(given: Given) -> Typed:
    source, target = (check_zone(str(given.constant(i, "the zone"))) for i in (1, 2))
    return call("sql.convert_tz", given.args[:1], source=source, target=target)


def _overlaps(given: Given) -> Typed:
    """Two spans: begin and end (or length), begin and end (or length)."""
    ends = [_end(given[0], given[1]), _end(given[2], given[3])]
    pairs = [_ordered(given[0], ends[0]), _ordered(given[2], ends[1])]
    (first, last), (begin, end) = pairs
    return call("and", [call("ge", [last, begin]), call("ge", [end, first])])


def _end(begin: Typed, end: Typed) -> Typed:
    if isinstance(end.dtype, Duration):
        return span(begin, end, "add")
    return moved(begin, end, 1) if end.dtype == MONTHS else end


def _ordered(a: Typed, b: Typed) -> tuple[Typed, Typed]:
    from penstock.sql.terms import case

    swapped = call("gt", [a, b])
    return case([(swapped, b)], a), case([(swapped, a)], b)


def _add_month_spans(sign: int) -> Build:
    def build(given: Given) -> Typed:
        a, b = (months_of(arg) for arg in given.args)
        return call("struct", [call("sql.add" if sign > 0 else "sql.subtract", [a, b])], names=("$months",))

    return build


_NAMED: tuple[tuple[str, str], ...] = (
    ("YEAR", "YEAR"), ("QUARTER", "QUARTER"), ("MONTH", "MONTH"), ("WEEK", "WEEK"), ("DAYOFYEAR", "DOY"),
    ("DAYOFMONTH", "DAY"), ("DAYOFWEEK", "DOW"), ("HOUR", "HOUR"), ("MINUTE", "MINUTE"), ("SECOND", "SECOND"),
)  # fmt: skip
_make: Callable[..., Entry] = entry

ENTRIES: tuple[Entry, ...] = (
    entry("EXTRACT", "s x", _extract),
    *(_make(name, "p", _field(unit)) for name, unit in _NAMED),
    entry("FLOOR", "p s", _stepped("sql.floor_time")),
    entry("CEIL CEILING", "p s", _stepped("sql.ceil_time")),
    entry("TIMESTAMPADD", "s w t", _add),
    entry("TIMESTAMPDIFF", "s t t", _difference),
    entry("DATE_FORMAT", "T s", _format),
    entry("DATE_FORMAT", "s s", _format),
    entry("TO_DATE", "s s?", _read("sql.to_date", zoned=False)),
    entry("TO_TIMESTAMP", "s s?", _read("sql.to_timestamp", zoned=False)),
    entry("TO_TIMESTAMP_LTZ", "n i?", _instant),
    entry("TO_TIMESTAMP_LTZ", "s s? s?", _instant_of_text),
    entry("FROM_UNIXTIME", "l s?", _read("sql.from_unixtime", zoned=True)),
    entry("UNIX_TIMESTAMP", "s s?", _read("sql.unix_timestamp", zoned=True)),
    entry("CONVERT_TZ", "s s s", _convert),
    entry("OVERLAPS", "t x t x", _overlaps),
    entry("+", "y y", _add_month_spans(1)),
    entry("-", "y y", _add_month_spans(-1)),
)
