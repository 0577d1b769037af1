"""Literals: the values of what is written, and the types that Flink gives them."""

from __future__ import annotations

import datetime as dt
import decimal
import re

from penstock.sql.syntax import Constant, Interval
from penstock.sql.text import Text
from penstock.sql.types import SqlType

_UNITS = {"SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000, "DAY": 86_400_000_000}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_ORDER = ("DAY", "HOUR", "MINUTE", "SECOND")
UNITS = (*_UNITS, "WEEK", *_MONTHS)


def number(text: Text, written: str, at: int, end: int) -> Constant:
    """A number: INT, BIGINT, DECIMAL, or DOUBLE if it has an exponent."""
    if "e" in written.lower():
        if written[-1] in "eE+-":
            raise text.error(f"the number {written[:40]} has no exponent", at, end, hint=f"{written[:40]}0")
        return Constant(float(written), SqlType("DOUBLE", nullable=False), at=at, end=end)
    if "." in written:
        value = decimal.Decimal(written)
        _, digits, exponent = value.as_tuple()
        scale = max(0, -int(exponent))
        precision = max(len(digits), scale)
        if precision > 38:
            raise text.error(f"a DECIMAL has at most 38 digits, found {precision}", at, end)
        return Constant(value, SqlType("DECIMAL", (precision, scale), nullable=False), at=at, end=end)
    integer = int(written) if len(written) < 100 else 2**64
    if integer >= 2**63:
        raise text.error(f"the integer {written[:40]} does not fit BIGINT", at, end, hint="CAST('...' AS DECIMAL(38))")
    name = "INT" if integer < 2**31 else "BIGINT"
    return Constant(integer, SqlType(name, nullable=False), at=at, end=end)


def temporal(text: Text, kind: str, written: str, at: int, end: int) -> Constant:
    """`DATE '2026-01-31'`, `TIME '10:20:30'` or `TIMESTAMP '2026-01-31 10:20:30.123'`."""
    shown = {"DATE": "2026-01-31", "TIME": "10:20:30", "TIMESTAMP": "2026-01-31 10:20:30.123"}[kind]
    try:
        if kind == "DATE":
            return Constant(dt.date.fromisoformat(written), SqlType("DATE", nullable=False), at=at, end=end)
        if kind == "TIME":
            return Constant(dt.time.fromisoformat(written), SqlType("TIME", nullable=False), at=at, end=end)
        value = dt.datetime.fromisoformat(written)
        if value.tzinfo is not None:
            raise ValueError
    except ValueError:
        raise text.error(f"'{written}' is no {kind}", at, end, hint=f"{kind} '{shown}'") from None
    fraction = re.search(r"\.(\d+)", written)
    precision = len(fraction[1]) if fraction else 0
    return Constant(value, SqlType("TIMESTAMP", (precision,), nullable=False), at=at, end=end)


def interval(
    text: Text, written: str, first: str, last: str | None, *, digits: int | None, negative: bool, at: int, end: int
) -> Interval:
    """`INTERVAL '1' DAY`, `INTERVAL '1 2:03' DAY TO MINUTE`, `INTERVAL '1-2' YEAR TO MONTH`."""
    sign = -1 if negative else 1
    body = written.strip()
    if body[:1] in ("-", "+"):
        sign, body = (-sign if body[0] == "-" else sign), body[1:].strip()
    try:
        us, months = _length(body, first, last)
    except (ValueError, KeyError, decimal.InvalidOperation):
        unit = f"{first} TO {last}" if last else first
        raise text.error(
            f"'{written}' is no interval in {unit}",
            at,
            end,
            hint="INTERVAL '5' MINUTE, INTERVAL '1 02:30' DAY TO MINUTE",
        ) from None
    whole = len(re.split(r"[ :.-]", body)[0])
    if whole > (digits or 2):
        raise text.error(
            f"an interval has two digits unless it says more, found '{written}' {first}", at, end,
            hint=f"INTERVAL '{written}' {first}({whole}), or a larger unit",
        )  # fmt: skip
    return Interval(sign * us, sign * months, first, at=at, end=end)


def _length(body: str, first: str, last: str | None) -> tuple[int, int]:
    if first in _MONTHS:
        if last is None:
            return 0, int(body) * _MONTHS[first]
        years, months = body.split("-")
        return 0, int(years) * 12 + int(months)
    if first == "WEEK":
        return int(body) * 7 * _UNITS["DAY"], 0
    if last is None:
        value = decimal.Decimal(body) if first == "SECOND" else decimal.Decimal(int(body))
        return int(value * _UNITS[first]), 0
    units = _ORDER[_ORDER.index(first) : _ORDER.index(last) + 1]
    parts = re.split(r"[ :]", body)
    if len(parts) != len(units) or len(units) < 2:
        raise ValueError(body)
    return sum(int(decimal.Decimal(part) * _UNITS[unit]) for part, unit in zip(parts, units, strict=True)), 0
