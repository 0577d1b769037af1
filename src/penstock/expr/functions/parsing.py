"""Reading dates and times from text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from penstock.core.dtypes import Date, Datetime, DType, Time
from penstock.core.errors import PlanError, one_of
from penstock.core.lazy import pl
from penstock.expr import formats, iso
from penstock.expr.function import Function, NotOnFlink, RowFault, Signature
from penstock.expr.signatures import TEXT, takes
from penstock.expr.zones import UTC, check_zone, from_wall, in_years, micros, moment, polars_moment, polars_within

Types = tuple[DType, ...]

_PATTERNS = NotOnFlink("formats are not translated to Java's patterns yet")
_STRICT = "other text is refused, or null if not `strict`"


def _reading(target: str) -> Callable[[Any, Any], Signature]:
    """The resolver of a function that reads text as a `target`."""

    def resolve(types: Any, options: Any) -> Signature:
        returns: DType = {"date": Date, "time": Time}.get(target) or _read_type(options)
        if options["format"] is not None:
            formats.check_reading(options["format"], target)
        return takes(TEXT, returns=returns)(types, options)

    return resolve


def _read_type(options: Any) -> Datetime:
    zone, format = options["time_zone"], options["format"]
    if options["time_unit"] not in ("us", "ms"):
        raise one_of("time_unit", str(options["time_unit"]), ("us", "ms"))
    if zone is not None:
        check_zone(zone)
    elif format is not None and formats.check_reading(format, "datetime"):
        zone = "UTC"
    return Datetime(options["time_unit"], zone)


def _strptime_type(types: Any, options: Any) -> Signature:
    dtype = options["dtype"]
    if dtype not in (Date, Time) and not isinstance(dtype, Datetime):
        raise PlanError(f"text is read as a Date, Time or Datetime, not as {dtype}")
    if isinstance(dtype, Datetime) and dtype.zone is not None:
        check_zone(dtype.zone)
    formats.check_reading(options["format"], "datetime" if isinstance(dtype, Datetime) else str(dtype).lower())
    return takes(TEXT, returns=dtype)(types, options)


def _read(text: str, types: Types, returns: DType, format: str | None = None, strict: bool = True, **rest: Any) -> Any:
    try:
        return _read_value(text, format, returns)
    except RowFault:
        if strict:
            raise
        return None


def _read_value(text: str, format: str | None, returns: DType) -> Any:
    if not isinstance(returns, Datetime):
        if format is None:
            return iso.read_date(text) if returns == Date else iso.read_time(text)
        day, clock, _ = formats.read(text, format)
        return day if returns == Date else clock
    try:
        if format is None:
            found = iso.read_datetime(text, returns)
        else:
            day, clock, offset = formats.read(text, format)
            wall = dt.datetime.combine(day, clock)
            if offset is not None:
                wall = wall.replace(tzinfo=dt.timezone(offset))
            elif returns.zone:
                wall = from_wall(wall, returns.zone)
            found = moment(micros(wall), returns)
    except OverflowError:
        raise RowFault("outside of the years 1 to 9999") from None
    if not in_years(found, returns):
        raise RowFault("outside of the years 1 to 9999")
    return found


def _polars_read(text: Any, types: Types, returns: DType, format: str | None = None, **rest: Any) -> Any:
    if not isinstance(returns, Datetime):
        if format is not None:
            return formats.polars_read(text, format, str(returns).lower())
        return iso.polars_date(text) if returns == Date else iso.polars_time(text)
    if format is None:
        return iso.polars_datetime(text, returns)
    found = formats.polars_read(text, format, "datetime")
    if not formats.check_reading(format, "datetime"):
        found = polars_moment(found, returns.zone)
    elif returns.zone is None:
        found = found.dt.replace_time_zone(None)
    else:
        found = found.dt.convert_time_zone(returns.zone)
    fitting = polars_within(found, Datetime("us", returns.zone))
    return fitting.cast(pl.Datetime(returns.unit, returns.zone))  # type: ignore[arg-type]


def _read_fault(text: Any, types: Types, returns: DType, strict: bool = True, **options: Any) -> Any:
    if not strict:
        return None
    return text.is_not_null() & _polars_read(text, types, returns, **options).is_null()


def _reader(name: str, doc: str, resolver: Any, options: dict[str, Any], examples: list[tuple[Any, ...]]) -> Function:
    return Function(
        name=name,
        doc=doc,
        signature=resolver,
        polars=_polars_read,
        fault=_read_fault,
        oracle=_read,
        typed=True,
        gives_null=True,
        flink=_PATTERNS,
        options=options,
        examples=examples,
    )


FUNCTIONS = (
    _reader(
        "str.to_date",
        f"The date of text in a format, of ISO text without one; {_STRICT}.",
        _reading("date"),
        {"format": None, "strict": True},
        [
            (("2024-02-29",), dt.date(2024, 2, 29)),
            (("29.2.2024",), {"format": "%d.%m.%Y"}, dt.date(2024, 2, 29)),
            (("2023-02-29",), RowFault),
            (("2023-02-29",), {"strict": False}, None),
            ((None,), None),
        ],
    ),
    _reader(
        "str.to_time",
        f"The time of day of text in a format, of ISO text without one; {_STRICT}.",
        _reading("time"),
        {"format": None, "strict": True},
        [
            (("23:59:58.5",), dt.time(23, 59, 58, 500_000)),
            (("1:30 pm",), {"format": "%I:%M %p"}, dt.time(13, 30)),
            (("24:00",), RowFault),
            ((None,), None),
        ],
    ),
    _reader(
        "str.to_datetime",
        f"The datetime of text in a format, of ISO text without one; local to `time_zone` if no offset; {_STRICT}.",
        _reading("datetime"),
        {"format": None, "time_unit": "us", "time_zone": None, "strict": True},
        [
            (("2024-02-29T10:00:00Z",), dt.datetime(2024, 2, 29, 10)),
            (("29.02.2024 10:00",), {"format": "%d.%m.%Y %H:%M"}, dt.datetime(2024, 2, 29, 10)),
            (("2024-02-29 10:00+0130",), {"format": "%F %R%z"}, dt.datetime(2024, 2, 29, 8, 30, tzinfo=UTC)),
            (("2024-02-29 10:00",), {"time_zone": "Asia/Kathmandu"}, dt.datetime(2024, 2, 29, 4, 15, tzinfo=UTC)),
            (("yesterday",), RowFault),
            (("yesterday",), {"strict": False}, None),
            ((None,), None),
        ],
    ),
    _reader(
        "str.strptime",
        f"Text in a format as a Date, Time or Datetime; {_STRICT}.",
        _strptime_type,
        {"dtype": ..., "format": ..., "strict": True},
        [
            (("2024-060",), {"dtype": Date, "format": "%Y-%j"}, dt.date(2024, 2, 29)),
            (("2024-366x",), {"dtype": Date, "format": "%Y-%j"}, RowFault),
            ((None,), {"dtype": Time, "format": "%R"}, None),
        ],
    ),
)
