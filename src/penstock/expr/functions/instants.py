"""Instants: zones and epochs."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from penstock.core.dtypes import FLOATS, INTEGERS, Date, Datetime, DType, Float64, Int32, Int64
from penstock.core.errors import one_of
from penstock.core.lazy import pl
from penstock.core.timespan import DAY, MILLISECOND, SECOND
from penstock.expr.function import Function, Kind, NotOnFlink, RowFault, Signature
from penstock.expr.signatures import DATETIME, DAYS, takes
from penstock.expr.zones import (
    UTC,
    bounds,
    check_zone,
    in_years,
    micros,
    moment,
    polars_moment,
    zone_info,
)

Types = tuple[DType, ...]

_SIZES = {"us": 1, "ms": MILLISECOND, "s": SECOND, "d": DAY}
_REAL = Kind("a whole number or a float", lambda t: t in INTEGERS or t in FLOATS, Int64)
_ZONES = NotOnFlink("Flink's timestamps have the session's zone or none")


def _unit(options: Any, *known: str) -> str:
    unit: str = options["unit"]
    if unit not in known:
        raise one_of("unit", str(unit), known)
    return unit


# -- Zones ------------------------------------------------------------------------------------------


def _converting(types: Any, options: Any) -> Signature:
    signature = takes(DATETIME, returns=0)(types, options)
    zone = check_zone(options["time_zone"])
    unit = getattr(signature.args[0], "unit", "us")
    return Signature(signature.args, Datetime(unit, zone))


def _replacing(types: Any, options: Any) -> Signature:
    signature = takes(DATETIME, returns=0)(types, options)
    zone = options["time_zone"]
    for name, known in (
        ("ambiguous", ("earliest", "latest", "null", "raise")),
        ("non_existent", ("forward", "null", "raise")),
    ):
        if options[name] not in known:
            raise one_of(f"way of {name}", str(options[name]), known)
    unit = getattr(signature.args[0], "unit", "us")
    return Signature(signature.args, Datetime(unit, None if zone is None else check_zone(zone)))


def _convert(value: dt.datetime, time_zone: str, types: Types, returns: DType) -> dt.datetime:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(zone_info(time_zone))


def _replace(
    value: dt.datetime, time_zone: str | None, ambiguous: str, non_existent: str, types: Types, returns: DType
) -> dt.datetime | None:
    wall = value.replace(tzinfo=None)
    if time_zone is None:
        return wall
    rules = zone_info(time_zone)
    early, late = (wall.replace(tzinfo=rules, fold=fold).astimezone(UTC).astimezone(rules) for fold in (0, 1))
    exists = early.replace(tzinfo=None) == wall
    chosen = non_existent if not exists else ambiguous if micros(early) != micros(late) else "earliest"
    if chosen == "raise":
        raise RowFault("a local time that the zone skips or has twice")
    return None if chosen == "null" else late if chosen == "latest" else early


def _quiet(policy: str) -> str:
    return "null" if policy == "raise" else policy


def _polars_replace(
    value: Any, time_zone: str | None, ambiguous: str, non_existent: str, types: Types, returns: DType
) -> Any:
    return polars_moment(value.dt.replace_time_zone(None), time_zone, _quiet(ambiguous), _quiet(non_existent))


def _replace_fault(
    value: Any, time_zone: str | None, ambiguous: str, non_existent: str, types: Types, returns: DType
) -> Any:
    if time_zone is None or "raise" not in (ambiguous, non_existent):
        return None
    # What only an answer other than "raise" would make null must not count as refused.
    others = ("earliest" if ambiguous == "null" else ambiguous, "forward" if non_existent == "null" else non_existent)
    found = polars_moment(value.dt.replace_time_zone(None), time_zone, *map(_quiet, others))
    return value.is_not_null() & found.is_null()


# -- Epochs -----------------------------------------------------------------------------------------


def _epoch_type(types: Any, options: Any) -> Signature:
    unit = _unit(options, "us", "ms", "s", "d")
    return takes(DAYS, returns=Int32 if unit == "d" else Int64)(types, options)


def _timestamp_type(types: Any, options: Any) -> Signature:
    _unit(options, "us", "ms")
    return takes(DAYS, returns=Int64)(types, options)


def _polars_micros(value: Any, dtype: DType) -> Any:
    size = DAY if dtype == Date else MILLISECOND if isinstance(dtype, Datetime) and dtype.unit == "ms" else 1
    return value.to_physical().cast(pl.Int64) * size


def _polars_epoch(value: Any, unit: str, types: Types, returns: DType) -> Any:
    whole = _polars_micros(value, types[0]) // _SIZES[unit]
    return whole.cast(pl.Int32) if unit == "d" else whole


def _from_epoch_type(types: Any, options: Any) -> Signature:
    returns: DType = Date if _unit(options, "us", "ms", "s", "d") == "d" else Datetime("us", "UTC")
    signature = takes(_REAL, returns=returns)(types, options)
    return Signature((Float64,) if signature.args[0] in FLOATS else (Int64,), returns)


def _from_epoch(value: Any, unit: str, types: Types, returns: DType) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value * _SIZES[unit]):
            raise RowFault("no finite number")
        total = math.floor(value) * DAY if unit == "d" else round(value * _SIZES[unit])
    else:
        total = value * _SIZES[unit]
    try:
        found = moment(total, Datetime("us", "UTC"))
    except OverflowError:
        raise RowFault("outside of the years 1 to 9999") from None
    if unit == "d":
        return found.date()
    if not in_years(found, returns):
        raise RowFault("outside of the years 1 to 9999")
    return found


def _polars_from_epoch(value: Any, unit: str, types: Types, returns: DType) -> Any:
    low, high = bounds(returns)
    if types[0] == Float64:
        whole = value.floor() if unit == "d" else (value * _SIZES[unit]).round()
        fitting = pl.when(whole.is_between(float(low) - 1, float(high) + 1)).then(whole).cast(pl.Int64)
    else:
        size = 1 if unit == "d" else _SIZES[unit]
        whole = value.cast(pl.Int64)
        fitting = pl.when(whole.is_between(low // size - 1, high // size + 1)).then(whole) * size
    number = pl.when(fitting.is_between(low, high)).then(fitting)
    return number.cast(pl.Int32).cast(pl.Date) if unit == "d" else number.cast(pl.Datetime("us", "UTC"))


def _from_epoch_fault(value: Any, unit: str, types: Types, returns: DType) -> Any:
    return value.is_not_null() & _polars_from_epoch(value, unit, types, returns).is_null()


_NOON = dt.datetime(2024, 7, 1, 12)
_GAP = dt.datetime(2024, 3, 10, 2, 30)

FUNCTIONS = (
    Function(
        name="dt.convert_time_zone",
        doc="The same instant with the local time of another zone; a datetime without a zone counts as UTC.",
        signature=_converting,
        polars=lambda a, time_zone, types, returns: a.dt.convert_time_zone(time_zone),
        oracle=_convert,
        typed=True,
        flink=_ZONES,
        options={"time_zone": ...},
        examples=[
            ((_NOON,), {"time_zone": "Asia/Kathmandu"}, _NOON.replace(tzinfo=UTC)),
            ((None,), {"time_zone": "UTC"}, None),
        ],
    ),
    Function(
        name="dt.replace_time_zone",
        doc="The same local time in another zone, or in none. A time that the zone skips moves forward, of one that it "
        "has twice the earlier is taken, unless `non_existent` (`forward`, `null`, `raise`) and `ambiguous` "
        "(`earliest`, `latest`, `null`, `raise`) say other; `raise` refuses the row.",
        signature=_replacing,
        polars=_polars_replace,
        fault=_replace_fault,
        oracle=_replace,
        typed=True,
        gives_null=True,
        flink=_ZONES,
        options={"time_zone": ..., "ambiguous": "earliest", "non_existent": "forward"},
        examples=[
            ((_GAP,), {"time_zone": "America/New_York"}, dt.datetime(2024, 3, 10, 7, 30, tzinfo=UTC)),
            ((_GAP,), {"time_zone": "America/New_York", "non_existent": "null"}, None),
            ((_GAP,), {"time_zone": "America/New_York", "non_existent": "raise"}, RowFault),
            ((_GAP,), {"time_zone": None}, _GAP),
            ((None,), {"time_zone": "UTC"}, None),
        ],
    ),
    Function(
        name="dt.epoch",
        doc="Whole units (`us`, `ms`, `s`, `d`) since 1970-01-01 UTC; before it, rounded down.",
        signature=_epoch_type,
        polars=_polars_epoch,
        oracle=lambda v, unit, types, returns: micros(v) // _SIZES[unit],
        typed=True,
        flink=NotOnFlink("Flink's functions of the epoch read other types"),
        options={"unit": "us"},
        examples=[((dt.datetime(1969, 12, 31, 23, 59, 59, 1),), {"unit": "s"}, -1), ((None,), None)],
    ),
    Function(
        name="dt.timestamp",
        doc="Whole `us` or `ms` since 1970-01-01 UTC; before it, rounded down.",
        signature=_timestamp_type,
        polars=_polars_epoch,
        oracle=lambda v, unit, types, returns: micros(v) // _SIZES[unit],
        typed=True,
        flink=NotOnFlink("Flink's functions of the epoch read other types"),
        options={"unit": "us"},
        examples=[((dt.date(1970, 1, 2),), {"unit": "ms"}, 86_400_000), ((None,), None)],
    ),
    Function(
        name="from_epoch",
        doc="The instant, in UTC, of a number of `us`, `ms` or `s` since 1970-01-01 UTC; the date, of days (`d`).",
        signature=_from_epoch_type,
        polars=_polars_from_epoch,
        fault=_from_epoch_fault,
        oracle=_from_epoch,
        typed=True,
        flink=NotOnFlink("not implemented: TO_TIMESTAMP_LTZ depends on the unit"),
        options={"unit": "s"},
        examples=[
            ((1_500,), {"unit": "ms"}, dt.datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
            ((1.5,), dt.datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
            ((-1,), {"unit": "d"}, dt.date(1969, 12, 31)),
            ((2**62,), RowFault),
            ((None,), None),
        ],
        guesses=("to_timestamp", "from_unixtime"),
    ),
)
