"""Parts of dates, times, datetimes and durations."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable
from typing import Any

from penstock.core.dtypes import Boolean, Date, Datetime, DType, Int8, Int16, Int32, Int64, String, Time
from penstock.core.lazy import pl
from penstock.core.timespan import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from penstock.expr.formats import check_writing, polars_write, write
from penstock.expr.function import Function, Kind, NotOnFlink, Signature
from penstock.expr.signatures import CLOCK, DATETIME, DAYS, SPAN, takes
from penstock.expr.zones import polars_wall

MOMENT = Kind("a date, time or datetime", lambda t: t in (Date, Time) or isinstance(t, Datetime), Datetime("us"))
_INTERVALS = NotOnFlink("Flink has no columns of durations")
_PATTERNS = NotOnFlink("formats are not translated to Java's patterns yet")

_AT = dt.datetime(2021, 1, 3, 4, 5, 6, 789_012)
_DAY = dt.date(2021, 1, 3)


def _part(
    name: str, doc: str, kind: Kind, returns: DType, oracle: Callable[[Any], Any], flink: str, result: Any
) -> Function:
    """A part of a date or time that Polars gives under the same name."""
    method = name.removeprefix("dt.")
    value = dt.time(4, 5, 6, 789_012) if kind is CLOCK else _DAY
    return Function(
        name=name,
        doc=f"{doc} Of a datetime with a zone: of its local time.",
        signature=takes(kind, returns=returns),
        polars=lambda a: getattr(a.dt, method)(),
        oracle=oracle,
        flink=flink,
        examples=[((value,), result), ((_AT,), result), ((None,), None)],
    )


def _quarter(value: Any) -> int:
    return int(value.month + 2) // 3


_PARTS = (
    _part("dt.year", "The year.", DAYS, Int32, lambda v: v.year, "EXTRACT(YEAR FROM {0})", 2021),
    _part("dt.quarter", "The quarter, 1 to 4.", DAYS, Int8, _quarter, "EXTRACT(QUARTER FROM {0})", 1),
    _part("dt.month", "The month, 1 to 12.", DAYS, Int8, lambda v: v.month, "EXTRACT(MONTH FROM {0})", 1),
    _part(
        "dt.week", "The ISO week, 1 to 53: weeks begin on Monday, the first has a Thursday.", DAYS, Int8,
        lambda v: v.isocalendar()[1], "EXTRACT(WEEK FROM {0})", 53,
    ),
    _part(
        "dt.iso_year", "The year to which the ISO week belongs.", DAYS, Int32,
        lambda v: v.isocalendar()[0], "EXTRACT(ISOYEAR FROM {0})", 2020,
    ),
    _part("dt.day", "The day of the month, 1 to 31.", DAYS, Int8, lambda v: v.day, "EXTRACT(DAY FROM {0})", 3),
    _part(
        "dt.weekday", "The day of the week, Monday 1 to Sunday 7.", DAYS, Int8,
        lambda v: v.isoweekday(), "(MOD(DAYOFWEEK({0}) + 5, 7) + 1)", 7,
    ),
    _part(
        "dt.ordinal_day", "The day of the year, 1 to 366.", DAYS, Int16,
        lambda v: v.timetuple().tm_yday, "EXTRACT(DOY FROM {0})", 3,
    ),
    _part(
        "dt.days_in_month", "The number of days of the month.", DAYS, Int8,
        lambda v: calendar.monthrange(v.year, v.month)[1], "EXTRACT(DAY FROM LAST_DAY({0}))", 31,
    ),
    _part(
        "dt.is_leap_year", "Whether the year has 366 days.", DAYS, Boolean,
        lambda v: calendar.isleap(v.year),
        "(MOD(EXTRACT(YEAR FROM {0}), 4) = 0 AND (MOD(EXTRACT(YEAR FROM {0}), 100) <> 0 "
        "OR MOD(EXTRACT(YEAR FROM {0}), 400) = 0))", False,
    ),
    _part("dt.hour", "The hour, 0 to 23.", CLOCK, Int8, lambda v: v.hour, "EXTRACT(HOUR FROM {0})", 4),
    _part("dt.minute", "The minute, 0 to 59.", CLOCK, Int8, lambda v: v.minute, "EXTRACT(MINUTE FROM {0})", 5),
    _part("dt.second", "The second, 0 to 59.", CLOCK, Int8, lambda v: v.second, "EXTRACT(SECOND FROM {0})", 6),
    _part(
        "dt.millisecond", "The milliseconds within the second.", CLOCK, Int32,
        lambda v: v.microsecond // 1000, "EXTRACT(MILLISECOND FROM {0})", 789,
    ),
    _part(
        "dt.microsecond", "The microseconds within the second.", CLOCK, Int32,
        lambda v: v.microsecond, "EXTRACT(MICROSECOND FROM {0})", 789_012,
    ),
)  # fmt: skip


def _total(unit: str, size: int, result: int) -> Function:
    """The length of a duration in whole units, cut towards zero."""
    micros = dt.timedelta(microseconds=1)

    def oracle(value: dt.timedelta) -> int:
        total = value // micros
        return -(-total // size) if total < 0 else total // size

    return Function(
        name=f"dt.total_{unit}",
        doc=f"The length of a duration in whole {unit}, cut towards zero.",
        signature=takes(SPAN, returns=Int64),
        polars=lambda a: getattr(a.dt, f"total_{unit}")(),
        oracle=oracle,
        flink=_INTERVALS,
        examples=[((dt.timedelta(days=-1, hours=-1, microseconds=-1),), result), ((None,), None)],
    )


_TOTALS = (
    _total("days", DAY, -1),
    _total("hours", HOUR, -25),
    _total("minutes", MINUTE, -25 * 60),
    _total("seconds", SECOND, -25 * 3600),
    _total("milliseconds", MILLISECOND, -25 * 3600 * 1000),
    _total("microseconds", 1, -25 * 3600 * 1_000_000 - 1),
)


def _writing(types: Any, options: Any) -> Signature:
    signature = takes(MOMENT, returns=String)(types, options)
    check_writing(options["format"], signature.args[0])
    return signature


def _text(name: str, other: str) -> Function:
    return Function(
        name=name,
        doc=f"Text in a format such as `%Y-%m-%d %H:%M:%S%.3f`; the same as `{other}`.",
        signature=_writing,
        polars=polars_write,
        oracle=write,
        flink=_PATTERNS,
        options={"format": ...},
        examples=[
            ((_AT,), {"format": "%d %b %Y %I:%M %p"}, "03 Jan 2021 04:05 AM"),
            ((_DAY,), {"format": "%G-W%V-%u"}, "2020-W53-7"),
            ((dt.time(1, 2, 3, 500_000),), {"format": "%H:%M:%S%.f"}, "01:02:03.500"),
            ((None,), {"format": "%F"}, None),
        ],
    )


FUNCTIONS = (
    *_PARTS,
    *_TOTALS,
    Function(
        name="dt.date",
        doc="The date of a datetime, local if it has a zone.",
        signature=takes(DATETIME, returns=Date),
        polars=lambda a: a.dt.date(),
        oracle=lambda v: v.date(),
        flink="CAST({0} AS DATE)",
        examples=[((_AT,), _DAY), ((None,), None)],
    ),
    Function(
        name="dt.time",
        doc="The time of day of a datetime, local if it has a zone.",
        signature=takes(DATETIME, returns=Time),
        polars=lambda a, types, returns: polars_wall(a, types[0]).cast(pl.Time),
        oracle=lambda v, types, returns: v.time(),
        typed=True,
        flink="CAST({0} AS TIME)",
        examples=[((_AT,), _AT.time()), ((None,), None)],
    ),
    _text("dt.to_string", "dt.strftime"),
    _text("dt.strftime", "dt.to_string"),
)
