"""What user code gave, held against the types that were declared: plain Python, one value at a time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import zoneinfo
from collections.abc import Mapping
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    UNSIGNED,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Json,
    List,
    Map,
    String,
    Struct,
    Time,
)
from penstock.core.schema import Schema
from penstock.expr.function import RowFault

PLAIN: dict[DType, type] = {
    Boolean: bool,
    String: str,
    Json: str,
    Binary: bytes,
    Date: dt.date,
    Time: dt.time,
}
"""The Python types of values that are taken as they are."""


class Record(dict[str, Any]):
    """A row as user code sees it: a dict whose values are attributes too (`row.amount`, `row["amount"]`)."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the row has no column {name!r}; it has {', '.join(self)}") from None


def conform(value: Any, dtype: DType) -> Any:
    """A value as its declared type has it: what is lossless is converted, all else refused.

    Args:
        value: What user code gave: Python values, or NumPy scalars.
        dtype: The declared type.

    Raises:
        RowFault: If it is no value of the type; the reason names both.
    """
    if value is None:
        return None
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if dtype in INTEGERS:
        return _integer(value, dtype)
    if dtype in FLOATS and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    plain = PLAIN.get(dtype)
    if plain is not None and isinstance(value, plain) and not (dtype == Date and isinstance(value, dt.datetime)):
        return value
    match dtype:
        case Datetime() if isinstance(value, dt.datetime):
            return _moment(value, dtype)
        case Duration() if isinstance(value, dt.timedelta):
            return value
        case Decimal() if isinstance(value, (decimal.Decimal, int)) and not isinstance(value, bool):
            return _decimal(value, dtype)
        case List(inner) if isinstance(value, (list, tuple)):
            return [conform(item, inner) for item in value]
        case Map(key, item) if isinstance(value, Mapping):
            return {conform(k, key): conform(v, item) for k, v in value.items()}
        case Struct(fields):
            return _struct(value, fields)
    raise _misfit(value, dtype)


def conform_row(row: Any, schema: Schema) -> dict[str, Any]:
    """A row that user code gave, as its declared columns; a column that is left out is null.

    Args:
        row: A mapping, or an object of a dataclass.
        schema: The declared columns.

    Raises:
        RowFault: If it is no row, has other columns, or a value that does not fit.
    """
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        row = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if not isinstance(row, Mapping):
        raise RowFault(f"a row is a dict, found {type(row).__name__}")
    more = [str(name) for name in row if name not in schema]
    if more:
        raise RowFault(f'the column "{more[0]}" is not declared; there are {", ".join(schema.names)}')
    made = {}
    for field in schema:
        try:
            made[field.name] = conform(row.get(field.name), field.dtype)
        except RowFault as fault:
            raise RowFault(f'"{field.name}": {fault}') from None
    return made


def _misfit(value: Any, dtype: DType) -> RowFault:
    return RowFault(f"gave {type(value).__name__}, declared is {dtype}")


def _integer(value: Any, dtype: DType) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _misfit(value, dtype)
    bits = int(str(dtype).removeprefix("U").removeprefix("Int"))
    low, high = (0, 2**bits) if dtype in UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not low <= value < high:
        raise RowFault(f"gave an integer that does not fit {dtype}")
    return value


def _moment(value: dt.datetime, dtype: Datetime) -> dt.datetime:
    if (value.tzinfo is None) != (dtype.zone is None):
        has = "no zone" if value.tzinfo is None else "a zone"
        raise RowFault(f"gave a datetime with {has}, declared is {dtype}")
    if dtype.unit == "ms" and value.microsecond % 1_000:
        raise RowFault(f"gave a datetime with microseconds, declared is {dtype}")
    return value if dtype.zone is None else value.astimezone(zoneinfo.ZoneInfo(dtype.zone))


def _decimal(value: decimal.Decimal | int, dtype: Decimal) -> decimal.Decimal:
    exact = decimal.Decimal(value)
    if not exact.is_finite():
        raise _misfit(value, dtype)
    with decimal.localcontext(prec=100):
        scaled = exact.scaleb(dtype.scale)
        if scaled != scaled.to_integral_value() or abs(scaled) >= decimal.Decimal(10) ** dtype.precision:
            raise RowFault(f"gave a number that does not fit {dtype}")
        return exact.quantize(decimal.Decimal(1).scaleb(-dtype.scale))


def _struct(value: Any, fields: tuple[tuple[str, DType], ...]) -> dict[str, Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names = [name for name, _ in fields]
    if not isinstance(value, Mapping) or any(name not in names for name in value):
        raise RowFault(f"gave {type(value).__name__}, declared is a struct of {', '.join(names)}")
    return {name: conform(value.get(name), dtype) for name, dtype in fields}
