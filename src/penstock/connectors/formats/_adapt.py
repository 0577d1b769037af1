"""Typed columns to the types that were asked for: what goes without saying, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
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
    from_polars,
    to_polars,
)
from penstock.core.errors import nearest
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema


class MismatchError(ValueError):
    """A column is missing or of a type that does not go with the one that was asked for."""


def schema_of_frame(types: Mapping[str, object]) -> Schema:
    """The logical schema of Polars types by column; all columns may be null.

    Raises:
        PlanError: If a type has no counterpart here.
    """
    return Schema(tuple(Field(name, from_polars(dtype)) for name, dtype in types.items()))


def canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame in the types that a schema can name: nanoseconds are cut, categories are text, arrays are lists.

    Raises:
        PlanError: If a column's type has no counterpart here.
    """
    columns = [
        series if series.dtype == wanted else series.cast(wanted)
        for series in frame.get_columns()
        for wanted in [to_polars(from_polars(series.dtype))]
    ]
    return pl.DataFrame(columns) if columns else frame


def lossless(source: DType, target: DType) -> bool:
    """Whether every value of one type is a value of the other."""
    if source in (target, Null):
        return True
    match source, target:
        case (Datetime(_, one), Datetime("us", other)):
            return (one is None) == (other is None)
        case (Duration(), Duration("us")):
            return True
        case (Decimal(p, s), Decimal(q, t)):
            return q - t >= p - s and t >= s
        case (List(one), List(other)):
            return lossless(one, other)
        case (Map(k, v), Map(m, w)):
            return lossless(k, m) and lossless(v, w)
        case (Struct(one), Struct(other)):
            return [n for n, _ in one] == [n for n, _ in other] and all(
                lossless(a, b) for (_, a), (_, b) in zip(one, other, strict=True)
            )
    if {source, target} <= {String, Json}:
        return True
    if source in INTEGERS and target in INTEGERS:
        wide, narrow = _bits(target), _bits(source)
        return wide >= narrow if (source in UNSIGNED) == (target in UNSIGNED) else source in UNSIGNED and wide > narrow
    return (source in INTEGERS or source in FLOATS) and target in FLOATS


def _bits(dtype: DType) -> int:
    return int("".join(filter(str.isdigit, str(dtype))))


def convertible(source: DType, target: DType) -> bool:
    """Whether a column of one type may be read as another, with a fault for each value that does not fit."""
    if lossless(source, target):
        return True
    if isinstance(source, Datetime) and isinstance(target, Datetime):
        return (source.zone is None) == (target.zone is None)
    if isinstance(source, Duration) and isinstance(target, Duration):
        return True
    exact = source in INTEGERS or isinstance(source, Decimal)
    return exact and (target in INTEGERS or isinstance(target, Decimal))


def adapt(series: pl.Series, target: DType) -> tuple[pl.Series, pl.Series | None]:
    """A column as another type, and a mask of the values that do not fit (None if all do).

    Raises:
        MismatchError: If the types do not go together.
    """
    wanted = to_polars(target)
    if series.dtype == wanted:
        return series, None
    source = from_polars(series.dtype)
    if not convertible(source, target):
        raise MismatchError(f'column "{series.name}" is {source}, not {target}{_zone_hint(source, target)}')
    result = series.cast(wanted, strict=False)
    if lossless(source, target):
        return result, None
    wrong = series.is_not_null() & result.is_null()
    if isinstance(source, Decimal):
        # A cast from a decimal cuts its digits: what does not come back was cut.
        wrong = wrong | (result.is_not_null() & (result.cast(series.dtype, strict=False).ne_missing(series)))
    return result.set(wrong, None), wrong if wrong.any() else None


def _zone_hint(source: DType, target: DType) -> str:
    if isinstance(source, Datetime) and isinstance(target, Datetime):
        return ": a wall-clock time is no instant" if source.zone is None else ": an instant is no wall-clock time"
    return ""


def missing_column(name: str, known: Mapping[str, object]) -> MismatchError:
    """The error for a column that is not there."""
    guess = nearest(name, known)
    return MismatchError(f'there is no column "{name}"{guess or "; columns: " + ", ".join(known)}')
