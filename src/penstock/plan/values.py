"""The values inside nodes as JSON and back: terms, types, spans, connectors, each tagged with its class."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.dtypes import DType, from_json
from penstock.core.errors import PlanError, one_of
from penstock.core.schema import Schema
from penstock.core.timespan import Span
from penstock.expr.ast import Aggregation, Apply, Call, Case, Cast, Column, Frame, Lag, Literal, Over
from penstock.expr.user_aggregates import UserAggregation
from penstock.expr.user_functions import UserFunction, resolve
from penstock.plan.custom_windows import Custom
from penstock.plan.emission import Emit
from penstock.plan.keyed_windows import Count, Everything, Hybrid, Session, Sliding
from penstock.plan.lookup_options import LookupOptions
from penstock.plan.ordering import SortKey
from penstock.plan.ttl import TimeToLive
from penstock.plan.watermark import Alignment, Bounded, Punctuated, Scripted, Silence
from penstock.plan.windows import Cumulative, Hopping, Tumbling
from penstock.plan.zoned_windows import Zoned

VALUES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        Column,
        Literal,
        Call,
        Cast,
        Case,
        Aggregation,
        Span,
        Bounded,
        Scripted,
        Silence,
        Tumbling,
        Hopping,
        Cumulative,
        Session,
        Count,
        Everything,
        Sliding,
        Hybrid,
        Alignment,
        Zoned,
        Emit,
        SortKey,
        Frame,
        Lag,
        Over,
        TimeToLive,
        Custom,
        Punctuated,
        Apply,
        UserAggregation,
        LookupOptions,
    )
}
"""The classes of values inside nodes, by the names that tag them."""


def encode(value: Any) -> Any:
    """A parameter of a node as JSON.

    Raises:
        PlanError: If the value cannot be stored.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else {"$": "float", "v": repr(value)}
        case dt.datetime():
            return {"$": "datetime", "v": value.isoformat(), "zone": str(value.tzinfo) if value.tzinfo else None}
        case dt.date() | dt.time():
            return {"$": type(value).__name__, "v": value.isoformat()}
        case dt.timedelta():
            return {"$": "timedelta", "v": value // dt.timedelta(microseconds=1)}
        case decimal.Decimal():
            return {"$": "Decimal", "v": str(value)}
        case bytes():
            return {"$": "bytes", "v": value.hex()}
        case DType():
            return {"$": "type", "v": value.to_json()}
        case UserFunction():
            return {"$": "function", "v": value.plan_reference()}
        case Schema():
            return {"$": "schema", "v": value.to_json()}
        case tuple() | list():
            return [encode(item) for item in value]
        case Mapping():
            return {"$": "map", "v": [[encode(k), encode(v)] for k, v in value.items()]}
    if type(value).__name__ in VALUES:
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"$": type(value).__name__, **fields}
    if hasattr(value, "plan_value"):
        return {"$": "connector", "v": encode(value.plan_value())}
    raise PlanError(f"{value!r} cannot be stored in a plan")


def decode(data: Any, connector: Callable[[dict[str, Any]], Any]) -> Any:
    """The inverse of `encode`; `connector` makes sources and sinks of what `plan_value` gave.

    Raises:
        PlanError: If the data are no stored value.
    """
    if isinstance(data, list):
        return tuple(decode(item, connector) for item in data)
    if not isinstance(data, dict):
        return data
    tag, value = data.get("$"), data.get("v")
    if tag in _SCALARS:
        return _SCALARS[tag](data)
    if tag == "map":
        return {decode(k, connector): decode(v, connector) for k, v in value or ()}
    if tag == "connector":
        return connector(decode(value, connector))
    if tag not in VALUES:
        raise one_of("kind of stored value", str(tag), VALUES)
    fields = {name: decode(item, connector) for name, item in data.items() if name != "$"}
    return VALUES[tag](**fields)


def _datetime(data: dict[str, Any]) -> dt.datetime:
    moment = dt.datetime.fromisoformat(data["v"])
    zone = data.get("zone")
    if not zone:
        return moment
    return moment.astimezone(dt.UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone))


_SCALARS: dict[Any, Callable[[dict[str, Any]], Any]] = {
    "float": lambda d: float(d["v"]),
    "datetime": _datetime,
    "date": lambda d: dt.date.fromisoformat(d["v"]),
    "time": lambda d: dt.time.fromisoformat(d["v"]),
    "timedelta": lambda d: dt.timedelta(microseconds=d["v"]),
    "Decimal": lambda d: decimal.Decimal(d["v"]),
    "bytes": lambda d: bytes.fromhex(d["v"]),
    "type": lambda d: from_json(d["v"]),
    "schema": lambda d: Schema.from_json(d["v"]),
    "function": lambda d: resolve(d["v"]),
}
