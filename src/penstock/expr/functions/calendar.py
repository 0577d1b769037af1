"""Moving dates and datetimes along the calendar and the clock: rounding, offsets, first and last days of months.

On a datetime with a zone all this happens to its local time; what falls into a gap of the zone moves forward, what
the zone has twice is the earlier, as `zones` states. Hours and smaller units of an offset are exact.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from typing import Any, TypeVar

from penstock.core.dtypes import Date, Datetime, DType
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.timespan import DAY, MILLISECOND, Span, span
from penstock.expr.function import Function, NotOnFlink, RowFault, Signature
from penstock.expr.signatures import DAYS, takes
from penstock.expr.zones import (
    UTC,
    from_wall,
    micros,
    moment,
    polars_in_years,
    polars_moment,
    polars_wall,
    polars_within,
    zone_info,
)

_MOST_MONTHS = 12 * 9998
_MONDAY = dt.datetime(1970, 1, 5)
_UNITS = NotOnFlink("FLOOR and CEIL of Flink know single units only")
_INTERVALS = NotOnFlink("Flink has no intervals of months, days and hours at once")

Types = tuple[DType, ...]
Day = TypeVar("Day", bound=dt.date)


@functools.cache
def _signed(by: Any) -> tuple[int, Span]:
    """An offset as its sign and its span."""
    if isinstance(by, str) and by.strip().startswith("-"):
        return -1, span(by.strip()[1:])
    if isinstance(by, dt.timedelta) and by < dt.timedelta(0):
        return -1, span(-by)
    return 1, span(by)


def _check_unit(size: Span, dtype: DType) -> None:
    if dtype == Date and size.us:
        raise PlanError(f'a date moves by whole days, not by "{size}"', hint="cast it to a datetime first")
    if isinstance(dtype, Datetime) and dtype.unit == "ms" and size.us % MILLISECOND:
        raise PlanError(f'{dtype} has whole milliseconds, not "{size}"')
    if size.months > _MOST_MONTHS or Span(0, size.weeks, size.days, size.us).exact() > 9998 * 366 * DAY:
        raise PlanError(f'"{size}" is longer than the calendar')


def _with_offset(types: Any, options: Any) -> Signature:
    signature = takes(DAYS, returns=0)(types, options)
    _check_unit(_signed(options["by"])[1], signature.args[0])
    return signature


def _with_every(types: Any, options: Any) -> Signature:
    signature = takes(DAYS, returns=0)(types, options)
    every = span(options["every"])
    if sum(map(bool, (every.months, every.weeks, every.days, every.us))) != 1:
        raise PlanError(
            f'"every" takes one unit, found "{options["every"]}"', hint='such as "15m", "1d", "1w" or "3mo"'
        )
    _check_unit(every, signature.args[0])
    return signature


# -- Offsets ----------------------------------------------------------------------------------------


def _add_months(day: Day, months: int) -> Day:
    """The same day some months later, or the last of that month if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    last = calendar.monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def _shift(value: Any, sign: int, by: Span, dtype: DType) -> Any:
    if not isinstance(dtype, Datetime):
        return _add_months(value, sign * by.months) + sign * dt.timedelta(weeks=by.weeks, days=by.days)
    wall: dt.datetime = value.replace(tzinfo=None)
    moved = _add_months(wall, sign * by.months) + sign * dt.timedelta(weeks=by.weeks, days=by.days)
    if not dtype.zone:
        return moved + sign * dt.timedelta(microseconds=by.us)
    # A time that does not move along the calendar keeps its place in an overlap.
    instant = from_wall(moved, dtype.zone) if by.is_calendar else value
    return moment(micros(instant) + sign * by.us, dtype)


def _offset_by(value: Any, by: Any, types: Types, returns: DType) -> Any:
    try:
        return _shift(value, *_signed(by), types[0])
    except OverflowError:
        raise RowFault("outside of the years 1 to 9999") from None


def _polars_shift(value: Any, sign: int, by: Span, dtype: DType) -> Any:
    steps = f"{'-' if sign < 0 else ''}{by.months}mo{by.weeks * 7 + by.days}d"
    if not isinstance(dtype, Datetime):
        return value.dt.offset_by(steps)
    exact = pl.duration(microseconds=sign * by.us, time_unit=dtype.unit)  # type: ignore[arg-type]
    if by.is_calendar:
        value = polars_moment(polars_wall(value, dtype).dt.offset_by(steps), dtype.zone)
    return value + exact if by.us else value


def _polars_offset_by(value: Any, by: Any, types: Types, returns: DType) -> Any:
    return polars_within(_polars_shift(value, *_signed(by), types[0]), types[0])


def _offset_by_fault(value: Any, by: Any, types: Types, returns: DType) -> Any:
    return ~polars_in_years(_polars_shift(value, *_signed(by), types[0]), types[0])


# -- Truncation -------------------------------------------------------------------------------------


def _floor(wall: dt.datetime, every: Span) -> dt.datetime:
    """The last multiple of `every` not after a wall-clock time.

    Months count from the year 0, weeks from a Monday, days and smaller units from 1970-01-01.
    """
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if every.months:
        total = wall.year * 12 + wall.month - 1
        year, month = divmod(total - total % every.months, 12)
        if year < 1:
            raise OverflowError
        return midnight.replace(year=year, month=month + 1, day=1)
    if every.weeks or every.days:
        start, days = (_MONDAY, every.weeks * 7) if every.weeks else (dt.datetime(1970, 1, 1), every.days)
        return midnight - dt.timedelta(days=(midnight - start).days % days)
    return wall - dt.timedelta(microseconds=micros(wall) % every.us)


def _in_zone(wall: dt.datetime, value: dt.datetime, zone: str) -> dt.datetime:
    """The latest moment with a wall-clock time that is not after a value.

    A wall-clock time in a gap moves forward; if that is after the value, it keeps the value's offset.
    """
    rules = zone_info(zone)
    for fold in (1, 0):
        found = wall.replace(tzinfo=rules, fold=fold).astimezone(UTC)
        if found.astimezone(rules).replace(tzinfo=None) == wall and found <= value.astimezone(UTC):
            return found.astimezone(rules)
    moved = from_wall(wall, zone)
    if micros(moved) <= micros(value):
        return moved
    return (value.astimezone(UTC) - (value.replace(tzinfo=None) - wall)).astimezone(rules)


def _truncate(value: Any, every: Any, types: Types, returns: DType) -> Any:
    size = span(every)
    try:
        if not isinstance(value, dt.datetime):
            return _floor(dt.datetime.combine(value, dt.time()), size).date()
        floor = _floor(value.replace(tzinfo=None), size)
        zone = types[0].zone if isinstance(types[0], Datetime) else None
        return _in_zone(floor, value, zone) if zone else floor
    except OverflowError:
        raise RowFault("outside of the years 1 to 9999") from None


def _every_text(every: Span) -> str:
    if every.months:
        return f"{every.months}mo"
    if every.weeks or every.days:
        return f"{every.weeks}w" if every.weeks else f"{every.days}d"
    return f"{every.us}us" if every.us % MILLISECOND else f"{every.us // MILLISECOND}ms"


def _polars_floor(value: Any, every: Any, dtype: DType) -> Any:
    wall = polars_wall(value, dtype)
    floor = wall.dt.truncate(_every_text(span(every)))
    if not isinstance(dtype, Datetime) or dtype.zone is None:
        return floor
    late, early = polars_moment(floor, dtype.zone, "latest", "null"), polars_moment(floor, dtype.zone)
    return pl.when(late <= value).then(late).when(early <= value).then(early).otherwise(value - (wall - floor))


def _stays_in_years(every: Span) -> bool:
    """Whether no value of the year 1 is truncated to the year 0: 0001-01-01 was a Monday and is a start."""
    if every.months:
        return 12 % every.months == 0
    return 1 in (every.weeks, every.days) or (every.us > 0 and DAY % every.us == 0)


def _polars_truncate(value: Any, every: Any, types: Types, returns: DType) -> Any:
    floor = _polars_floor(value, every, types[0])
    return floor if _stays_in_years(span(every)) else polars_within(floor, types[0])


def _truncate_fault(value: Any, every: Any, types: Types, returns: DType) -> Any:
    return None if _stays_in_years(span(every)) else ~polars_in_years(_polars_floor(value, every, types[0]), types[0])


# -- Rounding ---------------------------------------------------------------------------------------


def _round(value: Any, every: Any, types: Types, returns: DType) -> Any:
    low = _truncate(value, every, types, returns)
    high = _offset_by(low, every, types, returns)
    return low if micros(value) - micros(low) < micros(high) - micros(value) else high


def _polars_both(value: Any, every: Any, dtype: DType) -> tuple[Any, Any]:
    low = _polars_floor(value, every, dtype)
    return low, _polars_shift(low, 1, span(every), dtype)


def _polars_round(value: Any, every: Any, types: Types, returns: DType) -> Any:
    low, high = _polars_both(value, every, types[0])
    fine = polars_in_years(low, types[0]) & polars_in_years(high, types[0])
    return pl.when(fine).then(pl.when(value - low < high - value).then(low).otherwise(high))


def _round_fault(value: Any, every: Any, types: Types, returns: DType) -> Any:
    low, high = _polars_both(value, every, types[0])
    return ~(polars_in_years(low, types[0]) & polars_in_years(high, types[0]))


# -- Months -----------------------------------------------------------------------------------------


def _to_day(value: Any, day: int, dtype: DType) -> Any:
    moved = value.replace(day=day)
    if isinstance(moved, dt.datetime) and isinstance(dtype, Datetime) and dtype.zone:
        return from_wall(moved.replace(tzinfo=None), dtype.zone)
    return moved


def _month_end(value: Any, types: Types, returns: DType) -> Any:
    return _to_day(value, calendar.monthrange(value.year, value.month)[1], types[0])


def _polars_month(value: Any, method: str, dtype: DType) -> Any:
    moved = getattr(polars_wall(value, dtype).dt, method)()
    return polars_moment(moved, dtype.zone) if isinstance(dtype, Datetime) and dtype.zone else moved


_AT = dt.datetime(2024, 1, 31, 10, 47, 5)
_FAR = dt.datetime(9999, 12, 31, 23)

FUNCTIONS = (
    Function(
        name="dt.truncate",
        doc="The start of the `every` that contains it: `15m`, `1d`, `1w` (Monday), `1mo`, `1q`; local, with a zone.",
        signature=_with_every,
        polars=_polars_truncate,
        fault=_truncate_fault,
        oracle=_truncate,
        typed=True,
        flink=_UNITS,
        options={"every": ...},
        examples=[
            ((_AT,), {"every": "15m"}, dt.datetime(2024, 1, 31, 10, 45)),
            ((_AT,), {"every": "1w"}, dt.datetime(2024, 1, 29)),
            ((_AT.date(),), {"every": "1q"}, dt.date(2024, 1, 1)),
            ((dt.date(1, 1, 2),), {"every": "7mo"}, RowFault),
            ((None,), {"every": "1d"}, None),
        ],
        guesses=("floor_to", "trunc", "date_trunc"),
    ),
    Function(
        name="dt.round",
        doc="The nearer of the start and the end of the `every` that contains it; half goes to the end.",
        signature=_with_every,
        polars=_polars_round,
        fault=_round_fault,
        oracle=_round,
        typed=True,
        flink=_UNITS,
        options={"every": ...},
        examples=[
            ((_AT,), {"every": "15m"}, dt.datetime(2024, 1, 31, 10, 45)),
            ((dt.datetime(2024, 1, 1, 12),), {"every": "1d"}, dt.datetime(2024, 1, 2)),
            ((_FAR,), {"every": "1d"}, RowFault),
            ((None,), {"every": "1d"}, None),
        ],
    ),
    Function(
        name="dt.offset_by",
        doc="Moved by months, then days of the calendar, then exact hours and smaller: `1mo`, `-2d12h`. A day that the "
        "month does not have becomes its last.",
        signature=_with_offset,
        polars=_polars_offset_by,
        fault=_offset_by_fault,
        oracle=_offset_by,
        typed=True,
        flink=_INTERVALS,
        options={"by": ...},
        examples=[
            ((_AT,), {"by": "1mo"}, dt.datetime(2024, 2, 29, 10, 47, 5)),
            ((_AT.date(),), {"by": "-1y1d"}, dt.date(2023, 1, 30)),
            ((_FAR,), {"by": "1h"}, RowFault),
            ((None,), {"by": "1d"}, None),
        ],
        guesses=("add", "date_add"),
    ),
    Function(
        name="dt.month_start",
        doc="The first day of the month; a datetime keeps its time of day.",
        signature=takes(DAYS, returns=0),
        polars=lambda a, types, returns: _polars_month(a, "month_start", types[0]),
        oracle=lambda v, types, returns: _to_day(v, 1, types[0]),
        typed=True,
        flink=NotOnFlink("Flink has no function for it that keeps the time of day"),
        examples=[((_AT,), dt.datetime(2024, 1, 1, 10, 47, 5)), ((None,), None)],
    ),
    Function(
        name="dt.month_end",
        doc="The last day of the month; a datetime keeps its time of day.",
        signature=takes(DAYS, returns=0),
        polars=lambda a, types, returns: _polars_month(a, "month_end", types[0]),
        oracle=_month_end,
        typed=True,
        flink=NotOnFlink("LAST_DAY of Flink drops the time of day"),
        examples=[((dt.date(2024, 2, 3),), dt.date(2024, 2, 29)), ((None,), None)],
    ),
)
